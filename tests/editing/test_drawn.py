"""Where drawn shapes are."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.editing.drawn import DrawnShape, MaskPath
from bystander.editing.shapes import Motion, box_of

SQUARE = np.array([(10.0, 20.0), (30.0, 20.0), (30.0, 40.0), (10.0, 40.0)])
WIDE = SQUARE * (2, 1)


def test_it_is_where_its_path_leads_and_nowhere_else() -> None:
    places = {5: (0, Motion()), 6: (0, Motion(dx=3, dy=-2)), 8: (1, Motion(scale=2))}
    shape = DrawnShape([SQUARE, WIDE], MaskPath.of(places))

    assert [frame for frame in range(12) if frame in shape] == [5, 6, 8]
    assert (shape.frames, shape.span) == (3, (5, 9))
    assert box_of(shape.at(6)) == (13, 18, 33, 38)
    assert box_of(shape.at(8)) == (0, 10, 80, 50)
    assert shape.height == 40


def test_what_stands_is_at_each_key_until_the_next() -> None:
    shape = DrawnShape([SQUARE, WIDE], MaskPath.standing([4, 6], 2, 9))

    found = {frame: box_of(shape.at(frame))[2] for frame in range(2, 9)}

    assert found == {2: 30, 3: 30, 4: 30, 5: 30, 6: 60, 7: 60, 8: 60}
    assert 9 not in shape


@pytest.mark.parametrize(("first", "last", "left"), [(0, 99, 4), (3, 99, 3), (0, 4, 2), (9, 9, 0)])
def test_a_part_of_it_is_cut_out(first: int, last: int, left: int) -> None:
    path = MaskPath.of({frame: (0, Motion(dx=frame)) for frame in range(2, 6)})

    shape = DrawnShape([SQUARE], path.within(first, last))

    assert shape.frames == left
    assert all(box_of(shape.at(n))[0] == 10 + n for n in range(max(first, 2), min(last, 6)))


def test_a_frame_takes_a_few_bytes_however_many_corners() -> None:
    many = np.tile(SQUARE, (125, 1))
    places = {frame: (0, Motion(dx=frame)) for frame in range(10_000)}
    shape = DrawnShape([many], MaskPath.of(places))

    assert shape.path.keys.nbytes + shape.path.motions.nbytes <= 16 * 10_000
