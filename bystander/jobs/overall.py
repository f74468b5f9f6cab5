"""How far a whole job has come, from how far the stage has that it is at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bystander.jobs.vocabulary import JobKind

TRUSTED: Final = 0.4
"""Of a stage: once so much is done, its own speed counts alone, and not what was expected.
The beginning of a video may be emptier than the rest."""


LAG: Final = 40
"""Frames that an encoder holds when it has been given the last one."""


def stages(kind: JobKind, audit: bool) -> tuple[str, ...]:
    """What a job consists of, in order."""
    analysis = () if kind is JobKind.RENDER else ("analyze",)
    rendering = () if kind is JobKind.ANALYZE else ("render", "audit") if audit else ("render",)
    return analysis + rendering


def overall(
    kind: JobKind,
    audit: bool,
    stage: str,
    done: int,
    total: int,
    fps: float,
    expectations: Mapping[str, float],
) -> tuple[float, float | None]:
    """The share of the whole job that is done, and the seconds that are left.

    Args:
        stage: that the job is at; one that it doesn't have counts as nothing done.
        done, total: frames of this stage.
        fps: frames per second of this stage, 0 before it can be told.
        expectations: seconds a frame of the video that each stage was expected to take. How
            this stage compares with it is how the later ones will.

    Returns:
        Share, 0 to 1; seconds, None before there is anything to tell them from.
    """
    ahead = stages(kind, audit)
    if stage not in ahead or total <= 0:
        return 0.0, None
    at = ahead.index(stage)
    here = min(1.0, max(0.0, done / total))
    expected = [expectations[name] for name in ahead]
    share = (sum(expected[:at]) + here * expected[at]) / sum(expected)
    if fps <= 0:
        return share, None
    trust = min(1.0, here / TRUSTED)
    slowness = 1 - trust + trust / (fps * expected[at])
    left = (1 - here) * expected[at] + sum(expected[at + 1 :])
    if stage == "render":
        left += min(LAG, done) / total * expected[at]
    return share, left * total * slowness
