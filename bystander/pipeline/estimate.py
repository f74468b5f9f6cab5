"""How long masking a video will take here: by doing a little of it.

The pipeline itself runs over some frames from several places in the video: what that took
is scaled to the whole. How crowded the rest is, and what else the machine does meanwhile,
can't be known: hence the range.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from bystander.errors import UnsupportedVideo
from bystander.files import work_folder
from bystander.identity.verdicts import resolve
from bystander.media.encoder import Encoder, encoding_of
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import prefetch
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.drawing import QUEUE_FRAMES, FrameMasker
from bystander.pipeline.looking import begin, observe
from bystander.redaction.effects import EffectSettings
from bystander.settings import Profile
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import FrameRecord
from bystander.tracking.frame_analysis import FrameAnalyzer

SAMPLE_PLACES: Final = 4
FRAMES_PER_PLACE: Final = 14
"""At each of the places."""
PIPELINE_FILL_FRAMES: Final = 8
"""Frames until all stages of the pipeline are at work."""
START_UP_SECONDS: Final = 2.0
"""Seconds: loading networks, probing, joining, moving the result into place."""
LOW_FACTOR: Final = 0.75
HIGH_FACTOR: Final = 1.35


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that masking will take, with the range it will probably lie in.

    Attributes:
        analyze, render: seconds a frame of the two passes.
        frames, width, height: of the video.
        people: mean number of people in the frames that were sampled.
    """

    seconds: float
    low: float
    high: float
    analyze: float
    render: float
    frames: int
    width: int
    height: int
    people: float


def estimate(
    video: Path,
    models: Models,
    profile: Profile,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Mask a few frames and scale up.

    Args:
        video: the file to be masked.
        models: the networks that would be used.
        profile: the settings that would be used.
        clock: seconds.

    Raises:
        VideoError: the video can't be read.
    """
    info = probe(video)
    with work_folder() as folder:
        sample = _Sample(video, info, models, profile, folder, clock)
        timeline = sample.analyze()
        if not sample.frames:
            raise UnsupportedVideo(
                f"{video} has no frame that can be decoded", "Export it again from its source."
            )
        begun = clock()
        sample.render(timeline)
        looking, drawing = sample.looking, (clock() - begun) / sample.frames
    seconds = START_UP_SECONDS + info.frame_count * (looking + drawing)
    return Estimate(
        seconds=round(seconds, 1),
        low=round(LOW_FACTOR * seconds, 1),
        high=round(HIGH_FACTOR * seconds, 1),
        analyze=looking,
        render=drawing,
        frames=info.frame_count,
        width=info.display_size[0],
        height=info.display_size[1],
        people=round(sample.people / sample.frames, 1),
    )


def _frames(video: Path, info: VideoInfo) -> Iterator[Frame]:
    """Some frames from each of several places; all of a short video. Numbered from 0."""
    if info.frame_count <= 2 * SAMPLE_PLACES * FRAMES_PER_PLACE or info.container == "avi":
        # AVI can't be entered just anywhere.
        yield from islice(VideoReader(video, info), SAMPLE_PLACES * FRAMES_PER_PLACE)
        return
    span, number = info.end_pts - info.start_pts, 0
    for place in range(SAMPLE_PLACES):
        start = info.start_pts + span * (2 * place + 1) // (2 * SAMPLE_PLACES)
        for frame in islice(VideoReader(video, info, start_pts=start), FRAMES_PER_PLACE):
            yield replace(frame, index=number)
            number += 1


class _Sample:
    """The frames of one sample, and the passes over them.

    Attributes:
        frames: how many were analysed.
        people: sightings in them.
        looking: seconds a frame that analysing took.
    """

    def __init__(
        self,
        video: Path,
        info: VideoInfo,
        models: Models,
        profile: Profile,
        folder: Path,
        clock: Callable[[], float],
    ) -> None:
        self.frames = self.people = 0
        self.looking = 0.0
        self._video, self._info, self._folder = video, info, folder
        self._models, self._profile, self._clock = models, profile, clock

    def analyze(self) -> Timeline:
        """Find and follow everyone, as an analysis does; everybody is to be masked."""
        settings, info = self._profile.analysis, self._info
        analyzer = begin(info, self._models, settings)
        path = self._folder / "timeline"
        frames = _frames(self._video, info)
        times = [self._clock()]
        with (
            TimelineWriter(path) as writer,
            closing(observe(frames, info, self._models, settings)) as observed,
        ):
            for seen, _ in observed:
                self._add(analyzer.take(seen), writer)
                times.append(self._clock())
            self._add(analyzer.finish(), writer)
            writer.finish(self._header(analyzer))
            timeline = Timeline.load(path)
        # The first frames wait for networks to warm up, and for the frames ahead of them.
        warm = times[PIPELINE_FILL_FRAMES:] if len(times) > 2 * PIPELINE_FILL_FRAMES else times
        self.looking = (warm[-1] - warm[0]) / max(1, len(warm) - 1)
        return timeline

    def render(self, timeline: Timeline) -> None:
        """Draw and encode the same frames."""
        encoding = encoding_of(self._info, self._video, self._profile.encoder)
        drawing = FrameMasker(timeline, self._info, EffectSettings(), encoding)
        encoder = Encoder.create(self._info, self._video, self._profile.encoder)
        pictures = drawing.masked(_frames(self._video, self._info))
        with closing(prefetch(pictures, QUEUE_FRAMES)) as ahead:
            for frame, picture, _ in ahead:
                deque(encoder.encode(picture, frame.pts, frame.duration), maxlen=0)
        deque(encoder.flush(), maxlen=0)

    def _add(self, records: Iterator[FrameRecord], writer: TimelineWriter) -> None:
        for record in records:
            writer.add_frame(record)
            self.frames += 1
            self.people += len({sighting.tracklet for sighting in record.sightings})

    def _header(self, analyzer: FrameAnalyzer) -> Header:
        info, settings = self._info, self._profile.analysis
        tracklets, persons = resolve(
            analyzer.evidence.tracklets(),
            *analyzer.evidence.segments(),
            (),
            settings.identity,
            same=1,
            different=0,
            fps=analyzer.fps,
            bodies_across_shots=False,
        )
        base = (info.time_base.numerator, info.time_base.denominator)
        facts = SourceVideo(*info.display_size, base, self.frames, analyzer.fps, "")
        grid = analysis_size(*info.display_size, settings.long_side)
        return Header(facts, grid, tuple(analyzer.shots), tracklets, persons, {})
