"""A video's frames -> what the networks see in each, and what follows everyone through them.

Decoding, the networks and the tracker overlap in threads with bounded queues between them, and
every part streams, so memory doesn't grow with the video.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Final, TypeVar

from bystander.config import cores
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.instances import Face, Instance
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import map_ahead, prefetch
from bystander.media.reader import Frame
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.checkpoints import ReaderPosition
from bystander.settings import AnalysisSettings
from bystander.timeline.header import SourceVideo
from bystander.tracking.appearance import to_lab
from bystander.tracking.clicks import Click
from bystander.tracking.face_assignment import detect_faces
from bystander.tracking.frame_analysis import FrameAnalyzer
from bystander.tracking.frames import AnalysisFrame, Detections
from bystander.tracking.keyframes import Keyframe, fill
from bystander.tracking.motion import Flow, grey
from bystander.tracking.shots import CutDetector, thumbnail
from bystander.tracking.tiled_inference import detect_tiled

Item = TypeVar("Item")
PlacedFrame = tuple[AnalysisFrame, ReaderPosition]

QUEUE_FRAMES: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class _LookedAt:
    """Frames in order, and what the networks found in the last one."""

    views: list[PlacedFrame]
    instances: list[Instance]
    faces: list[Face]


def begin(
    info: VideoInfo,
    models: Models,
    settings: AnalysisSettings,
    clicks: Sequence[Click] = (),
    first_pts: int | None = None,
    forgiving: bool = False,
) -> FrameAnalyzer:
    """What follows everyone through a video, or a part of it, before its first frame."""
    return FrameAnalyzer(
        GridTransform(info.display_size, analysis_size(*info.display_size, settings.long_side)),
        float(info.average_rate),
        float(info.time_base),
        models,
        settings.tracking,
        settings.filler,
        clicks,
        first_pts,
        forgiving,
    )


def facts_of(info: VideoInfo, key: str) -> SourceVideo:
    """What a timeline says of its video, whose fingerprint is `key`; without frames yet."""
    return SourceVideo(
        width=info.display_size[0],
        height=info.display_size[1],
        time_base=(info.time_base.numerator, info.time_base.denominator),
        frames=0,
        rate=float(info.average_rate),
        fingerprint=key,
        origin_pts=info.origin_pts,
    )


def observe(
    frames: Iterable[Frame],
    info: VideoInfo,
    models: Models,
    settings: AnalysisSettings,
    standing: ReaderPosition | None = None,
) -> Generator[tuple[Detections, ReaderPosition | None]]:
    """What is in each frame, in order, several frames at work at once.

    The person segmenter looks at keyframes, and at frames between them where those disagree.

    Args:
        frames: of the video, in order.
        standing: where an interrupted analysis stood after the frame before the first.

    Returns:
        With each frame where reading stands after it, if an analysis can go on from there.
    """
    stride = max(1, int(settings.keyframes.seconds * float(info.average_rate) + 0.5))
    workers = settings.workers or cores()
    look, complete = partial(_look, models, settings), partial(_complete, models, settings)
    # Each call is of several frames, and a picture in detail.
    ahead = workers + 1
    key = standing.key if standing else None
    with (
        closing(prefetch(_views(frames, info, settings, standing), QUEUE_FRAMES)) as views,
        closing(
            map_ahead(look, _batches(_runs(views, stride), settings.batch), workers, ahead)
        ) as looked,
        closing(
            map_ahead(complete, _after(chain.from_iterable(looked), key), workers, ahead)
        ) as completed,
    ):
        yield from chain.from_iterable(completed)


def _views(
    frames: Iterable[Frame],
    info: VideoInfo,
    settings: AnalysisSettings,
    standing: ReaderPosition | None,
) -> Iterator[PlacedFrame]:
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


def _runs(views: Iterable[PlacedFrame], stride: int) -> Iterator[list[PlacedFrame]]:
    """Frames in runs of at most `stride`, none over a cut, of which the last is a keyframe.

    Where faces are looked for, and where a shot begins and ends, are keyframes.
    """
    run: list[PlacedFrame] = []
    for view, position in views:
        if view.cut and run:
            yield run
            run = []
        run.append((view, position))
        if view.cut or view.detail is not None or len(run) >= stride:
            yield run
            run = []
    if run:
        yield run


def _look(
    models: Models, settings: AnalysisSettings, runs: Sequence[list[PlacedFrame]]
) -> list[_LookedAt]:
    """Run the networks on keyframes: people; faces, and small people again, where due."""
    found = models.segmenter.segment([run[-1][0].grid for run in runs])
    looked = []
    for run, people in zip(runs, found, strict=True):
        view = run[-1][0]
        instances = _people(view, people, models, settings)
        looked.append(_LookedAt(run, instances, _faces(view, models, settings)))
    return looked


def _after(
    looked: Iterable[_LookedAt], key: Keyframe | None
) -> Iterator[tuple[Keyframe | None, _LookedAt, Keyframe]]:
    """Each run between the keyframe before it, if that is of the same shot, and its own."""
    for run in looked:
        view = run.views[-1][0]
        before = None if run.views[0][0].cut else key
        key = Keyframe(view.index, grey(view.grid), run.instances)
        yield before, run, key


def _complete(
    models: Models,
    settings: AnalysisSettings,
    given: tuple[Keyframe | None, _LookedAt, Keyframe],
) -> list[tuple[Detections, ReaderPosition | None]]:
    """What is in every frame of a run."""
    before, run, key = given

    def look(view: AnalysisFrame) -> list[Instance]:
        return models.segmenter.segment([view.grid])[0]

    views = [view for view, _ in run.views]
    people = fill(before, views[:-1], key, look, settings.keyframes)
    completed: list[tuple[Detections, ReaderPosition | None]] = []
    earlier = before.picture if before is not None else None
    for view, instances in zip(views, [*people, run.instances], strict=True):
        last = view is views[-1]
        now = key.picture if last else grey(view.grid)
        flow = Flow.between(now, earlier, view.size) if earlier is not None else None
        faces = run.faces if last else []
        position = replace(run.views[-1][1], key=key) if last else None
        completed.append((Detections(view, instances, faces, to_lab(view.grid), flow), position))
        earlier = now
    return completed


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
