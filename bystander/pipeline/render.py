"""timeline -> video: draw over everyone whose verdict is not 'keep'.

Runs no network. The video is decoded again at full size; drawing happens on its own
colour planes, so that pixels nobody masked go into the encoder as they were decoded.
"""

from __future__ import annotations

import logging
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import av

from bystander.choices import EffectName, EncoderBackend, SmartRender
from bystander.files import StrPath, work_folder
from bystander.media.deinterlacing import deinterlaced
from bystander.media.demux import fingerprint
from bystander.media.encoder import (
    EncoderSettings,
    HardwareEncoderFailed,
    encoding_of,
)
from bystander.media.facts import VideoInfo
from bystander.media.muxer import VideoWriter, check_encoding, check_output, disk_errors
from bystander.media.partial_files import Spans
from bystander.media.prefetch import prefetch
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.media.resuming import (
    SEGMENT_FRAMES,
    RenderCheckpoints,
    SegmentedWriter,
    SegmentSpan,
    even_spans,
)
from bystander.media.segments import Filled
from bystander.media.sound_spans import SoundSpan, sound_spans
from bystander.media.stream_copy import CopyableStream
from bystander.pipeline.backgrounds import frames_behind, windows_of
from bystander.pipeline.drawing import (
    QUEUE_FRAMES,
    DrawTask,
    FrameMasker,
    MaskedFrame,
    masked_frames,
    takes_frame_before,
)
from bystander.pipeline.render_plan import (
    DrawnFrames,
    base_digest,
    digest_of_all,
    planned,
)
from bystander.pipeline.tasks import Parallel, Workspace
from bystander.pipeline.workspaces import spans_of
from bystander.progress import ProgressMeter, Report
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import with_decisions

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 1.0

Watch = Callable[[int, av.VideoFrame], None]
"""Called about once a second with a frame's number and its masked picture, in the video's
own pixel format, from the thread that renders; must be quick and leave the picture as it is."""


def render(
    video: StrPath,
    timeline: Timeline,
    output: StrPath,
    *,
    keep: Sequence[str] = (),
    mask: Sequence[str] = (),
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    checkpoints: RenderCheckpoints | None = None,
    watch: Watch | None = None,
    parallel: Parallel | None = None,
    sound: Sequence[SoundSpan | str] = (),
) -> Filled:
    """Write the masked video.

    Args:
        video: the file that the timeline was made from.
        timeline: who is where, and who may be seen.
        output: the masked video; appears only when it is whole.
        keep: whom to keep, whatever the timeline says: ids of persons (p2) or of tracklets, one
            appearance of a person each (t17).
        mask: whom to mask, likewise.
        effect: what is drawn over people.
        encoder: codec, quality, and what encodes. Hardware that fails midway is told in the log;
            the processor then begins again.
        overwrite: replace an existing output.
        report: called with the progress; may raise `Cancelled`.
        checkpoints: render in segments that are kept there, and take over those that are there
            already: an interrupted run's, or those of another with the same masks in them.
        watch: shown a masked picture now and then; not where parts are drawn side by side.
        parallel: draw parts of the video side by side. What is copied, and whatever can't be told
            from the timeline, is done by the caller.
        sound: `keep`, `mute`, `low-pass` or `pitch`, or several of these for a while each, as in
            `["pitch", "mute:12.4-15"]`, seconds from the first frame; the last counts.

    Returns:
        How much of what is drawn over is filled with the background, whoever drew it when.

    Raises:
        VideoError: the video can't be read.
        TimelineMismatch: the timeline was made from another video.
        SelectionError: an id of `keep` or `mask` is unknown, or in both.
        OutputError: the result can't be written.
        ConfigError: `sound` can't be read.
    """
    encoder = encoder or EncoderSettings()
    treated = sound_spans(sound)

    def run(settings: EncoderSettings) -> Filled:
        return _render(
            video,
            timeline,
            output,
            keep=keep,
            mask=mask,
            effect=effect,
            encoder=settings,
            overwrite=overwrite,
            report=report,
            checkpoints=checkpoints,
            watch=watch,
            parallel=parallel,
            sound=treated,
        )

    try:
        return run(encoder)
    except HardwareEncoderFailed as error:
        log.warning("%s; it is encoded anew, on the processor", error.what)
        return run(encoder.changed({"backend": EncoderBackend.SOFTWARE}))


