from __future__ import annotations

import numpy as np
import pytest

from bystander.media.display import Orientation

ONE = 65_536


@pytest.mark.parametrize(
    "matrix",
    [
        *[(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)],
        *[(0, 1, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, -1, 0)],
    ],
)
def test_every_pixel_goes_where_the_matrix_puts_it(matrix: tuple[int, int, int, int]) -> None:
    stored = np.arange(6, dtype=np.uint16).reshape(2, 3)
    a, b, c, d = matrix
    places = {
        (a * x + c * y, b * x + d * y): stored[y, x].item() for y in range(2) for x in range(3)
    }
    columns, rows = (sorted({place[axis] for place in places}) for axis in (0, 1))
    expected = [[places[x, y] for x in columns] for y in rows]

    orientation = Orientation.of_matrix(*(ONE * value for value in matrix))

    assert orientation is not None
    assert orientation.upright(stored).tolist() == expected
    assert orientation.size(3, 2) == (len(columns), len(rows))


def test_a_hair_askew_is_a_quarter_turn_and_more_is_none() -> None:
    assert Orientation.of_matrix(500, -ONE, ONE, 500) == Orientation(270)
    assert Orientation.of_matrix(46_341, 46_341, -46_341, 46_341) is None
    with pytest.raises(ValueError, match="45"):
        Orientation(45)
