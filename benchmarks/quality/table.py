"""What was measured, as a table on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.quality.score import QualityScore


@dataclass(frozen=True)
class Figures:
    """One scene's figures; shares are 0 to 1, see `QualityScore`.

    Attributes:
        worst_frame, worst_person: where the most pixels of one bystander show.
        worst_visible: share of that bystander that shows there.
    """

    bystander_pixels_visible: float
    worst_frame: int | None
    worst_person: int | None
    worst_visible: float
    frames_leaking: int
    faces_visible: int | None
    kept_pixels_masked: float | None
    kept_frames_kept: float | None
    nobody_masked: float
    bystanders_kept: list[int]
    kept_masked: list[int]


@dataclass(frozen=True)
class Row:
    """A scene or clip: its figures, or a remark where its truth allows none."""

    name: str
    figures: Figures | None
    remark: str = ""

    def summary(self) -> str:
        """One line for the terminal."""
        if self.figures is None:
            return self.remark
        titled = zip(COLUMNS, cells(self.figures), strict=True)
        return ", ".join(f"{title} {cell}" for title, cell in titled if cell != NOTHING)


NOTHING = "-"
COLUMNS = (
    "visible", "worst", "leaking frames", "faces", "kept masked", "kept frames", "nobody masked",
    "bystanders kept", "kept lost",
)  # fmt: skip


def row_of(name: str, score: QualityScore) -> Row:
    worst = score.worst
    return Row(
        name,
        Figures(
            bystander_pixels_visible=round(score.leak, 5),
            worst_frame=worst.frame if worst else None,
            worst_person=worst.person if worst else None,
            worst_visible=round(worst.visible, 4) if worst else 0.0,
            frames_leaking=score.leaking_frames,
            faces_visible=score.faces,
            kept_pixels_masked=_rounded(score.kept_masked),
            kept_frames_kept=_rounded(score.kept_frames),
            nobody_masked=round(score.excess, 4),
            bystanders_kept=score.bystanders_kept,
            kept_masked=score.cast_masked,
        ),
    )


def cells(figures: Figures) -> list[str]:
    """The row's cells, in the order of `COLUMNS`."""
    worst = f"{figures.worst_visible:.0%} of {figures.worst_person} at {figures.worst_frame}"
    return [
        f"{figures.bystander_pixels_visible:.2%}",
        worst if figures.worst_person is not None else NOTHING,
        str(figures.frames_leaking),
        NOTHING if figures.faces_visible is None else str(figures.faces_visible),
        _percent(figures.kept_pixels_masked),
        _percent(figures.kept_frames_kept),
        f"{figures.nobody_masked:.2f}",
        _people(figures.bystanders_kept),
        _people(figures.kept_masked),
    ]


def as_table(rows: Sequence[Row]) -> Table:
    table = Table("scene", *COLUMNS)
    for row in rows:
        if row.figures is None:
            table.add_row(row.name, row.remark)
        else:
            table.add_row(row.name, *cells(row.figures))
    return table


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """By name: the figures as they are, or the remark."""
    return {
        row.name: asdict(row.figures) if row.figures else {"remark": row.remark} for row in rows
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 5)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _people(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids)) or NOTHING
