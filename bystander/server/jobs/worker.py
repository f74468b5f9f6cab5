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
from dataclasses import asdict, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from bystander import tracing
from bystander.auditing.earlier import EarlierAudit
from bystander.editing.digest import edited_digest
from bystander.editing.document import Edits
from bystander.errors import BystanderError, ExecutorError, ModelError, StorageError
from bystander.executors.child import Line, RemoteWorkspace
from bystander.executors.relay import RelayedExecutor
from bystander.identity.cast import CastMember, member_of
from bystander.media.encoder import EncoderSettings, encoding_of
from bystander.media.muxer import MUXERS
from bystander.media.probe import probe
from bystander.media.resuming import RenderCheckpoints, filled_in
from bystander.media.sound import plan_sound
from bystander.media.sound_spans import sound_spans
from bystander.models import Models, ModelSettings
from bystander.models.sessions import release_memory
from bystander.pipeline.analyze import analyze
from bystander.pipeline.audit import audit
from bystander.pipeline.audit_changes import earlier_audit
from bystander.pipeline.checkpoints import AnalysisCheckpoints
from bystander.pipeline.edit import edit
from bystander.pipeline.render import render
from bystander.pipeline.tasks import Parallel
from bystander.progress import Progress
from bystander.server.jobs import spec as names
from bystander.server.jobs.previews import PreviewWriter
from bystander.server.jobs.sketches import Sketching
from bystander.server.jobs.spec import CastSpec, JobSpec
from bystander.server.models import JobKind
from bystander.settings import load_profile
from bystander.timeline.archive import Timeline
from bystander.timeline.header import with_decisions
from bystander.tracking.clicks import Click

log = logging.getLogger(__name__)

ORPHAN_SECONDS: Final = 0.5

OpenModels = Callable[[ModelSettings], Models]


