"""The analysis in parts: a plan of overlapping chunks, and what is learnt from looking at one.

A chunk's look is a file of the workspace: a timeline of its window, numbered from 0, everyone in
it to be masked, with the evidence beside it (`tracking.evidence_file`). `pipeline.join` makes one
timeline of all of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from bystander import __version__
from bystander.errors import InvalidTimeline, ModelError, SelectionError
from bystander.media.demux import ANIMATIONS
from bystander.media.facts import VideoInfo
from bystander.media.partial_files import Spans
from bystander.media.reader import Frame, frames_after
from bystander.models import Models, ModelSettings, load_models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.looking import begin, facts_of, observe
from bystander.pipeline.tasks import Step, Workspace
from bystander.pipeline.workspaces import spans_of, with_video
from bystander.settings import AnalysisSettings
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header
from bystander.tracking.clicks import Click
from bystander.tracking.evidence import EvidenceStore
from bystander.tracking.evidence_file import MAX_BYTES, dump_evidence, load_evidence
from bystander.tracking.frame_analysis import FrameAnalyzer

log = logging.getLogger(__name__)

ONE_CHUNK: Final = frozenset({"avi", *ANIMATIONS})
"""Containers that are read from the beginning."""
CHUNKS_OF_A_SHORT_VIDEO: Final = 8
SHORTEST_SECONDS: Final = 10.0
"""Three seconds of it are looked at twice."""
LONGEST_SECONDS: Final = 30.0
LEAD_SHARE: Final = 0.625
"""Of an overlap, what lies before the later chunk's start, about which joints may be."""
EVIDENCE: Final = "evidence.npz"
FACTS: Final = "look.json"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a video. Times are pts, ticks of the source; None is the video's own end.

    Attributes:
        start, stop: of what it is to tell, about: the joints may lie a little beside.
        begin, end: of its window, what is looked at for it.
        alone_from, alone_until: of what no other chunk's window has.
    """

    start: int | None = None
    stop: int | None = None
    begin: int | None = None
    end: int | None = None
    alone_from: int | None = None
    alone_until: int | None = None


def plan(info: VideoInfo, seconds: float | None, overlap: float) -> list[Chunk]:
    """A video in chunks of about so many seconds; a last one isn't much shorter than the others.

    It follows from the video's length alone, so that whoever does the work, with however many at
    once, comes to the same masks and verdicts.

    Args:
        seconds: of what a chunk tells; None: half a minute, and of a short video an eighth.
        overlap: seconds that two neighbours both look at: a tracker learns at its beginning what
            people look like, and fills gaps behind itself.
    """
    ticks = info.end_pts - info.start_pts
    if seconds is None:
        seconds = float(ticks * info.time_base) / CHUNKS_OF_A_SHORT_VIDEO
        seconds = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds))
    length = seconds / float(info.time_base)
    count = 1 if info.container in ONE_CHUNK else max(1, int(ticks / length + 0.5))
    shared = overlap / float(info.time_base)
    lead, rest = round(LEAD_SHARE * shared), round((1 - LEAD_SHARE) * shared)
    inner = [info.start_pts + ticks * number // count for number in range(1, count)]
    chunks = []
    for start, stop in zip([None, *inner], [*inner, None], strict=True):
        first = (None, None) if start is None else (start - lead, start + rest)
        last = (None, None) if stop is None else (stop + rest, stop - lead)
        chunks.append(Chunk(start, stop, first[0], last[0], first[1], last[1]))
    return chunks


@dataclass(frozen=True)
class LookTask:
    """Look at one chunk, and leave what was learnt in the workspace.

    Attributes:
        workspace: has the video.
        video: its fingerprint.
        info: what `probe` said of it.
        clicks: people to keep, pointed at anywhere in the video.
        networks: what `Models.describe` said of them where the plan was made.
        spans: of the video's bytes, which it takes; none: all of them.
        frames: about, for the progress.
    """

    workspace: Workspace
    video: str
    info: VideoInfo
    chunk: Chunk
    settings: AnalysisSettings
    clicks: tuple[Click, ...]
    networks: tuple[tuple[str, str], ...]
    spans: Spans = ()
    runs_networks: ClassVar[bool] = True

    @property
    def frames(self) -> int:
        ticks = self._end - self._begin
        whole = max(1, self.info.end_pts - self.info.start_pts)
        return max(1, round(self.info.frame_count * ticks / whole))

    @property
    def name(self) -> str:
        parts = {
            "version": __version__,
            "video": self.video,
            "chunk": asdict(self.chunk),
            "settings": self.settings.model_dump(mode="json", exclude={"workers", "identity"}),
            "clicks": [asdict(click) for click in self.clicks],
            "networks": self.networks,
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"look-{digest[:32]}"

    def run(self, step: Step) -> None:
        """See `Task.run`.

        Raises:
            SelectionError: a click that no other chunk can answer hits nobody.
            ModelError: a network is missing, or is another than the plan was made with.
        """
        self.look(warm_models(self.settings.model_settings()), step)

    def look(self, models: Models, step: Step) -> None:
        """`run`, with networks that are there."""
        self._check_networks(models)
        with_video(
            self.workspace, self.video, self.spans, lambda video: self._look(video, models, step)
        )

    def _look(self, video: Path, models: Models, step: Step) -> None:
        analyzer = begin(
            self.info,
            models,
            self.settings,
            self._own_clicks(),
            first_pts=self.info.start_pts,
            forgiving=True,
        )
        frames = _window(video, self.info, self.chunk)
        done = 0
        with (
            self.workspace.storing(self.name) as path,
            TimelineWriter(path) as writer,
        ):
            try:
                for seen, _ in observe(frames, self.info, models, self.settings):
                    for record in analyzer.take(seen):
                        writer.add_frame(record)
                    done += 1
                    step(1)
                for record in analyzer.finish():
                    writer.add_frame(record)
                self._check_clicks(analyzer)
                facts = replace(facts_of(self.info, self.video), frames=analyzer.frames)
                header = Header(
                    facts,
                    self.grid,
                    tuple(analyzer.shots),
                    analyzer.evidence.tracklets(),
                    (),
                    models.describe(),
                    tuple(at for at, _ in analyzer.pointed),
                )
                writer.finish(header, analyzer.pictures(), (jpeg for _, jpeg in analyzer.pointed))
                with zipfile.ZipFile(path, "a") as archive:
                    archive.writestr(_entry(EVIDENCE), dump_evidence(analyzer.evidence))
                    archive.writestr(_entry(FACTS), _ChunkFacts.of(analyzer).model_dump_json())
            except BaseException:
                step(-done)
                raise
        step(self.frames - done)

    def _check_networks(self, models: Models) -> None:
        """Faces and bodies of two networks can't be compared.

        Raises:
            ModelError: this machine has other ones than the plan was made with.
        """
        planned, here = dict(self.networks), models.describe()
        backends = planned.pop("backend", ""), here.pop("backend", "")
        if planned != here:
            names = sorted({name for name, _ in planned.items() ^ here.items()})
            raise ModelError(
                f"the machines of this work have different networks ({', '.join(names)})",
                "Install the same on all; 'bystander models list' says which are there.",
            )
        if backends[0] != backends[1]:
            log.warning(
                "people are looked for by %s here, where the work was planned by %s: masks depend "
                "a little on who does what (BYSTANDER_BACKEND chooses)",
                *reversed(backends),
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Width and height of the analysis grid."""
        return analysis_size(*self.info.display_size, self.settings.long_side)

    @property
    def _begin(self) -> int:
        begin = self.chunk.begin
        return self.info.start_pts if begin is None else max(begin, self.info.start_pts)

    @property
    def _end(self) -> int:
        end = self.chunk.end
        return self.info.end_pts if end is None else min(end, self.info.end_pts)

    def _seconds(self, pts: int) -> float:
        return float((pts - self.info.start_pts) * self.info.time_base)

    def _own_clicks(self) -> list[Click]:
        """Those within the window; after the video's end, the last chunk's."""
        since = self._seconds(self._begin)
        until = float("inf") if self.chunk.end is None else self._seconds(self._end)
        return [click for click in self.clicks if since <= click.seconds < until]

    def _check_clicks(self, analyzer: FrameAnalyzer) -> None:
        """Raises SelectionError: at a time of which this chunk alone will tell, nobody was hit."""
        chunk = self.chunk
        since = -1.0 if chunk.alone_from is None else self._seconds(chunk.alone_from)
        until = float("inf") if chunk.alone_until is None else self._seconds(chunk.alone_until)
        for seconds, error in analyzer.misses:
            if since <= seconds < until:
                raise error


