"""Rows of several settings -> which is best on all clips, and which on all but each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.quality.table import Row, summaries

LEAK_WEIGHT = 2.0
"""A bystander's pixel that shows weighs as much as two of the kept person's that are masked."""

NOTICED = 0.01
"""A smaller difference in cost is none."""

Costs = Mapping[str, Sequence[float]]
"""By clip, the cost of each candidate."""


@dataclass(frozen=True)
class HeldOut:
    """What the other clips choose for one clip, and what comes of it there.

    Attributes:
        chosen, own: the number of the candidate that is best on the others, and on the clip.
        cost, own_cost: of these, on the clip.
    """

    clip: str
    chosen: int
    cost: float
    own: int
    own_cost: float


def cost(row: Row) -> float:
    """What is wrong in a run, in percent: twice what leaks, and what is masked of the kept.

    Where no maps are, the pixels of regions stand for all.
    """
    leak = row.mask_error if row.visible is None else row.visible
    masked = row.keep_error if row.kept_masked is None else row.kept_masked
    return 100 * (LEAK_WEIGHT * (leak or 0.0) + (masked or 0.0))


def costs_by_clip(candidates: Sequence[Sequence[Row]], clip_of: Mapping[str, str]) -> Costs:
    """The mean cost over a clip's runs, by clip.

    Args:
        candidates: the rows of each candidate, of the same runs.
        clip_of: the clip of a run's name.
    """
    found: dict[str, list[float]] = {}
    for rows in candidates:
        of: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            of[clip_of[row.name]].append(cost(row))
        for clip, values in of.items():
            found.setdefault(clip, []).append(sum(values) / len(values))
    return found


def best(costs: Costs) -> int:
    """The candidate whose mean cost is least; of equals the first."""
    totals = [sum(column) for column in zip(*costs.values(), strict=True)]
    return totals.index(min(totals))


def leave_one_out(costs: Costs) -> list[HeldOut]:
    """For each clip, what the other clips choose. Needs two clips at least."""
    held = []
    for clip, own in costs.items():
        chosen = best({name: values for name, values in costs.items() if name != clip})
        fittest = best({clip: own})
        held.append(HeldOut(clip, chosen, own[chosen], fittest, own[fittest]))
    return held


def sweep_table(costs: Costs, labels: Sequence[str]) -> Table:
    """Costs of every candidate and clip, and what leaving each clip out chooses for it."""
    held = {entry.clip: entry for entry in leave_one_out(costs)}
    table = Table("clip", *labels, "chosen by the others", "cost there")
    for clip, values in costs.items():
        entry = held[clip]
        table.add_row(
            clip, *(f"{v:.2f}" for v in values), labels[entry.chosen], f"{entry.cost:.2f}"
        )
    table.add_section()
    count = len(costs)
    means = [sum(column) / count for column in zip(*costs.values(), strict=True)]
    left_out = sum(entry.cost for entry in held.values()) / count
    winner = f"best on all: {labels[best(costs)]}"
    table.add_row("mean", *(f"{v:.2f}" for v in means), winner, f"{left_out:.2f}")
    return table


def ablation_table(
    candidates: Sequence[Sequence[Row]], labels: Sequence[str], clip_of: Mapping[str, str]
) -> Table:
    """What each change of the first candidate costs: means of its rows, and the mean cost.

    *Earns* is how much dearer it is than the first, over clips; *helps* and *harms* are on how
    many clips the rule that is switched off there does.
    """
    columns = ("leak %", "kept masked %", "keep wrong", "mask wrong", "cost", "earns")
    table = Table("candidate", *columns, "helps", "harms")
    costs = costs_by_clip(candidates, clip_of)
    for number, (label, rows) in enumerate(zip(labels, candidates, strict=True)):
        earned = [values[number] - values[0] for values in costs.values()]
        mean, *_ = summaries(rows)
        table.add_row(
            label,
            f"{100 * (mean.visible or 0):.2f}",
            f"{100 * (mean.kept_masked or 0):.2f}",
            str(mean.keep_regions - mean.keep_right),
            str(mean.mask_regions - mean.mask_right),
            f"{sum(values[number] for values in costs.values()) / len(costs):.2f}",
            f"{sum(earned) / len(earned):+.2f}",
            str(sum(difference > NOTICED for difference in earned)),
            str(sum(difference < -NOTICED for difference in earned)),
        )
    return table


def as_json(costs: Costs, labels: Sequence[str]) -> dict[str, Any]:
    held = leave_one_out(costs)
    return {
        "candidates": list(labels),
        "costs": {clip: list(values) for clip, values in costs.items()},
        "best_on_all": labels[best(costs)],
        "best_on_all_cost": sum(values[best(costs)] for values in costs.values()) / len(costs),
        "leave_one_out_cost": sum(entry.cost for entry in held) / len(held),
        "leave_one_out": {entry.clip: labels[entry.chosen] for entry in held},
    }
