"""Likeness of faces, bodies and colours -> log-likelihood ratios of 'the same' to 'another'.

Each is a straight line with two bounds, fitted to pairs of one person and of two people seen
together (docs/identity.md). How alike strangers are differs from video to video - an ensemble
in costume, a dark stage - so the video's own people who were seen together set the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

ENOUGH_PAIRS: Final = 8
"""Pairs of strangers from which they tell how alike strangers are in this video."""
STRANGERS_SHARE: Final = 0.9
"""Share of the strangers whose likeness speaks against being one person."""
SAMPLES: Final = 3
"""Faces on both sides from which their mean is worth twice a single pair."""


@dataclass(frozen=True, slots=True)
class Line:
    """The ratio's logarithm grows by `slope` from 0 at `even`, between two bounds."""

    even: float
    slope: float
    least: float
    most: float

    def at(self, similarity: float) -> float:
        return min(self.most, max(self.least, self.slope * (similarity - self.even)))

    def adapted(self, strangers: Sequence[float]) -> Line:
        """The line for a video in which people seen together are so much alike."""
        if len(strangers) < ENOUGH_PAIRS:
            return self
        even = max(self.even, float(np.quantile(strangers, STRANGERS_SHARE)))
        return Line(even, self.slope, self.least, self.most)


BODIES: Final = Line(0.75, 31.0, -5.0, 5.0)
"""Cosine of mean OSNet embeddings."""
COLOURS: Final = Line(0.87, 36.0, -5.0, 5.0)
"""Bhattacharyya coefficient of mean colour histograms within a shot."""
FACES: Final = Line(0.5, 4.4, -4.0, 4.0)
"""Mean cosine of two people's faces, from 'different' (0) to 'same' (1)."""
