"""Likeness of faces, bodies and colours -> log-likelihood ratios of 'the same' to 'another'.

Each is a straight line with two bounds, fitted to pairs of one person and of two people seen
together (docs/identity.md). How alike strangers are differs from video to video - an ensemble
in costume, a dark stage - so the video's own people who were seen together set the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

ENOUGH_PAIRS: Final = 8
"""Pairs of strangers from which they tell how alike strangers are in this video."""
STRANGERS_SHARE: Final = 0.9
"""Share of the strangers whose likeness speaks against being one person."""


@dataclass(frozen=True, slots=True)
class Line:
    """The ratio's logarithm grows by `slope` from 0 at `even`, up to `bound` either way.

    A mean of few looks is less like anything and tells less: of n looks the zero lies lower by
    `noise` / n, and all is worth n / (n + 0.5).
    """

    even: float
    slope: float
    bound: float
    noise: float = 0.0

    def at(self, similarity: float, looks: int) -> float:
        """The ratio for means of `looks` looks, the fewer of both sides."""
        ratio = self.slope * (similarity - self.even + self.noise / looks)
        return min(self.bound, max(-self.bound, ratio)) * looks / (looks + 0.5)

    def adapted(self, strangers: Sequence[float]) -> Line:
        """The line for a video in which people seen together are so much alike."""
        if len(strangers) < ENOUGH_PAIRS:
            return self
        even = max(self.even, float(np.quantile(strangers, STRANGERS_SHARE)))
        return replace(self, even=even)


BODIES: Final = Line(0.75, 31.0, 5.0, 0.05)
"""Cosine of mean OSNet embeddings."""
COLOURS: Final = Line(0.87, 36.0, 5.0, 0.06)
"""Bhattacharyya coefficient of mean colour histograms within a shot."""
FACES: Final = Line(0.5, 8.8, 8.0)
"""Mean cosine of two people's faces, from 'different' (0) to 'same' (1)."""