def _render(
    video: StrPath,
    timeline: Timeline,
    output: StrPath,
    *,
    keep: Sequence[str],
    mask: Sequence[str],
    effect: EffectSettings | None,
    encoder: EncoderSettings | None,
    overwrite: bool,
    report: Report | None,
    checkpoints: RenderCheckpoints | None,
    watch: Watch | None,
    parallel: Parallel | None,
    sound: tuple[SoundSpan, ...],
) -> Filled:
    """See `render`.

    Raises:
        HardwareEncoderFailed: one that worked when it was tried doesn't any more.
    """
    video, output = Path(video), Path(output)
    info = probe(video)
    timeline.check_video(video, fingerprint(video))
    if keep or mask:
        timeline = Timeline(timeline.path, with_decisions(timeline.header, keep, mask))
    effect, encoder = effect or EffectSettings(), encoder or EncoderSettings()
    check_output(output, video, overwrite)
    encoding = check_encoding(output, info, video, encoder)
    drawing = FrameMasker(timeline, info, effect, encoding, video)
    copyable = None
    if encoder.smart_render is SmartRender.AUTO:
        copyable = CopyableStream.of(video, info, encoding)
    plan, pts = None, array("q")
    if checkpoints is not None or copyable is not None or parallel is not None:
        length = SEGMENT_FRAMES if parallel is not None else None
        length = length if checkpoints is None else checkpoints.length
        plan, copyable, pts = _plan(timeline, drawing, info, effect, encoder, copyable, length)
    total = timeline.header.video.frames
    meter = ProgressMeter("render", total, report)
    with ExitStack() as resources:
        if checkpoints is None:
            in_parts = parallel is not None or any(span.copied for span in plan or ())
            if plan is None or not in_parts:
                whole = VideoWriter(output, info, video, encoder, overwrite, sound)
                frames = deinterlaced(iter(VideoReader(video, info)), info, encoding.deinterlacing)
                written = resources.enter_context(whole)
                return write_all(written, drawing.masked(frames), meter, watch)
            with disk_errors(output):
                folder = work_folder(output.parent)
            checkpoints = RenderCheckpoints(resources.enter_context(folder))
        if plan is None:
            digest = digest_of_all(timeline, base_digest(timeline, info, effect, encoder, None))
            plan = even_spans(info.frame_count, checkpoints.length, digest)
        else:
            drawing.borrows = False  # of what neighbours hold a span's digest knows nothing
            if parallel is not None:
                tasks = _tasks(
                    video,
                    plan,
                    timeline,
                    info,
                    effect,
                    encoder,
                    copyable,
                    pts,
                    parallel.workspace,
                )
                _draw(tasks, parallel, checkpoints.folder, meter)
        writer = resources.enter_context(
            SegmentedWriter(
                output, info, video, encoder, checkpoints, plan, overwrite, copyable, sound
            )
        )
        if writer.done:
            meter = ProgressMeter("render", total, report, done=writer.done)
            meter.report()
        for run in writer.missing():
            if run.copied and writer.copy(meter.step):
                continue
            write_all(writer, masked_frames(run, video, info, drawing, encoding), meter, watch)
            writer.end()
    return writer.filled


def planned_spans(
    video: Path,
    timeline: Timeline,
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    length: int = SEGMENT_FRAMES,
) -> list[SegmentSpan] | None:
    """The spans that a rendering consists of, each named by all that its pictures depend on.

    Args:
        length: frames after which what is encoded is cut.

    Returns:
        None where that can't be told from the timeline.

    Raises:
        VideoError: the video can't be read, or not be encoded so.
        InvalidTimeline: the timeline is damaged.
    """
    info = probe(video)
    effect, encoder = effect or EffectSettings(), encoder or EncoderSettings()
    encoding = encoding_of(info, video, encoder)
    drawing = FrameMasker(timeline, info, effect, encoding)
    copyable = None
    if encoder.smart_render is SmartRender.AUTO:
        copyable = CopyableStream.of(video, info, encoding)
    return _plan(timeline, drawing, info, effect, encoder, copyable, length)[0]


