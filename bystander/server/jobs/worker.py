"""One job in a process of its own: reads its order, does it, and tells how far it is.

The worker knows a folder and nothing else: no database, no network but the model services.
Whatever ends it - a crash, a kill, a restart of the service - it can be started again on the
same folder and goes on from its last checkpoint. It ends with whoever started it.

It tells what it does in lines of JSON on its standard output, see `EventWriter`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from bystander.errors import BystanderError, ModelError
from bystander.identity.cast import CastMember, member_of
from bystander.media.encoder import encoding_of
from bystander.media.muxer import MUXERS
from bystander.media.probe import probe
from bystander.media.resuming import RenderCheckpoints
from bystander.media.sound import plan_sound
from bystander.models import Models, ModelSettings
from bystander.models.sessions import release_memory
from bystander.pipeline.analyze import analyze
from bystander.pipeline.audit import audit
from bystander.pipeline.checkpoints import AnalysisCheckpoints
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.server.jobs import spec as names
from bystander.server.jobs.previews import PreviewWriter
from bystander.server.jobs.spec import CastSpec, JobSpec
from bystander.server.models import JobKind
from bystander.settings import load_profile
from bystander.timeline.archive import Timeline
from bystander.timeline.header import verdicts_digest, with_decisions
from bystander.tracking.clicks import Click

log = logging.getLogger(__name__)

ORPHAN_SECONDS: Final = 0.5

OpenModels = Callable[[ModelSettings], Models]


class EventWriter:
    """Writes events to whoever started the worker, one JSON object a line.

    Events: `progress` (stage, done, total, fps, eta), `resumed` (stage, frame), `preview`,
    `done` (summary), `failed` (type, what, advice).
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._stages: set[str] = set()

    def __call__(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n"
        with self._lock:
            os.write(self._descriptor, line.encode())

    def progress(self, progress: Progress) -> None:
        some = 0 < progress.done < progress.total
        if progress.stage not in self._stages and some and not progress.fps:
            # No frame was done yet, and yet some are: an earlier worker has left them.
            self("resumed", stage=progress.stage, frame=progress.done)
        self._stages.add(progress.stage)
        self("progress", **asdict(progress))


def main(folder: Path, open_models: OpenModels) -> int:
    """Do the job in `folder`.

    Args:
        folder: holds the order, the video and the photos; see `bystander.server.jobs.spec`.
        open_models: gives the networks.

    Returns:
        The exit code: 0 if the job is done, 1 for a defect, else that of the error. Networks
        that can't be reached, and defects, are not told as failures: trying again may help.
    """
    output, parent = _standard_output(), os.getppid()
    tell = EventWriter(output)
    threading.Thread(target=_end_with_parent, args=(parent, output), daemon=True).start()
    try:
        with _alone(folder):
            summary = work(folder, JobSpec.load(folder), open_models, tell)
    except ModelError:
        log.exception("a network failed")
        return ModelError.exit_code
    except BystanderError as error:
        tell("failed", type=type(error).__name__, what=error.what, advice=error.advice)
        return error.exit_code
    tell("done", summary=summary)
    return 0


def work(
    folder: Path, order: JobSpec, open_models: OpenModels, tell: EventWriter
) -> dict[str, object]:
    """Do what `order` says; gives a summary of the result.

    Raises:
        BystanderError: what the verbs raise.
    """
    profile = load_profile(order.profile)
    video, kept = folder / names.VIDEO_FILE, folder / names.CHECKPOINTS_FOLDER
    wanted = {"codec": order.codec, "deinterlace": order.deinterlace}
    encoder = profile.encoder.changed(wanted)
    if order.kind is not JobKind.ANALYZE:
        encoding_of(probe(video), video, encoder)  # refused now, not after the analysis
    kept.mkdir(mode=0o700, exist_ok=True)
    previews = PreviewWriter(folder / names.PREVIEW_FILE, lambda: tell("preview"))
    found = folder / names.TIMELINE_FILE
    if order.kind is not JobKind.RENDER and not found.exists():
        _analyze(folder, order, open_models, tell, previews)
    timeline = Timeline.load(found)
    header = with_decisions(timeline.header, order.keep, order.mask)
    decided = Timeline(found, header)
    summary: dict[str, object] = {
        "frames": header.video.frames,
        "people": len(header.persons),
        "kept": sum(map(header.is_kept, header.persons)),
        "unrecognised": sorted(
            {member.name for member in order.cast} - {person.name for person in header.persons}
        ),
        "verdicts_digest": verdicts_digest(header),
    }
    if order.kind is JobKind.ANALYZE:
        return summary
    release_memory()  # the networks are done with, the encoder needs as much
    segments = kept / "render"
    segments.mkdir(mode=0o700, exist_ok=True)
    result = folder / names.RESULT_FILE
    summary["sound"] = plan_sound(video, MUXERS[result.suffix]).summary()
    if not result.exists():
        timeline.save(folder / names.RENDERED_FILE, header)
        render(
            video,
            decided,
            result,
            effect=order.effect,
            encoder=encoder,
            report=tell.progress,
            checkpoints=RenderCheckpoints(segments, order.segment_frames),
            watch=partial(previews.rendered, header.video.display_size),
        )
    if order.audit:
        attacked = audit(
            video,
            result,
            folder / names.AUDIT_PAGE_FILE,
            models=open_models(ModelSettings()),
            timeline=decided,
            effect=order.effect,
            report=tell.progress,
        )
        summary |= {"passed": attacked.passed, "findings": len(attacked.findings)}
    return summary


def _analyze(
    folder: Path,
    order: JobSpec,
    open_models: OpenModels,
    tell: EventWriter,
    previews: PreviewWriter,
) -> None:
    settings = load_profile(order.profile).analysis
    settings = settings.model_copy(update={"workers": order.in_flight})
    models = open_models(ModelSettings(segmenter=settings.segmenter))
    analyze(
        folder / names.VIDEO_FILE,
        folder / names.TIMELINE_FILE,
        models=models,
        settings=settings,
        cast=_cast(folder / names.CAST_FOLDER, order.cast, models),
        clicks=[Click(click.seconds, click.x, click.y) for click in order.clicks],
        report=tell.progress,
        checkpoints=AnalysisCheckpoints(
            folder / names.CHECKPOINTS_FOLDER / "analysis", order.checkpoint_seconds
        ),
        watch=previews.analysed,
    )


def _cast(folder: Path, people: Sequence[CastSpec], models: Models) -> list[CastMember]:
    return [
        member_of(
            person.name,
            [(folder / photo.file, photo.box) for photo in person.photos],
            models.faces,
        )
        for person in people
        if person.photos
    ]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other worker is at this job: one that was orphaned takes a moment to end."""
    with (folder / names.LOCK_FILE_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _standard_output() -> int:
    """A private copy of the standard output; what libraries print goes to the error output."""
    private = os.dup(sys.stdout.fileno())
    os.set_inheritable(private, False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return private


def _end_with_parent(parent: int, output: int) -> None:
    """End when the parent has, or nobody reads the output any more.

    The latter also shows that it died before this process asked who it is.
    """
    reader = select.poll()
    reader.register(output, 0)  # for its end alone
    while os.getppid() == parent and not reader.poll(1000 * ORPHAN_SECONDS):
        pass
    os._exit(1)
