"""video -> timeline: find everyone, follow them, and decide who may be seen.

Decoding, the networks and the tracker overlap in threads with bounded queues between
them, and every part streams, so memory doesn't grow with the video.
Verdicts are passed at the end, when everything that can be learnt is known.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, TypeVar

from bystander import __version__
from bystander.errors import UnsupportedVideo
from bystander.files import StrPath
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.instances import Face, Instance
from bystander.identity.cast import Cast, CastMember, is_read, load_cast, unrecognised
from bystander.identity.verdicts import resolve
from bystander.media.demux import fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import map_ahead, prefetch
from bystander.media.probe import probe
from bystander.media.reader import Frame, frames_after
from bystander.models import Models, ModelSettings, load_models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.checkpoints import AnalysisCheckpoints, AnalysisState, ReaderPosition
from bystander.progress import ProgressMeter, Report
from bystander.settings import AnalysisSettings, ProfileName, load_profile
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, VideoFacts
from bystander.tracking.clicks import Click
from bystander.tracking.face_assignment import detect_faces
from bystander.tracking.frame_analysis import AnalysisFrame, Detections, FrameAnalyzer
from bystander.tracking.shots import CutDetector, thumbnail
from bystander.tracking.tiled_inference import detect_tiled

Item = TypeVar("Item")

log = logging.getLogger(__name__)

QUEUE_FRAMES: Final = 6


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

    Raises:
        VideoError: the video can't be read.
        PhotoError, ModelError: see `load_cast` and `load_models`.
        SelectionError: a click hits nobody.
        OutputUnwritable: the timeline can't be written.
    """
    video, output = Path(video), Path(output)
    info = probe(video)
    settings = settings or load_profile(ProfileName.BALANCED).analysis
    models = models or load_models(ModelSettings(segmenter=settings.segmenter))
    members = load_cast(cast, models.faces)
    grid = analysis_size(*info.display_size, settings.long_side)
    key = fingerprint(video)
    state = None
    if checkpoints is not None:
        state = checkpoints.resume(_what_decides(key, models, settings, clicks))
    analyzer = state.analyzer if state else begin(info, models, settings, clicks)
    analyzer.models = models
    standing = state.standing if state else None
    frames = frames_after(video, info, analyzer.frames, standing.pts if standing else None)
    meter = ProgressMeter("analyze", info.frame_count, report, done=analyzer.frames)
    if state:
        meter.report()
    with (
        TimelineWriter(
            output, checkpoints.chunks if checkpoints else None, state.writer if state else None
        ) as writer,
        closing(observe(frames, info, models, settings, standing)) as observed,
    ):
        for seen, standing in observed:
            for record in analyzer.take(seen):
                writer.add_frame(record)
            meter.step()
            if watch is not None:
                watch(seen)
            if checkpoints is not None:
                checkpoints.offer(partial(_state, standing, analyzer, writer))
        for record in analyzer.finish():
            writer.add_frame(record)
        header = _verdicts(video, info, grid, analyzer, settings, members, key)
        writer.finish(header, analyzer.pictures(), (jpeg for _, jpeg in analyzer.pointed))
    if not is_read(cast):
        recognised = {person.name for person in header.persons if person.name}
        for sentence in unrecognised(members, recognised, models.faces.thresholds.same):
            log.warning("%s", sentence)
    return Timeline(output, header)


def begin(
    info: VideoInfo, models: Models, settings: AnalysisSettings, clicks: Sequence[Click] = ()
) -> FrameAnalyzer:
    """What follows everyone through a video, before its first frame."""
    return FrameAnalyzer(
        GridTransform(info.display_size, analysis_size(*info.display_size, settings.long_side)),
        float(info.average_rate),
        float(info.time_base),
        models,
        settings.tracking,
        settings.filler,
        clicks,
    )


def observe(
    frames: Iterable[Frame],
    info: VideoInfo,
    models: Models,
    settings: AnalysisSettings,
    standing: ReaderPosition | None = None,
) -> Generator[tuple[Detections, ReaderPosition]]:
    """What the networks find in each frame, in order, several frames at work at once.

    Args:
        frames: of the video, in order.
        standing: where an interrupted analysis stood after the frame before the first.
    """
    look = partial(_look, models, settings)
    workers = settings.workers or os.cpu_count() or 1
    with (
        closing(prefetch(_views(frames, info, settings, standing), QUEUE_FRAMES)) as views,
        closing(map_ahead(look, _batches(views, settings.batch), workers)) as looked,
    ):
        yield from chain.from_iterable(looked)


