"""What was measured, as a table on the terminal and as JSON."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.table import Table

from benchmarks.quality.score import QualityScore
from benchmarks.quality.tracking import TrackingScore

NOTHING = "-"
TEXTS = ("name", "worst", "refused", "reference")
BETTER_HIGH = ("kept_frames", "hota", "idf1", "edges")


@dataclass(frozen=True)
class Row:
    """One run's figures; shares are 0 to 1, None is what its truth can't tell.

    Attributes:
        visible: of the bystanders' pixels.
        frames_5: frames that show more than 5 % of some bystander.
        frames_whole: frames that show some bystander whole.
        faces: bystanders' faces that show, one a frame.
        kept_masked, kept_masked_worst: of the kept people's pixels, over the video and in the
            worst frame that shows them plainly.
        lost_seconds: the longest time in which a kept person is plainly there, and masked.
        kept_frames: share of frames in which the kept are clear.
        nobody: area masked where nobody is, by the area of all people.
        keep_right, keep_regions, mask_right, mask_regions: regions as they should be, of all.
        keep_error, mask_error: mean share of the former that is masked, of the latter that shows.
        found, there: people found, and how many there are.
        edges: how steady the kept people's silhouettes are, see `harness.edge_stability`.
        refused: what a click was answered with, if with an error; then nobody was kept.
        reference: the tracker whose row it is, if it isn't ours; see `references`.
    """

    name: str
    visible: float | None = None
    frames_5: int | None = None
    frames_whole: int | None = None
    faces: int | None = None
    kept_masked: float | None = None
    kept_masked_worst: float | None = None
    lost_seconds: float | None = None
    kept_frames: float | None = None
    nobody: float | None = None
    keep_right: int = 0
    keep_regions: int = 0
    mask_right: int = 0
    mask_regions: int = 0
    keep_error: float | None = None
    mask_error: float | None = None
    found: int | None = None
    there: int | None = None
    hota: float | None = None
    idf1: float | None = None
    edges: float | None = None
    worst: str = ""
    refused: str = ""
    reference: str = ""

    def summary(self) -> str:
        """One line for the terminal."""
        told = ((title, cell(self)) for title, cell in COLUMNS)
        line = ", ".join(f"{title} {text}" for title, text in told if text != NOTHING)
        return f"{line}; {self.refused}" if self.refused else line


def row_of(
    name: str,
    score: QualityScore,
    tracking: TrackingScore | None = None,
    found: int | None = None,
    there: int | None = None,
    edges: float | None = None,
    refused: str = "",
) -> Row:
    bystanders = bool(score.bystanders)
    worst = score.worst
    return Row(
        name=name,
        visible=_rounded(score.leak),
        frames_5=score.leaking_frames if bystanders else None,
        frames_whole=score.whole_frames if bystanders else None,
        faces=score.faces,
        kept_masked=_rounded(score.kept_masked),
        kept_masked_worst=_rounded(score.kept_masked_worst),
        lost_seconds=_rounded(score.lost_seconds),
        kept_frames=_rounded(score.kept_frames),
        nobody=_rounded(score.excess),
        keep_right=score.regions_right("keep")[0],
        keep_regions=score.regions_right("keep")[1],
        mask_right=score.regions_right("mask")[0],
        mask_regions=score.regions_right("mask")[1],
        keep_error=_rounded(score.region_error("keep")),
        mask_error=_rounded(score.region_error("mask")),
        found=found,
        there=there,
        hota=_rounded(tracking.hota) if tracking else None,
        idf1=_rounded(tracking.idf1) if tracking else None,
        edges=_rounded(edges),
        worst=f"{worst.visible:.0%} of {worst.person} at {worst.frame}" if worst else "",
        refused=refused,
    )


def _percent(name: str, digits: int = 1) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = getattr(row, name)
        return NOTHING if value is None else f"{100 * value:.{digits}f}"

    return cell


def _plain(name: str, digits: int = 0) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = getattr(row, name)
        return NOTHING if value is None else f"{value:.{digits}f}"

    return cell


def _count(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = getattr(row, name)
        return NOTHING if value is None else f"{value:.4g}"

    return cell


def _regions(expect: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        right, there = getattr(row, f"{expect}_right"), getattr(row, f"{expect}_regions")
        return f"{right:g}/{there:g}" if there else NOTHING

    return cell


COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("leak %", _percent("visible", 2)),
    (">5 %", _plain("frames_5")),
    ("whole", _plain("frames_whole")),
    ("faces", _plain("faces")),
    ("kept masked %", _percent("kept_masked")),
    ("worst frame", _percent("kept_masked_worst", 0)),
    ("lost s", _plain("lost_seconds", 2)),
    ("nobody", _plain("nobody", 2)),
    ("keep right", _regions("keep")),
    ("mask right", _regions("mask")),
    ("found", _count("found")),
    ("there", _count("there")),
    ("HOTA", _percent("hota")),
    ("IDF1", _percent("idf1")),
    ("edges", _percent("edges")),
)


def summaries(rows: Sequence[Row]) -> list[Row]:
    """Means over all rows and over those in which someone is kept, and their worst figures.

    In the means regions are summed. Beside references stands the mean of our first row of each
    clip with one, which is of the same video.
    """
    ours = [row for row in rows if not row.reference]
    kept = [row for row in ours if row.kept_masked is not None or row.keep_regions]
    found = [
        _mean("mean of all", ours),
        _mean("mean with someone kept", kept),
        _worst("worst with someone kept", kept),
    ]
    names = sorted({row.reference for row in rows} - {""})
    if not names:
        return found
    pairs = itertools.pairwise(rows)
    same = [row for row, after in pairs if after.reference and not row.reference]
    found.append(_tracking_mean("mean of ours, same videos", same))
    for name in names:
        theirs = [row for row in rows if row.reference == name]
        found.append(_tracking_mean(f"mean of {name}", theirs))
    return found


def _tracking_mean(name: str, rows: Sequence[Row]) -> Row:
    mean = _mean(name, rows)
    return Row(name, found=mean.found, there=mean.there, hota=mean.hota, idf1=mean.idf1)


def _mean(name: str, rows: Sequence[Row]) -> Row:
    values = {}
    for figure, present in _figures(rows):
        regions = figure.endswith(("right", "regions"))
        values[figure] = sum(present) if regions else sum(present) / len(present)
    return Row(name, **values)


def _worst(name: str, rows: Sequence[Row]) -> Row:
    values = {}
    for figure, present in _figures(rows):
        if not figure.endswith(("right", "regions", "found", "there")):
            values[figure] = (min if figure in BETTER_HIGH else max)(present)
    return Row(name, **values)


def _figures(rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
    """Each figure that some of the rows have, and what they have."""
    for field in fields(Row):
        present = [getattr(row, field.name) for row in rows if getattr(row, field.name) is not None]
        if present and field.name not in TEXTS:
            yield field.name, present


def as_table(rows: Iterable[Row], title: str = "") -> Table:
    listed = list(rows)
    table = Table("run", *(name for name, _ in COLUMNS), title=title or None)
    for row in listed:
        table.add_row(row.name + (" (refused)" if row.refused else ""), *_cells(row))
    table.add_section()
    for row in summaries(listed):
        table.add_row(row.name, *_cells(row))
    return table


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """By name, the figures."""
    return {row.name: asdict(row) for row in rows}


def _cells(row: Row) -> list[str]:
    return [cell(row) for _, cell in COLUMNS]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 5)