def _entry(name: str) -> zipfile.ZipInfo:
    """Of an archive; without the time, so that whoever does it again makes the same file."""
    return zipfile.ZipInfo(name)


class _Miss(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seconds: float
    what: str
    advice: str


class _ChunkFacts(BaseModel):
    """What of a look is in no timeline.

    Attributes:
        worths: of each tracklet's picture, by tracklet; larger is better.
        misses: clicks that hit nobody here.
    """

    model_config = ConfigDict(extra="forbid")
    worths: dict[int, float]
    misses: list[_Miss]

    @classmethod
    def of(cls, analyzer: FrameAnalyzer) -> _ChunkFacts:
        misses = [
            _Miss(seconds=seconds, what=error.what, advice=error.advice)
            for seconds, error in analyzer.misses
        ]
        return cls(worths=analyzer.worths(), misses=misses)


@dataclass(frozen=True, eq=False)
class ChunkAnalysis:
    """What was learnt from one chunk.

    Attributes:
        timeline: of its window, numbered from 0.
        evidence: of its tracklets, but for where they were seen.
        worths: how good each one's picture is.
        misses: seconds, from the video's first frame, of clicks that hit nobody here, and why.
    """

    timeline: Timeline
    evidence: EvidenceStore
    worths: dict[int, float]
    misses: tuple[tuple[float, SelectionError], ...]

    @classmethod
    def load(cls, path: Path, scale: float) -> ChunkAnalysis:
        """Read a look.

        Args:
            scale: display pixels per grid pixel.

        Raises:
            InvalidTimeline: the file isn't one.
        """
        timeline = Timeline.load(path)
        try:
            with zipfile.ZipFile(path) as archive:
                if any(archive.getinfo(name).file_size > MAX_BYTES for name in (EVIDENCE, FACTS)):
                    raise ValueError("it unpacks into too much")
                evidence = load_evidence(archive.read(EVIDENCE), scale)
                facts = _ChunkFacts.model_validate_json(archive.read(FACTS))
            known = {tracklet.id for tracklet in timeline.header.tracklets}
            if not known <= evidence.dossiers.keys():
                raise ValueError("of some tracklets there is no evidence")
        except (KeyError, ValueError, ValidationError, zipfile.BadZipFile, OSError) as error:
            raise InvalidTimeline(
                f"{path} can't be used ({error})", "Remove it; it is made anew."
            ) from error
        misses = tuple((m.seconds, SelectionError(m.what, m.advice)) for m in facts.misses)
        return cls(timeline, evidence, facts.worths, misses)


_warm: dict[ModelSettings, Models] = {}


def keep_warm(settings: ModelSettings, models: Models) -> None:
    """Let the tasks of this process use networks that are open already."""
    _warm.clear()
    _warm[settings] = models


def warm_models(settings: ModelSettings) -> Models:
    """The networks of this process, open until others are asked for."""
    if settings not in _warm:
        keep_warm(settings, load_models(settings))
    return _warm[settings]


def _window(video: Path, info: VideoInfo, chunk: Chunk) -> Iterator[Frame]:
    """The frames of a chunk's window, numbered from 0."""
    shown = None if chunk.begin is None else chunk.begin - 1
    number = 0
    for frame in frames_after(video, info, 0, shown):
        if chunk.end is not None and frame.pts >= chunk.end:
            return
        if chunk.begin is None or frame.pts >= chunk.begin:
            yield replace(frame, index=number)
            number += 1


def look_tasks(
    workspace: Workspace,
    source: Path,
    video: str,
    info: VideoInfo,
    settings: AnalysisSettings,
    clicks: Sequence[Click],
    models: Models,
    chunks: Sequence[Chunk],
) -> list[LookTask]:
    """One task a chunk; see `LookTask`.

    Args:
        source: the video, whole.
        video: its fingerprint.
    """
    networks = tuple(sorted(models.describe().items()))
    return [
        LookTask(
            workspace,
            video,
            info,
            chunk,
            settings,
            tuple(clicks),
            networks,
            spans_of(workspace, source, info, chunk.begin, chunk.end),
        )
        for chunk in chunks
    ]