class EventWriter:
    """Writes events to whoever started the worker, one JSON object a line.

    Events: `progress` (stage, done, total, fps, eta), `resumed` (stage, frame), `preview`, `span`
    (one of `bystander.tracing`), `done` (summary), `failed` (type, what, advice).
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._stages: set[str] = set()

    def __call__(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n"
        with self._lock:
            os.write(self._descriptor, line.encode())

    def begins(self, stage: str) -> None:
        """A stage has not been worked at before, whatever its first progress says."""
        self._stages.add(stage)

    def progress(self, progress: Progress) -> None:
        self("progress", **asdict(progress))
        some = 0 < progress.done < progress.total
        if progress.stage not in self._stages and some and not progress.fps:
            # No frame was done yet, and yet some are: an earlier worker has left them.
            self("resumed", stage=progress.stage, frame=progress.done)
        self._stages.add(progress.stage)


def main(folder: Path, open_models: OpenModels, parallel: Parallel | None = None) -> int:
    """Do the job in `folder`.

    Args:
        folder: holds the order, the video and the photos; see `bystander.server.jobs.spec`.
        open_models: gives the networks.
        parallel: how the video is done in parts; by default this process does it in one go.

    Returns:
        The exit code: 0 if the job is done, 1 for a defect, else that of the error. Networks
        that can't be reached, and defects, are not told as failures: trying again may help.
    """
    output, parent = _standard_output(), os.getppid()
    tell = EventWriter(output)
    threading.Thread(target=_end_with_parent, args=(parent, output), daemon=True).start()
    traceparent = os.environ.get(tracing.TRACEPARENT_VARIABLE)
    if traceparent:
        tracing.hand_over_spans(lambda span: tell("span", span=span.model_dump()))
    try:
        with _alone(folder), tracing.within(traceparent):
            summary = work(folder, JobSpec.load(folder), open_models, tell, parallel)
    except (ModelError, ExecutorError, StorageError) as error:
        log.exception("a network, a cluster or a bucket failed")
        return error.exit_code
    except BystanderError as error:
        tell("failed", type=type(error).__name__, what=error.what, advice=error.advice)
        return error.exit_code
    tell("done", summary=summary)
    return 0


def relayed(descriptor: int, folder: Path) -> Parallel:
    """The parts of a video are done by who started this process (`bystander.server.jobs.driver`).

    Args:
        descriptor: of a socket to it.
    """
    line = Line(Connection(descriptor))
    threading.Thread(target=line.listen, name="line", daemon=True).start()
    return Parallel(RelayedExecutor(line), RemoteWorkspace(line, folder))


def work(
    folder: Path,
    order: JobSpec,
    open_models: OpenModels,
    tell: EventWriter,
    parallel: Parallel | None = None,
) -> dict[str, object]:
    """Do what `order` says; gives a summary of the result.

    Raises:
        BystanderError: what the verbs raise.
    """
    profile = load_profile(order.profile)
    video, kept = folder / names.VIDEO_FILE, folder / names.CHECKPOINTS_FOLDER
    wanted = {
        "codec": order.codec,
        "deinterlace": order.deinterlace,
        "smart_render": order.smart_render,
    }
    encoder = profile.encoder.changed(wanted)
    if order.kind is not JobKind.ANALYZE:
        encoding_of(probe(video), video, encoder)  # refused now, not after the analysis
    kept.mkdir(mode=0o700, exist_ok=True)
    previews = PreviewWriter(folder / names.PREVIEW_FILE, lambda: tell("preview"))
    if parallel is not None:
        parallel = replace(parallel, executor=Sketching(parallel.executor, previews, video))
    found = folder / names.TIMELINE_FILE
    if order.kind is not JobKind.RENDER and not found.exists():
        with tracing.span("analyze"):
            _analyze(folder, order, open_models, tell, previews, parallel)
    timeline = Timeline.load(found)
    header = with_decisions(timeline.header, order.keep, order.mask)
    decided = Timeline(found, header)
    digest = edited_digest(header, timeline.times(), order.edits)
    summary: dict[str, object] = {
        "frames": header.video.frames,
        "people": len(header.persons),
        "kept": sum(map(header.is_kept, header.persons)),
        "unrecognised": sorted(
            {member.name for member in order.cast} - {person.name for person in header.persons}
        ),
        "verdicts_digest": digest,
    }
    if order.kind is JobKind.ANALYZE:
        return summary
    release_memory()  # the networks are done with, the encoder needs as much
    segments, earlier = kept / names.SEGMENTS_FOLDER, kept / names.EARLIER_FOLDER
    if not segments.exists() and earlier.exists():
        earlier.rename(segments)
        tell.begins("render")  # what is there was done for another result
    segments.mkdir(mode=0o700, exist_ok=True)
    result = folder / names.RESULT_FILE
    treated = sound_spans(order.sound)
    summary["sound"] = plan_sound(video, MUXERS[result.suffix], treated).summary()
    rendered = _edited(folder, video, decided, order.edits, tell)
    header = rendered.header
    summary |= {
        "people": len(header.persons),
        "kept": sum(map(header.is_kept, header.persons)),
    }
    if not result.exists():
        with tracing.span("render", {"frames": header.video.frames}):
            render(
                video,
                rendered,
                result,
                effect=order.effect,
                encoder=encoder,
                report=tell.progress,
                checkpoints=RenderCheckpoints(segments, order.segment_frames, keep=True),
                watch=partial(previews.rendered, header.video.display_size),
                parallel=parallel,
                sound=treated,
            )
    filled = filled_in(segments).share  # also of what an earlier worker has drawn
    if filled is not None:
        summary["filled"] = round(filled, 4)
    if order.audit:
        with tracing.span("audit", {"frames": header.video.frames}):
            attacked = audit(
                video,
                result,
                folder / names.AUDIT_PAGE_FILE,
                models=open_models(ModelSettings()),
                timeline=rendered,
                effect=order.effect,
                report=tell.progress,
                edits=order.edits,
                earlier=_earlier_audit(folder, video, rendered, order, encoder),
            )
        left = [finding for finding in attacked.findings if not finding.accepted]
        summary |= {"passed": attacked.passed, "findings": len(left)}
    return summary


def _edited(
    folder: Path, video: Path, decided: Timeline, edits: Edits, tell: EventWriter
) -> Timeline:
    """The timeline that the result is rendered by, made unless an earlier worker has."""
    path = folder / names.RENDERED_FILE
    if path.exists():
        return Timeline.load(path)
    if not edits.edits:
        return decided.save(path, decided.header)
    with tracing.span("edit", {"edits": len(edits.edits)}):
        return edit(video, decided, edits, path, report=tell.progress).timeline


def _earlier_audit(
    folder: Path, video: Path, rendered: Timeline, order: JobSpec, encoder: EncoderSettings
) -> EarlierAudit | None:
    """What was found in the result that this one replaces, if it was drawn by the same means."""
    before = folder / names.EARLIER_TIMELINE_FILE
    if not before.exists():
        return None
    return earlier_audit(
        folder / names.EARLIER_AUDIT_FILE,
        video,
        Timeline.load(before),
        rendered,
        effect=order.effect,
        encoder=encoder,
        segment_frames=order.segment_frames,
    )


def _analyze(
    folder: Path,
    order: JobSpec,
    open_models: OpenModels,
    tell: EventWriter,
    previews: PreviewWriter,
    parallel: Parallel | None,
) -> None:
    settings = load_profile(order.profile).analysis
    if parallel is None:
        settings = settings.model_copy(update={"workers": order.in_flight})
    models = open_models(settings.model_settings())
    checkpoints = folder / names.CHECKPOINTS_FOLDER / "analysis"
    analyze(
        folder / names.VIDEO_FILE,
        folder / names.TIMELINE_FILE,
        models=models,
        settings=settings,
        cast=_cast(folder / names.CAST_FOLDER, order.cast, models),
        clicks=[Click(click.seconds, click.x, click.y) for click in order.clicks],
        report=tell.progress,
        # Of parts that are done elsewhere, each is a checkpoint.
        checkpoints=None
        if parallel is not None
        else AnalysisCheckpoints(checkpoints, order.checkpoint_seconds),
        watch=None if parallel is not None else previews.analysed,
        parallel=parallel,
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
