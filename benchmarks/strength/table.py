"""What was measured, as lines and as tables of attack x effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.strength.reidentification import Reidentified
from bystander.choices import EffectName, ShapeName
from bystander.redaction.effects import EffectSettings

SIGNIFICANT: Final = 0.05
LEGEND: Final = """Right one first, per cent (95 % interval), and area under the ROC curve.
* more often than chance. + more often than on the outline alone (solid; McNemar, p < 0.05)."""


@dataclass(frozen=True)
class Row:
    """One attacker against one effect, on one kind of material."""

    material: str
    effect: str
    attacker: str
    result: Reidentified

    @classmethod
    def of(cls, material: str, effect: EffectSettings, attacker: str, result: Reidentified) -> Row:
        return cls(material, label(effect), attacker, result)

    def __str__(self) -> str:
        return f"{self.material:10} {self.effect:12} {self.attacker:42} {cell(self.result)}"


def label(effect: EffectSettings) -> str:
    """`blur`, `blur x 0.5`, `solid, blob`."""
    times = "" if effect.strength == 1 else f" x {effect.strength:g}"
    shape = "" if effect.shape is ShapeName.SILHOUETTE else f", {effect.shape}"
    return f"{effect.name}{times}{shape}"


def cell(result: Reidentified, outline: Reidentified | None = None) -> str:
    """Rank one with its interval, in per cent, and the area under the curve.

    Args:
        outline: what the same attacker reached where a solid colour leaves the outline alone.
    """
    mark = "*" if result.above_chance else ""
    if outline is not None and result.more_than(outline) < SIGNIFICANT:
        mark += "+"
    low, high = round(100 * result.low), round(100 * result.high)
    return f"{round(100 * result.rank_one)}{mark} ({low}-{high}) {result.auc:.2f}"


def as_markdown(rows: Sequence[Row]) -> str:
    """One kind of material: a line an attacker, a column an effect."""
    columns = list(dict.fromkeys(row.effect for row in rows))
    lines = [f"| attacker | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    found = {(row.attacker, row.effect): row.result for row in rows}
    for attacker in dict.fromkeys(row.attacker for row in rows):
        outline = found.get((attacker, EffectName.SOLID))
        results = (found.get((attacker, column)) for column in columns)
        cells = ("-" if one is None else cell(one, outline) for one in results)
        lines.append(f"| {attacker} | {' | '.join(cells)} |")
    return "\n".join(lines)


def print_tables(rows: Sequence[Row]) -> None:
    for material in dict.fromkeys(row.material for row in rows):
        mine = [row for row in rows if row.material == material]
        first = mine[0].result
        print(f"\n{material}: {len(first.firsts)} probes, chance {first.chance:.0%}\n")
        print(as_markdown(mine))
    print(f"\n{LEGEND}")
