"""In the parent: runs the child, believes nothing it says, and cleans up after it."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import bystander
from bystander import errors
from bystander.errors import BystanderError, PhotoError, VideoError
from bystander.sandbox.facts import MOST_POSTERS, PhotoFacts, VideoFacts
from bystander.sandbox.limits import Limits

log = logging.getLogger(__name__)

Kind = Literal["video", "photo"]
FactsT = TypeVar("FactsT", bound=BaseModel)

_MOST_SAID = 256 * 1024  # bytes, of stdout and of stderr; facts of 1000 sound tracks fit
_PACKAGES = Path(bystander.__file__).resolve().parents[1]
_ERRORS: dict[Kind, type[BystanderError]] = {"video": VideoError, "photo": PhotoError}


class _Refusal(BaseModel):
    type: str
    what: str = Field(max_length=2000)
    advice: str = Field("", max_length=2000)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offline: bool
    facts: dict[str, Any] | None = None
    error: _Refusal | None = None


def examine_video(path: Path, limits: Limits, posters: Path) -> VideoFacts:
    """What `path` holds, found out by a child process under `limits`. Safe in threads.

    Args:
        posters: folder for up to five pictures of the video, 0.jpg, 1.jpg, ..., the longer
            side at most 640 pixels. Made if absent; those of an earlier video are replaced.

    Raises:
        VideoError: it can't be processed, or not be examined within `limits`. The message
            names no path.
    """
    posters.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".examine-", dir=posters.parent) as folder:
        facts = _examine("video", path, Path(folder), limits, VideoFacts)
        for number in range(MOST_POSTERS):
            poster = posters / f"{number}.jpg"
            if number < facts.posters:
                _take_over(Path(folder), number, poster, "video")
            else:
                poster.unlink(missing_ok=True)
    return facts


def examine_photo(path: Path, limits: Limits, target: Path) -> PhotoFacts:
    """Re-encode `path` to `target` in a child process under `limits`. Safe in threads.

    Args:
        target: becomes a plain RGB JPEG: upright, without metadata, the longer side at most
            2048 pixels. Appears whole or not at all.

    Raises:
        PhotoError: no photo, or it can't be examined within `limits`. The message names no
            path.
    """
    with tempfile.TemporaryDirectory(prefix=".examine-", dir=target.parent) as folder:
        facts = _examine("photo", path, Path(folder), limits, PhotoFacts)
        _take_over(Path(folder), 0, target, "photo")
    return facts


def _examine(kind: Kind, path: Path, folder: Path, limits: Limits, schema: type[FactsT]) -> FactsT:
    path = path.resolve()
    said, complaint, reason = _run_child(kind, path, folder.resolve(), limits)
    try:
        answer = _Answer.model_validate_json(said)
        _tell_once(answer.offline)
        if answer.facts is not None:
            return schema.model_validate_json(json.dumps(answer.facts))
    except ValidationError:
        raise _not_examined(kind, reason, complaint) from None
    if answer.error is None:
        raise _not_examined(kind, reason, complaint)
    raise _refusal(kind, answer.error, path)


def _run_child(kind: Kind, path: Path, folder: Path, limits: Limits) -> tuple[bytes, bytes, str]:
    """What the child says on stdout and stderr, and how it ended. Nothing of it is left."""
    child = subprocess.Popen(
        # -P: nothing is imported from the folder that this process happens to be in.
        [sys.executable, "-P", "-s", "-B", "-m", "bystander.sandbox", kind, path, folder,
         limits.model_dump_json(include=set(Limits.model_fields))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=folder, env=_environment(), start_new_session=True,
    )  # fmt: skip
    with child:
        try:
            said, complaint, reason = _listen(child, time.monotonic() + limits.wall)
        finally:
            # Before it is waited for: until then its process group's number is its own.
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
    if not reason:
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return said, complaint, reason


def _listen(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes, str]:
    """Read until both pipes are closed, too much is said, or `deadline` passes."""
    assert child.stdout is not None
    assert child.stderr is not None
    heard = {child.stdout: bytearray(), child.stderr: bytearray()}
    reason = ""
    with selectors.DefaultSelector() as selector:
        for pipe in heard:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map() and not reason:
            left = deadline - time.monotonic()
            ready = selector.select(max(0.0, left))
            if left <= 0:
                reason = "too slow"
            for key, _ in ready:
                pipe = child.stdout if key.fileobj is child.stdout else child.stderr
                chunk = os.read(pipe.fileno(), 65536)
                heard[pipe] += chunk
                if not chunk:
                    selector.unregister(pipe)
                if len(heard[pipe]) > _MOST_SAID:
                    reason = "too talkative"
    return bytes(heard[child.stdout]), bytes(heard[child.stderr]), reason


def _environment() -> dict[str, str]:
    """Only what Python needs; no token or key of this process gets to the child."""
    environment = {
        "PYTHONPATH": str(_PACKAGES),
        "LANG": "C.UTF-8",
        # Threads and arenas that would only take address space.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = libraries
    return environment


def _refusal(kind: Kind, refusal: _Refusal, path: Path) -> BystanderError:
    """The child's error, if it is one of those that a file of this `kind` may get."""
    base = _ERRORS[kind]
    error = getattr(errors, refusal.type, None)
    if not (isinstance(error, type) and issubclass(error, base)):
        return _not_examined(kind, refusal.type)
    what, advice = (
        text.replace(str(path), f"the {kind}") for text in (refusal.what, refusal.advice)
    )
    return error(what, advice)


def _not_examined(kind: Kind, reason: str, complaint: bytes = b"") -> BystanderError:
    log.warning(
        "a %s can't be examined: %s %s", kind, reason, complaint[-2000:].decode(errors="replace")
    )
    return _ERRORS[kind](
        f"the {kind} can't be examined within the limits of this service",
        "Convert it to H.264 in MP4 and try again."
        if kind == "video"
        else "Save it as a JPEG of ordinary size and try again.",
    )


def _take_over(folder: Path, number: int, target: Path, kind: Kind) -> None:
    picture = folder / f"{number}.jpg"
    if picture.is_symlink() or not picture.is_file():
        raise _not_examined(kind, "a picture is missing")
    os.replace(picture, target)


@cache
def _tell_once(offline: bool) -> None:
    if not offline:
        log.warning(
            "this system doesn't let a process cut itself off from the network: files are "
            "examined with memory, time and privileges limited, but not the network"
        )
