"""Display pixels, grid pixels and stored pixels of one video, and what converts between them.

- *Display pixels* are what a player shows: turned upright, mirrored back and, where pixels
  aren't square, stretched to square ones. Every place that a person or a client gives or is
  given is in these.
- *Grid pixels* are display pixels scaled to the size at which a video is analysed. Masks,
  and boxes within the library, are in these.
- *Stored pixels* are those of the decoded picture turned upright, of whatever shape they are.
  Only what draws and encodes knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple, NewType

DisplaySize = NewType("DisplaySize", tuple[int, int])
"""Width and height of a video, display pixels."""
DisplayBox = NewType("DisplayBox", tuple[float, float, float, float])
"""x0, y0, x1, y1, end-exclusive, display pixels."""

MAX_PIXEL_STRETCH: Final = 4
"""Width to height of a pixel, or height to width, beyond which it isn't believed: no camera
or disc has more than 2.2, and a damaged header may say anything."""


class DisplayPoint(NamedTuple):
    """A place that somebody points at, display pixels from the top left corner."""

    x: float
    y: float


def display_size(width: int, height: int, pixel_aspect: Fraction | float) -> DisplaySize:
    """The size at which a picture is shown.

    One side grows and the other stays, as the HTML standard has it for a video's natural
    size and as mpv does: so the size is the same however the picture is turned, and no
    stored pixel is lost in it.

    Args:
        width, height: of the upright picture, stored pixels.
        pixel_aspect: width to height of one of them; beyond `MAX_PIXEL_STRETCH` it counts
            as 1.
    """
    if not 1 / MAX_PIXEL_STRETCH <= pixel_aspect <= MAX_PIXEL_STRETCH:
        pixel_aspect = 1
    if pixel_aspect > 1:
        return DisplaySize((round(width * pixel_aspect), height))
    return DisplaySize((width, round(height / pixel_aspect)))


@dataclass(frozen=True, slots=True)
class GridTransform:
    """Converts between display and grid pixels of one video.

    Attributes:
        display: width, height of the video, display pixels.
        grid: width, height of the analysis grid.
    """

    display: DisplaySize
    grid: tuple[int, int]

    def to_grid(self, point: DisplayPoint) -> tuple[float, float]:
        """x, y in grid pixels."""
        return (
            point.x * self.grid[0] / self.display[0],
            point.y * self.grid[1] / self.display[1],
        )

    def to_display(self, box: tuple[float, float, float, float]) -> DisplayBox:
        """A box in grid pixels as one in display pixels."""
        across, down = self.display[0] / self.grid[0], self.display[1] / self.grid[1]
        return DisplayBox((box[0] * across, box[1] * down, box[2] * across, box[3] * down))

    @property
    def display_per_grid(self) -> float:
        """Display pixels per grid pixel, measured from top to bottom."""
        return self.display[1] / self.grid[1]
