"""video -> timeline: find everyone, follow them, and decide who may be seen.

Decoding, the networks and the tracker overlap in threads with bounded queues between
them, and every part streams, so memory doesn't grow with the video.
Verdicts are passed at the end, when everything that can be learnt is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from bystander import __version__
from bystander.choices import ProfileName
from bystander.errors import InvalidTimeline, UnsupportedVideo
from bystander.files import StrPath
from bystander.identity.cast import Cast, CastMember, is_read, load_cast, unrecognised
from bystander.identity.verdicts import resolve
from bystander.media.demux import fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.probe import probe
from bystander.media.reader import frames_after
from bystander.models import Models, load_models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.checkpoints import AnalysisCheckpoints, AnalysisState, ReaderPosition
from bystander.pipeline.chunks import Chunk, ChunkAnalysis, keep_warm, look_tasks, plan
from bystander.pipeline.join import JoinedVideo
from bystander.pipeline.looking import begin, facts_of, observe
from bystander.pipeline.tasks import Parallel
from bystander.progress import Advance, ProgressMeter, Report, part_of
from bystander.settings import AnalysisSettings, load_profile
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header
from bystander.timeline.types import PointedAt, Shot
from bystander.tracking.clicks import Click
from bystander.tracking.evidence import EvidenceStore
from bystander.tracking.frame_analysis import FrameAnalyzer
from bystander.tracking.frames import Detections

LOADING_SHARE: Final = 0.1
"""Of all that comes after the chunks of a video: to read what was learnt of them ..."""
JOINED_SHARE: Final = 0.5
"""... and until they are one video. Then come the verdicts."""

log = logging.getLogger(__name__)


class WholeVideo(Protocol):
    """What is known of a video when all of it was looked at.

    Attributes:
        pointed: whom the clicks meant, in the order of time, and a JPEG of them then.
    """

    evidence: EvidenceStore
    shots: list[Shot]
    pointed: list[tuple[PointedAt, bytes]]
    frames: int
    fps: float

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """A small JPEG of each tracklet."""
        ...


def analyze(
    video: StrPath,
    output: StrPath,
    *,
    models: Models | None = None,
    settings: AnalysisSettings | None = None,
    cast: Cast = (),
    clicks: Sequence[Click] = (),
    report: Report | None = None,
    checkpoints: AnalysisCheckpoints | None = None,
    watch: Callable[[Detections], None] | None = None,
    parallel: Parallel | None = None,
) -> Timeline:
    """Analyse a video and write its timeline.

    Args:
        video: the file to analyse.
        output: where the timeline goes; appears only when it is whole.
        models: the networks; by default opened for this call.
        settings: how thoroughly; by default those of the profile `balanced`.
        cast: the people to keep, by face: photos, folders, or members that were read before.
            Of whom there are photos, those who aren't recognised anywhere are logged.
        clicks: the people to keep, pointed at in the video.
        report: called with the progress; may raise `Cancelled`.
        checkpoints: where to go on from, and to save to, now and then. The result is the
            same to the bit as that of an analysis in one go.
        watch: called with each frame and what the networks found in it; must be quick.
        parallel: look at chunks of the video side by side. Neither `checkpoints` nor `watch`
            are taken then: whatever was done is found again in its workspace.

    Raises:
        VideoError: the video can't be read.
        PhotoError, ModelError: see `load_cast` and `load_models`.
        SelectionError: a click hits nobody.
        OutputUnwritable: the timeline can't be written.
    """
    video, output = Path(video), Path(output)
    info = probe(video)
    settings = settings or load_profile(ProfileName.BALANCED).analysis
    models = models or load_models(settings.model_settings())
    members = load_cast(cast, models.faces)
    key = fingerprint(video)
    opened = _Opened(video, output, info, key, models, settings, members)
    if parallel is not None:
        header = _in_chunks(opened, clicks, parallel, report)
    else:
        header = _in_one_go(opened, clicks, report, checkpoints, watch)
    if not is_read(cast):
        recognised = {person.name for person in header.persons if person.name}
        for sentence in unrecognised(members, recognised, models.faces.thresholds.same):
            log.warning("%s", sentence)
    return Timeline(output, header)


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What an analysis begins with. `key` is the video's fingerprint."""

    video: Path
    output: Path
    info: VideoInfo
    key: str
    models: Models
    settings: AnalysisSettings
    cast: Sequence[CastMember]