def _what_decides(
    video: str, models: Models, settings: AnalysisSettings, clicks: Sequence[Click]
) -> dict[str, object]:
    """Everything that what was learnt so far depends on; the cast comes in at the end."""
    return {
        "version": __version__,
        "video": video,
        "models": models.describe(),
        "settings": settings.model_dump(mode="json", exclude={"workers", "identity"}),
        "clicks": [asdict(click) for click in clicks],
    }


def _state(
    standing: ReaderPosition, analyzer: FrameAnalyzer, writer: TimelineWriter
) -> AnalysisState:
    return AnalysisState(standing, analyzer, writer.state)


def _verdicts(
    video: Path,
    info: VideoInfo,
    grid: tuple[int, int],
    analyzer: FrameAnalyzer,
    settings: AnalysisSettings,
    cast: Sequence[CastMember],
    key: str,
) -> Header:
    """Now that the whole video is known, decide who may be seen."""
    if not analyzer.frames:
        raise UnsupportedVideo(
            f"{video} has no frame that can be decoded", "Export it again from its source."
        )
    models = analyzer.models
    segments, continuities = analyzer.evidence.segments()
    tracklets, persons = resolve(
        analyzer.evidence.tracklets(),
        segments,
        continuities,
        cast,
        settings.identity,
        same=models.faces.thresholds.same,
        different=models.faces.thresholds.different,
        fps=analyzer.fps,
        bodies_across_shots=models.bodies.across_shots,
    )
    facts = VideoFacts(
        width=info.display_size[0],
        height=info.display_size[1],
        time_base=(info.time_base.numerator, info.time_base.denominator),
        frames=analyzer.frames,
        rate=analyzer.fps,
        fingerprint=key,
        origin_pts=info.origin_pts,
    )
    pointed = tuple(at for at, _ in analyzer.pointed)
    shots = tuple(analyzer.shots)
    return Header(facts, grid, shots, tracklets, persons, models.describe(), pointed)


def _views(
    frames: Iterable[Frame],
    info: VideoInfo,
    settings: AnalysisSettings,
    standing: ReaderPosition | None,
) -> Iterator[tuple[AnalysisFrame, ReaderPosition]]:
    """Decoded frames at grid size, and in detail whenever a look at faces is due.

    Every shot's first second is looked at more often: what is found there decides most.
    """
    grid = analysis_size(*info.display_size, settings.long_side)
    detail = detail_size(info, settings)
    marker = CutDetector(settings.shots, standing.before if standing else None)
    small = ((frame, frame.rgb(grid)) for frame in frames)
    pictures = ((frame, picture, thumbnail(picture)) for frame, picture in small)
    begun = standing.shot_begun if standing else 0.0
    due = standing.look_due if standing else 0.0
    for (frame, picture, _), cut in marker.mark(pictures, lambda item: item[2]):
        now = float(frame.pts * info.time_base)
        if cut:
            begun = due = now
        look = now >= due - 1e-6
        if look:
            early = now < begun + 1
            due = now + 1 / (settings.faces_per_second if early else settings.later_faces)
        view = AnalysisFrame(
            frame.index, frame.pts, picture, cut, frame.rgb(detail) if look else None
        )
        yield view, ReaderPosition(frame.index, frame.pts, marker.previous, begun, due)


def detail_size(info: VideoInfo, settings: AnalysisSettings) -> tuple[int, int]:
    """Width and height at which faces and bodies are recognised."""
    if max(info.display_size) <= settings.detail_long_side:
        return info.display_size
    return analysis_size(*info.display_size, settings.detail_long_side)


def _look(
    models: Models,
    settings: AnalysisSettings,
    batch: Sequence[tuple[AnalysisFrame, ReaderPosition]],
) -> list[tuple[Detections, ReaderPosition]]:
    """Run the networks: people in every frame; faces, and small people again, where due."""
    found = models.segmenter.segment([view.grid for view, _ in batch])
    return [
        (
            Detections(
                view, _people(view, people, models, settings), _faces(view, models, settings)
            ),
            at,
        )
        for (view, at), people in zip(batch, found, strict=True)
    ]


def _people(
    view: AnalysisFrame, first: list[Instance], models: Models, settings: AnalysisSettings
) -> list[Instance]:
    if view.detail is None:
        return first
    height, width = view.grid.shape[:2]
    return detect_tiled(
        first, view.detail, (width, height), view.index, models.segmenter, settings.second_look
    )


def _faces(view: AnalysisFrame, models: Models, settings: AnalysisSettings) -> list[Face]:
    if view.detail is None:
        return []
    return detect_faces(view.detail, models.faces, settings.face_long_side)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
