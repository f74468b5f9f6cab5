from __future__ import annotations

import numpy as np

from bystander.geometry.instances import Face
from bystander.tracking.face_assignment import assign_face, head_and_shoulders

from .figures import GRID, figure


def test_a_face_belongs_to_the_body_whose_head_it_lies_in() -> None:
    # The second stands before the first: the face at its belt is nobody's of the two.
    people = [figure(10, y=20, height=100), figure(100, y=20, height=100)]
    assert assign_face((112, 24, 122, 36), people) == 1
    assert assign_face((112, 90, 122, 102), people) is None
    assert assign_face((200, 24, 210, 36), people) is None


def test_a_face_without_a_body_gets_head_and_shoulders() -> None:
    face = Face((200.0, 100.0, 240.0, 150.0), 0.9, np.zeros((5, 2), dtype=np.float32))
    drawn = head_and_shoulders(face, 0.5, GRID)
    assert drawn.mask.contains(110, 62)  # the face itself
    assert drawn.mask.contains(110, 42)  # the hair
    assert drawn.mask.contains(85, 100)  # a shoulder
    assert not drawn.mask.contains(60, 62)


def test_a_face_at_the_frame_edge_stays_inside_the_grid() -> None:
    face = Face((-10.0, -5.0, 20.0, 30.0), 0.9, np.zeros((5, 2), dtype=np.float32))
    x0, y0, x1, y1 = head_and_shoulders(face, 1.0, GRID).mask.box
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= GRID[0]
    assert y1 <= GRID[1]