def _in_one_go(
    opened: _Opened,
    clicks: Sequence[Click],
    report: Report | None,
    checkpoints: AnalysisCheckpoints | None,
    watch: Callable[[Detections], None] | None,
) -> Header:
    info, models, settings = opened.info, opened.models, opened.settings
    state = None
    if checkpoints is not None:
        state = checkpoints.resume(_what_decides(opened, clicks))
    analyzer = state.analyzer if state else begin(info, models, settings, clicks)
    analyzer.models = models
    standing = state.standing if state else None
    frames = frames_after(opened.video, info, analyzer.frames, standing.pts if standing else None)
    meter = ProgressMeter("analyze", info.frame_count, report, done=analyzer.frames)
    if state:
        meter.report()
    with (
        TimelineWriter(
            opened.output,
            checkpoints.chunks if checkpoints else None,
            state.writer if state else None,
        ) as writer,
        closing(observe(frames, info, models, settings, standing)) as observed,
    ):
        for seen, standing in observed:
            for record in analyzer.take(seen):
                writer.add_frame(record)
            meter.step()
            if watch is not None:
                watch(seen)
            if checkpoints is not None and standing is not None:
                checkpoints.offer(partial(_state, standing, analyzer, writer))
        for record in analyzer.finish():
            writer.add_frame(record)
        deciding = ProgressMeter("decide", analyzer.frames, report)
        deciding.report()
        return _finish(opened, analyzer, writer, deciding.advance)


def _in_chunks(
    opened: _Opened, clicks: Sequence[Click], parallel: Parallel, report: Report | None
) -> Header:
    info, workspace = opened.info, parallel.workspace
    chunks = plan(info, parallel.chunk_seconds, parallel.overlap_seconds)
    tasks = look_tasks(
        workspace,
        opened.video,
        opened.key,
        info,
        opened.settings,
        clicks,
        opened.models,
        chunks,
    )
    keep_warm(opened.settings.model_settings(), opened.models)
    meter = ProgressMeter("analyze", sum(task.frames for task in tasks), report)
    parallel.executor.run(tasks, meter.step)
    deciding = ProgressMeter("decide", info.frame_count, report)
    deciding.report()
    scale = info.display_size[0] / tasks[0].grid[0]
    looks: list[tuple[Chunk, ChunkAnalysis]] = []
    for chunk, task in zip(chunks, tasks, strict=True):
        deciding.advance(LOADING_SHARE * len(looks) / len(tasks))
        path = workspace.find(task.name)
        if path is None:
            raise InvalidTimeline(f"{task.name} is gone from the workspace", "Start again.")
        looks.append((chunk, ChunkAnalysis.load(path, scale)))
    whole = JoinedVideo(looks, info, opened.models.faces.thresholds.different, clicks)
    joining = part_of(deciding.advance, LOADING_SHARE, JOINED_SHARE)
    with TimelineWriter(opened.output) as writer:
        for record in whole.records():
            writer.add_frame(record)
            joining((record.index + 1) / whole.frames)
        return _finish(opened, whole, writer, part_of(deciding.advance, JOINED_SHARE, 1))


def _finish(opened: _Opened, whole: WholeVideo, writer: TimelineWriter, advance: Advance) -> Header:
    header = _verdicts(opened, whole, advance)
    advance(1)  # before there is a file: whoever is told may still cancel
    writer.finish(header, whole.pictures(), (jpeg for _, jpeg in whole.pointed))
    return header


def _what_decides(opened: _Opened, clicks: Sequence[Click]) -> dict[str, object]:
    """Everything that what was learnt so far depends on; the cast comes in at the end."""
    return {
        "version": __version__,
        "video": opened.key,
        "models": opened.models.describe(),
        "settings": opened.settings.model_dump(mode="json", exclude={"workers", "identity"}),
        "clicks": [asdict(click) for click in clicks],
    }


def _state(
    standing: ReaderPosition, analyzer: FrameAnalyzer, writer: TimelineWriter
) -> AnalysisState:
    return AnalysisState(standing, analyzer, writer.state)


def _verdicts(opened: _Opened, whole: WholeVideo, advance: Advance) -> Header:
    """Now that the whole video is known, decide who may be seen."""
    if not whole.frames:
        raise UnsupportedVideo(
            f"{opened.video} has no frame that can be decoded", "Export it again from its source."
        )
    models, info = opened.models, opened.info
    segments, continuities = whole.evidence.segments()
    tracklets, persons = resolve(
        whole.evidence.tracklets(),
        segments,
        continuities,
        opened.cast,
        opened.settings.identity,
        same=models.faces.thresholds.same,
        different=models.faces.thresholds.different,
        fps=whole.fps,
        bodies_across_shots=models.bodies.across_shots,
        advance=advance,
    )
    facts = replace(facts_of(info, opened.key), frames=whole.frames)
    grid = analysis_size(*info.display_size, opened.settings.long_side)
    pointed = tuple(at for at, _ in whole.pointed)
    return Header(facts, grid, tuple(whole.shots), tracklets, persons, models.describe(), pointed)
