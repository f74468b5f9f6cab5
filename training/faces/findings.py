"""What the experiments on one pack found, as numbers and curves: no face, no vector of one."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.faces.metrics import Roc, Scores, threshold_at_far, threshold_at_tar
from training.faces.settings import FaceExperimentSettings
from training.faces.verification import Row, Thresholds
from training.pages import Rgb

Pool = tuple[Scores, Scores]
"""Genuine and impostor similarities; either may be empty."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table and what to know about it."""

    title: str
    text: str
    rows: list[Row]


@dataclass(slots=True)
class Findings:
    """Everything measured for one pack.

    Attributes:
        pack: its name in configs/models.yaml.
        curves: pictures of curves, with captions.
        rocs: the curves of the overview, by panel and legend.
        pools: pairs that thresholds are chosen on, by name.
    """

    pack: str
    sections: list[Section] = field(default_factory=list)
    curves: list[tuple[Rgb, str]] = field(default_factory=list)
    rocs: dict[str, dict[str, Roc]] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)

    def add(self, title: str, text: str, rows: list[Row]) -> None:
        if rows:
            self.sections.append(Section(title, text, rows))


def proposed(pools: dict[str, Pool], settings: FaceExperimentSettings) -> Thresholds:
    """Thresholds that keep the rule in every pool: the worst one decides.

    Returns:
        `same` lets at most `settings.far` of each pool's impostors pass; `different` leaves
        at least `settings.tar` of each pool's genuine pairs above it, and is at most `same`.
    """
    same = max(
        threshold_at_far(theirs, settings.far) for _, theirs in pools.values() if len(theirs)
    )
    different = min(threshold_at_tar(mine, settings.tar) for mine, _ in pools.values() if len(mine))
    return Thresholds(same, min(different, same))


def by_pool(pools: dict[str, Pool], settings: FaceExperimentSettings) -> list[Row]:
    """What each pool alone would ask for."""
    rows: list[Row] = []
    for name, (mine, theirs) in pools.items():
        row: Row = {"pool": name, "genuine": len(mine), "impostor": len(theirs)}
        row["same"] = threshold_at_far(theirs, settings.far) if len(theirs) else "-"
        row["different"] = threshold_at_tar(mine, settings.tar) if len(mine) else "-"
        row["impostor max"] = float(theirs.max()) if len(theirs) else "-"
        rows.append(row)
    return rows
