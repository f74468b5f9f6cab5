"""Does the audit cry wolf? Audits masked videos of which it is known whose every pixel is.

python -m benchmarks.audit_alarms -o OUT                    every clip and scene
python -m benchmarks.audit_alarms -o OUT --only schoolgirls one of them; may be repeated
python -m benchmarks.audit_alarms -o OUT --without product  only what needs no analysis

Each video is masked, and audited with the defaults, in five ways:

product   as the product masks it, one person kept by a click (schoolgirls, composed-field) or by
          a photo (made scenes)
truth     by the id maps: nobody but the kept person shows, so that every finding is false
limbs     the same, but the timeline's silhouette of the kept person lacks everything narrow: what
          shows of their arms and hair is nobody's there, and still no leak
unknown   by the id maps without one bystander, in turn, for a second at a time: the timeline
          doesn't know them, and only the networks can find them
merged    the same, but what is left out is taken for the kept person's

A finding in a frame is true if its box covers visible pixels of a bystander, one pixel off any
silhouette's edge: as many as `LEAST_VISIBLE_PX`, and `LEAST_VISIBLE_SHARE` of the box. Which
pixels show is told by what rendering draws over. Leaks, on the other hand, are spans of three
frames or more in which a quarter of a bystander shows: how many of them do findings tell of? The
networks' answers are kept in OUT/cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.material import use_shared_models
from benchmarks.quality.clips import WHOLE_MAPS, Run, clip_runs
from benchmarks.quality.drawing import Bits, masked_in_timeline
from benchmarks.quality.harness import Harness
from benchmarks.quality.made import made_runs
from benchmarks.quality.truth import Ids, Truth
from bystander.auditing.findings import Finding
from bystander.auditing.report import AuditResult
from bystander.geometry.masks import Mask
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models.segmenter import analysis_size
from bystander.pipeline.audit import audit
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Person,
    Shot,
    Sighting,
    Tracklet,
    Verdict,
)

SCENES: Final = (
    *("crosses-in-front", "crosses-behind", "turns-away", "crowd-of-six", "far-and-small"),
    *("truncated-at-the-edge", "fast-and-blurred", "dark-and-noisy", "arm-in-arm", "comes-closer"),
)
WAYS: Final = ("product", "truth", "limbs", "unknown", "merged")
GRID_LONG_SIDE: Final = 640
LEAST_VISIBLE_PX: Final = 40
LEAST_VISIBLE_SHARE: Final = 0.02
NARROW_SHARE: Final = 0.09
"""Of a silhouette's height: narrower parts are what `limbs` leaves out."""
LEAK_SHARE: Final = 0.25
LEAK_FRAMES: Final = 3
GAP_SECONDS: Final = 1.0
GAPS_APART_SECONDS: Final = 2.0
"""Between the starts of spans in which somebody is unknown: the audit joins what is near."""
LARGE_SHARE: Final = 0.002
"""Of the picture: somebody smaller isn't taken out."""


@dataclass(frozen=True)
class Score:
    """What an audit said of one video.

    Attributes:
        true, false: findings in frames.
        leaks, found: spans in which a bystander shows; of which findings tell.
    """

    run: str
    way: str
    true: int
    false: int
    leaks: int
    found: int

    def __str__(self) -> str:
        findings = f"{self.true:5d} true {self.false:3d} false"
        return f"{self.run:26} {self.way:9} {findings}  {self.found} of {self.leaks} leaks found"


@dataclass(frozen=True, eq=False)
class Shown:
    """What shows of somebody: bool [H, W] of the video, and their share of the person."""

    bits: Bits
    share: float


@dataclass(frozen=True)
class Span:
    """Frames `start` to `end` in which the timeline doesn't know a person, or one shows."""

    start: int
    end: int
    person: int


def runs(name: str, folder: Path) -> list[Run]:
    """The videos of a clip (each person kept once) or of a made scene."""
    if name in WHOLE_MAPS:
        return [run for run in clip_runs(name) if run.truth.kept]
    return made_runs([name], folder, seed=1)