def _plan(
    timeline: Timeline,
    drawing: FrameMasker,
    info: VideoInfo,
    effect: EffectSettings,
    encoder: EncoderSettings,
    copyable: CopyableStream | None,
    length: int | None,
) -> tuple[list[SegmentSpan] | None, CopyableStream | None, array[int]]:
    """The video in spans, what may be copied of it, and its frames' pts; None for what can't be
    told.

    A span depends on no more than its own frames' records where the timeline has all of them.
    """
    if not info.frame_count_exact or timeline.header.video.frames != info.frame_count:
        return None, None, array("q")
    reach = drawing.reach if drawing.deinterlaced else None
    frames = DrawnFrames.of(timeline, reach, effect, info.time_base)
    if copyable is not None and copyable.pts != frames.pts:
        copyable = None
    base = base_digest(timeline, info, effect, encoder, copyable)
    return planned(frames, base, copyable, length), copyable, frames.pts


def _tasks(
    video: Path,
    plan: Sequence[SegmentSpan],
    timeline: Timeline,
    info: VideoInfo,
    effect: EffectSettings,
    encoder: EncoderSettings,
    copyable: CopyableStream | None,
    pts: Sequence[int],
    workspace: Workspace,
) -> list[DrawTask]:
    """One task for each span that is to be encoded; the timeline goes to the workspace.

    Args:
        pts: of every frame of the video.
    """
    name = f"timeline-{timeline.digest()[:32]}"
    if not workspace.has(name):
        with workspace.storing(name) as path:
            timeline.save(path, timeline.header)
    parameter_id = copyable.encoder_id if copyable else 0
    lead = takes_frame_before(encoding_of(info, video, encoder))

    windows = windows_of(timeline.header) if effect.name is EffectName.FILL else []

    def bytes_of(span: SegmentSpan) -> Spans:
        first, stop = frames_behind(windows, span.start, span.stop)
        start = pts[first - 1] + (not lead) if first else None
        return spans_of(workspace, video, info, start, pts[stop] if stop < len(pts) else None)

    return [
        DrawTask(
            workspace,
            info,
            name,
            effect,
            encoder,
            span,
            pts[span.start - 1] if span.start else None,
            parameter_id,
            number == len(plan) - 1,
            bytes_of(span),
        )
        for number, span in enumerate(plan)
        if not span.copied
    ]


def _draw(
    tasks: Sequence[DrawTask], parallel: Parallel, folder: Path, meter: ProgressMeter
) -> None:
    """Let the tasks be done whose segments aren't in the folder yet, and put them there."""
    missing = [task for task in tasks if not (folder / task.name).exists()]
    parallel.executor.run(missing, meter.step)
    for task in missing:
        found = parallel.workspace.find(task.name)
        if found is not None and found != folder / task.name:
            shutil.copyfile(found, folder / task.name)


def write_all(
    writer: VideoWriter | SegmentedWriter,
    pictures: Iterator[MaskedFrame],
    meter: ProgressMeter,
    watch: Watch | None,
) -> Filled:
    """Encode what is drawn, while more is; gives how much of it is filled."""
    watched, filled = -WATCH_SECONDS, Filled()
    with closing(prefetch(pictures, QUEUE_FRAMES)) as ahead:
        for frame, picture, of_it in ahead:
            if isinstance(writer, SegmentedWriter):
                writer.write(picture, frame.pts, frame.duration, of_it)
            else:
                writer.write(picture, frame.pts, frame.duration)
            filled += of_it
            meter.step()
            if watch is not None and time.monotonic() - watched >= WATCH_SECONDS:
                watched = time.monotonic()
                watch(frame.index, picture)
    return filled
