"""A network's file from anywhere -> what it is and finds, by a confined child.

    python -m bystander.sandbox.network_trial FILE

opens it, shows it a photo of six people and prints a `NetworkTrial`, or an error, as JSON. A file
that makes its runtime crash takes that child with it and nothing else; where the kernel has
Landlock, it can open no other file and no connection.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydantic import ValidationError

from bystander import errors
from bystander.config import Settings
from bystander.errors import BystanderError, ModelCorrupt, ModelError
from bystander.models.backends import SURE_SCORE
from bystander.models.sample import group_picture
from bystander.models.segmenter import PersonSegmenter, analysis_size
from bystander.models.sessions import SessionSettings, open_session
from bystander.sandbox.children import Children

_SECONDS: Final = 300.0
"""For the largest of networks on a slow processor."""


class NetworkTrial(Settings):
    """What a network is, and finds.

    Attributes:
        contract: its input, for people to read.
        people: found in the photo of six.
        milliseconds: for one picture, on one thread of the processor.
        told_licence: what the file itself says of its licence; empty if it says nothing.
    """

    contract: str
    people: int
    milliseconds: float
    told_licence: str = ""


def try_network(path: Path) -> NetworkTrial:
    """Try the ONNX file at `path` in a child process.

    Raises:
        ModelCorrupt: no ONNX file, or its runtime crashed over it.
        ModelContract: a network that isn't known here.
        ModelError: it took too long.
    """
    with tempfile.TemporaryDirectory(prefix="bystander-network-") as folder:
        children = Children("auto")
        path = path.resolve()
        command = children.command(Path(folder), __name__, str(path), read=[path])
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=children.environment,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{path} took more than {_SECONDS:.0f} s for a picture", "Use a smaller network."
            ) from error
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        if "error" not in said:
            return NetworkTrial.model_validate(said)
        kind = getattr(errors, said["error"], ModelError)
    except (ValueError, IndexError, ValidationError) as error:
        raise ModelCorrupt(
            f"{path} can't be run: its trial ended with {done.returncode}",
            "Export it again. " + done.stderr.strip()[-200:],
        ) from error
    raise kind(said["what"], said["advice"])


def _tried(path: Path) -> NetworkTrial:
    session = open_session(path, SessionSettings(threads=1, providers=("cpu",)))
    segmenter = PersonSegmenter(session)
    group = group_picture()
    size = analysis_size(group.shape[1], group.shape[0])
    photo = cv2.resize(group, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    segmenter.segment([photo])
    begun = time.perf_counter()
    [found] = segmenter.segment([photo])
    seconds = time.perf_counter() - begun
    tensor = session.inputs[0]
    return NetworkTrial(
        contract=f"{tensor.name} {tensor.dtype} {[side or 'any' for side in tensor.shape]}",
        people=sum(person.score >= SURE_SCORE for person in found),
        milliseconds=round(1000 * seconds, 1),
        told_licence=_licence(path),
    )


def _licence(path: Path) -> str:
    """What its exporter wrote into it: Ultralytics' does."""
    import onnx

    network = onnx.load_model(path, load_external_data=False)
    told = {one.key: str(one.value) for one in network.metadata_props}
    return told.get("license", "")[:200]


def main(arguments: Sequence[str]) -> None:
    try:
        said = _tried(Path(arguments[0])).model_dump()
    except BystanderError as error:
        said = {"error": type(error).__name__, "what": error.what, "advice": error.advice}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1:])
