"""Pictures and boxes, as every other module means them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in grid pixels, end-exclusive."""
PixelBox = tuple[int, int, int, int]
"""x0, y0, x1, y1 in grid pixels, end-exclusive."""