def measure(run: Run, way: str, harness: Harness, folder: Path) -> Score:
    """Mask a video in one way, audit it, and compare the findings with the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    path, gaps = folder / f"{way}.timeline", planned(run) if way in ("unknown", "merged") else []
    timeline = harness.analyse(run, path) if way == "product" else known(run, path, gaps, way)
    output = folder / f"{way}.mp4"
    render(run.video, timeline, output, effect=EffectSettings(), overwrite=True)
    page = folder / f"{way}.html"
    result = audit(run.video, output, page, models=harness.models, timeline=timeline)
    masks = masked_in_timeline(run.video, timeline, "source")
    visible = [bystanders(run.truth, index, masked) for index, masked in enumerate(masks)]
    return judged(run.name, way, result, visible, timeline.header.video.rate)


def judged(
    name: str, way: str, result: AuditResult, visible: Sequence[Mapping[int, Shown]], rate: float
) -> Score:
    """Which findings are true, and which leaks they tell of."""
    told = [finding for finding in result.findings if finding.box is not None]
    true = [finding for finding in told if covers(finding, visible)]
    for finding in told:
        if finding not in true:
            print(f"  false: {name} {way} {finding}")
    leaks = leaking(visible)
    found = [
        leak
        for leak in leaks
        if any(f.end * rate > leak.start - 1 and f.start * rate < leak.end for f in true)
    ]
    for leak in leaks:
        if leak not in found:
            print(f"  missed: {name} {way} {leak}")
    return Score(name, way, len(true), len(told) - len(true), len(leaks), len(found))


def covers(finding: Finding, visible: Sequence[Mapping[int, Shown]]) -> bool:
    """Whether a finding's box holds visible pixels of a bystander."""
    if finding.frame is None or finding.box is None:
        return False
    x0, y0, x1, y1 = (max(0, round(value)) for value in finding.box)
    area = max(0, x1 - x0) * max(0, y1 - y0)
    inside = sum(
        np.count_nonzero(shown.bits[y0:y1, x0:x1]) for shown in visible[finding.frame].values()
    )
    return bool(inside >= max(LEAST_VISIBLE_PX, LEAST_VISIBLE_SHARE * area))


def bystanders(truth: Truth, index: int, masked: Bits) -> dict[int, Shown]:
    """What shows of each bystander in a frame, off their edges."""
    ids = _ids(truth, index)
    shown = {}
    for person in _people(ids):
        if person not in truth.kept | truth.either:
            silhouette = (ids == person).astype(np.uint8)
            inner = cv2.erode(silhouette, np.ones((3, 3), np.uint8)).astype(bool)
            area, bits = np.count_nonzero(inner), inner & ~masked
            shown[person] = Shown(bits, np.count_nonzero(bits) / area if area else 0.0)
    return shown


def leaking(visible: Sequence[Mapping[int, Shown]]) -> list[Span]:
    """Spans of frames in which so much of a bystander shows that it is a leak."""
    spans: list[Span] = []
    for person in {person for frame in visible for person in frame}:
        start = None
        for index, frame in enumerate([*visible, {}]):
            shown = frame.get(person)
            leaks = (
                shown is not None
                and shown.share >= LEAK_SHARE
                and np.count_nonzero(shown.bits) >= LARGE_SHARE * shown.bits.size / 4
            )
            if leaks and start is None:
                start = index
            elif not leaks and start is not None:
                if index - start >= LEAK_FRAMES:
                    spans.append(Span(start, index, person))
                start = None
    return sorted(spans, key=lambda span: span.start)


def known(run: Run, path: Path, gaps: Sequence[Span], way: str) -> Timeline:
    """A timeline made from the id maps.

    Args:
        gaps: when somebody is left out, or taken for the kept person.
    """
    info = probe(run.video)
    grid = analysis_size(*info.display_size, GRID_LONG_SIDE)
    spans: dict[int, list[int]] = {}
    heights: dict[int, list[float]] = {}
    count = 0
    with TimelineWriter(path) as writer, VideoReader(run.video, info) as frames:
        for frame in frames:
            count += 1
            ids = _ids(run.truth, frame.index)
            sightings = []
            gone = {gap.person for gap in gaps if gap.start <= frame.index < gap.end}
            for person in _people(ids):
                if person in gone:
                    continue
                bits = (ids == person).astype(np.uint8)
                if person in run.truth.kept and way == "limbs":
                    bits = _without_limbs(bits)
                if person in run.truth.kept and way == "merged":
                    bits |= np.isin(ids, list(gone)).astype(np.uint8)
                small = cv2.resize(bits, grid, interpolation=cv2.INTER_AREA)
                mask = Mask.from_frame(small.astype(bool))
                if not mask.area:
                    continue
                x0, y0, x1, y1 = (float(value) for value in mask.box)
                sightings.append(Sighting(person, (x0, y0, x1, y1), 0.9, mask))
                spans.setdefault(person, []).append(frame.index)
                height = (y1 - y0) * info.display_size[1] / grid[1]
                heights.setdefault(person, []).append(height)
            writer.add_frame(FrameRecord(frame.index, frame.pts, tuple(sightings)))
        rate = float(info.average_rate)
        tracklets = tuple(
            _tracklet(person, seen, heights[person], person in run.truth.kept)
            for person, seen in spans.items()
        )
        facts = SourceVideo(
            *info.display_size,
            (info.time_base.numerator, info.time_base.denominator),
            count,
            rate,
            fingerprint(run.video),
            info.origin_pts,
        )
        people = tuple(Person(f"p{t.id}", None, (t.id,), t.seen / rate) for t in tracklets)
        writer.finish(Header(facts, grid, (Shot(0, count),), tracklets, people, {}))
    return Timeline.load(path)


