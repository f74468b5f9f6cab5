"""video -> timeline: find everyone, follow them, and decide who may be seen.

Decoding, the networks and the tracker overlap: each runs in a thread of its own
behind a bounded queue, and every part streams, so memory doesn't grow with the video.
Verdicts are passed at the end, when everything that can be learnt is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from bystander.errors import UnsupportedVideo
from bystander.media.fingerprint import fingerprint
from bystander.media.prefetch import prefetch
from bystander.media.probe import VideoInfo, probe
from bystander.media.reader import VideoReader
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.people.cast import CastMember
from bystander.people.follow import Click, Follower, Seen, View
from bystander.people.heads import find_faces
from bystander.people.identity import Judge
from bystander.people.shots import mark_cuts, thumbnail
from bystander.people.timeline import Header, Timeline, TimelineWriter, VideoFacts
from bystander.progress import Meter, Report
from bystander.settings import AnalysisSettings

Item = TypeVar("Item")

QUEUE: Final = 6


def analyze(
    video: Path,
    output: Path,
    *,
    models: Models,
    settings: AnalysisSettings,
    cast: Sequence[CastMember] = (),
    clicks: Sequence[Click] = (),
    report: Report | None = None,
) -> Timeline:
    """Analyse a video and write its timeline.

    Args:
        video: the file to analyse.
        output: where the timeline goes; appears only when it is whole.
        models: the networks.
        settings: how thoroughly.
        cast: the people to keep, by face.
        clicks: the people to keep, pointed at in the video.
        report: called with the progress; may raise `Cancelled`.

    Raises:
        VideoError: the video can't be read.
        SelectionError: a click hits nobody.
        OutputUnwritable: the timeline can't be written.
    """
    info = probe(video)
    grid = analysis_size(info.width, info.height, settings.long_side)
    follower = Follower(
        (info.width, info.height),
        grid,
        float(info.average_rate),
        float(info.time_base),
        models,
        settings.tracker,
        settings.filler,
        clicks,
    )
    meter = Meter("analyze", info.frame_count, report)
    with TimelineWriter(output) as writer, VideoReader(video, info) as reader:
        with (
            closing(prefetch(_views(reader, info, grid, settings), QUEUE)) as views,
            closing(prefetch(_look(views, models, settings), QUEUE)) as everything_seen,
        ):
            for seen in everything_seen:
                for record in follower.take(seen):
                    writer.add_frame(record)
                meter.step()
        for record in follower.finish():
            writer.add_frame(record)
        if not follower.frames:
            raise UnsupportedVideo(
                f"{video} has no frame that can be decoded", "Export it again from its source."
            )
        judge = Judge(
            cast,
            settings.identity,
            same=models.faces.thresholds.same,
            different=models.faces.thresholds.different,
            fps=follower.fps,
            bodies_across_shots=models.bodies.across_shots,
        )
        tracklets, persons = judge.judge(follower.archive)
        for tracklet, jpeg in follower.pictures():
            writer.add_picture(tracklet, jpeg)
        facts = VideoFacts(
            width=info.width,
            height=info.height,
            time_base=(info.time_base.numerator, info.time_base.denominator),
            frames=follower.frames,
            rate=follower.fps,
            fingerprint=fingerprint(video),
        )
        header = Header(facts, grid, tuple(follower.shots), tracklets, persons, models.describe())
        writer.finish(header)
    return Timeline(output, header)


def _views(
    reader: VideoReader, info: VideoInfo, grid: tuple[int, int], settings: AnalysisSettings
) -> Iterator[View]:
    """Decoded frames at grid size, and in detail whenever a look at faces is due."""
    detail = detail_size(info, settings)
    seconds, due = float(info.time_base), float("-inf")
    for frame in reader:
        now = frame.pts * seconds
        look = now >= due
        if look:
            due = now + 1 / settings.faces_per_second - 1e-6
        small = frame.rgb(grid)
        yield View(
            frame.index, frame.pts, small, thumbnail(small), frame.rgb(detail) if look else None
        )


def detail_size(info: VideoInfo, settings: AnalysisSettings) -> tuple[int, int]:
    """Width and height at which faces and bodies are recognised."""
    if max(info.width, info.height) <= settings.detail_long_side:
        return info.width, info.height
    return analysis_size(info.width, info.height, settings.detail_long_side)


def _look(views: Iterable[View], models: Models, settings: AnalysisSettings) -> Iterator[Seen]:
    """Run the networks: people in every frame, faces where they are due."""
    marked = mark_cuts(views, lambda view: view.thumb, settings.shots)
    for batch in _batches(marked, settings.batch):
        found = models.segmenter.segment([view.grid for view, _ in batch])
        for (view, cut), instances in zip(batch, found, strict=True):
            faces = (
                []
                if view.detail is None
                else find_faces(view.detail, models.faces, settings.face_long_side)
            )
            yield Seen(view, cut, instances, faces)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