def _tracklet(person: int, seen: Sequence[int], heights: Sequence[float], kept: bool) -> Tracklet:
    start, end = seen[0], seen[-1] + 1
    decision = Decision.KEEP if kept else Decision.MASK
    kind = EvidenceKind.CLICK if kept else EvidenceKind.NONE
    verdicts = (Verdict(start, end, decision, Evidence(kind)),)
    height = float(np.percentile(heights, 95))
    return Tracklet(person, 0, start, end, len(seen), height, None, verdicts)


def _without_limbs(bits: Ids) -> Ids:
    height = np.count_nonzero(bits.any(axis=1))
    side = max(3, round(NARROW_SHARE * height))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(bits, cv2.MORPH_OPEN, kernel), dtype=np.uint8)


def planned(run: Run) -> list[Span]:
    """When bystanders are left out: in turn those of whom most is seen."""
    rate = float(probe(run.video).average_rate)
    count = run.truth.map_count
    gaps: list[Span] = []
    length = round(GAP_SECONDS * rate)
    for start in range(round(rate / 2), count - length, round(GAPS_APART_SECONDS * rate)):
        ids = _ids(run.truth, start + length // 2)
        sizes = {p: int((ids == p).sum()) for p in _people(ids) if p not in run.truth.kept}
        large = {p: size for p, size in sizes.items() if size >= LARGE_SHARE * ids.size}
        if large:
            times = {p: sum(gap.person == p for gap in gaps) for p in large}
            person = min(large, key=lambda p: (times[p], -large[p]))
            gaps.append(Span(start, start + length, person))
    return gaps


def _ids(truth: Truth, index: int) -> Ids:
    ids = truth.ids(index)
    assert ids is not None, "only videos with id maps are measured"
    return ids


def _people(ids: Ids) -> Iterator[int]:
    return (int(person) for person in np.unique(ids) if person)


def summary(table: Sequence[Score]) -> dict[str, str]:
    """How many findings are true, each way and over all, and how many leaks were found."""

    def precision(rows: Sequence[Score]) -> str:
        true, false = sum(r.true for r in rows), sum(r.false for r in rows)
        return f"{true} of {true + false}"

    def recall(rows: Sequence[Score]) -> str:
        return f"{sum(r.found for r in rows)} of {sum(r.leaks for r in rows)}"

    ways = {way: [row for row in table if row.way == way] for way in WAYS}
    return {
        **{f"true findings, {way}": precision(rows) for way, rows in ways.items()},
        "true findings, all": precision(table),
        **{f"leaks found, {way}": recall(rows) for way, rows in ways.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = (*WHOLE_MAPS, *SCENES)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME")
    parser.add_argument("--without", action="append", choices=WAYS, default=[], metavar="WAY")
    arguments = parser.parse_args()
    use_shared_models()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    harness = Harness(output / "cache")
    table: list[Score] = []
    for run in (run for name in arguments.only or names for run in runs(name, output)):
        for way in (way for way in WAYS if way not in arguments.without):
            table.append(measure(run, way, harness, output / run.name))
            print(table[-1], flush=True)
            document = {"rows": [asdict(row) for row in table], **summary(table)}
            (output / "alarms.json").write_text(json.dumps(document, indent=2))
    print(json.dumps(summary(table), indent=2))


if __name__ == "__main__":
    main()
