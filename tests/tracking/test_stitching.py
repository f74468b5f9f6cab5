"""Where one part of a video gives way to the next, and who is who there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from bystander.geometry.masks import Mask
from bystander.timeline.types import FrameRecord, Sighting
from bystander.tracking.stitching import joint_of

Box = tuple[int, int, int, int]
TICKS = 10


def frame(index: int, people: Mapping[int, Box]) -> FrameRecord:
    sightings = [
        Sighting(
            track, (x0, y0, x1, y1), 0.9, Mask(x0, y0, np.ones((y1 - y0, x1 - x0), dtype=bool))
        )
        for track, (x0, y0, x1, y1) in people.items()
    ]
    return FrameRecord(index, index * TICKS, tuple(sightings))


LEFT, RIGHT, FAR = (10, 10, 30, 60), (60, 10, 80, 60), (200, 10, 220, 60)


def test_whoever_has_the_same_pixels_is_the_same_person() -> None:
    earlier = [frame(n, {4: LEFT, 7: RIGHT}) for n in range(20)]
    later = [frame(n, {1: RIGHT, 2: LEFT, 3: FAR}) for n in range(20)]
    joint = joint_of(earlier, later, (), margins=(5, 5), reach=5)
    assert {own: link.track for own, link in joint.links.items()} == {1: 7, 2: 4}
    assert all(link.probability == 1 and not link.rivals for link in joint.links.values())
    assert not joint.cut


def test_the_joint_is_the_frame_about_which_both_agree_best() -> None:
    # The earlier part loses somebody at 12, the later one finds him at 7 only.
    earlier = [frame(n, {1: LEFT} | ({2: RIGHT} if n < 12 else {})) for n in range(20)]
    later = [frame(n, {1: LEFT} | ({2: RIGHT} if n >= 7 else {})) for n in range(20)]
    joint = joint_of(earlier, later, (), margins=(2, 2), reach=4)
    # In the frame before the joint both know him, too.
    assert 8 <= joint.pts // TICKS < 12


def test_no_joint_lies_near_the_ends_of_the_overlap() -> None:
    earlier = [frame(n, {1: LEFT}) for n in range(20)]
    later = [frame(n, {1: LEFT if n < 4 else FAR}) for n in range(20)]
    joint = joint_of(earlier, later, (), margins=(6, 6), reach=4)
    assert 6 <= joint.pts // TICKS < 14
    assert not joint.links  # what each of them saw lies apart


def test_at_a_cut_nobody_goes_on() -> None:
    both = [frame(n, {1: LEFT}) for n in range(20)]
    joint = joint_of(both, both, {2 * TICKS, 16 * TICKS, 999}, margins=(5, 5), reach=5)
    assert (joint.pts, joint.cut, dict(joint.links)) == (16 * TICKS, True, {})


def test_of_two_who_may_be_the_same_one_is_the_other_s_rival() -> None:
    # Drawn as one person by the later part, as two by the earlier one.
    earlier = [frame(n, {1: (0, 0, 11, 40), 2: (11, 0, 20, 40)}) for n in range(20)]
    later = [frame(n, {5: (0, 0, 20, 40)}) for n in range(20)]
    link = joint_of(earlier, later, (), margins=(5, 5), reach=5).links[5]
    assert (link.track, link.rivals) == (1, (2,))
    assert link.probability == pytest.approx(0.55)


def test_nobody_is_at_a_joint_where_nobody_is_seen() -> None:
    empty = [frame(n, {}) for n in range(8)]
    assert joint_of(empty, empty, (), margins=(2, 2), reach=2).pts // TICKS in (3, 4)


@pytest.mark.parametrize("other", [[], [frame(9, {})]])
def test_parts_without_a_frame_in_common_are_refused(other: list[FrameRecord]) -> None:
    with pytest.raises(ValueError, match="no frames in common"):
        joint_of([frame(1, {})], other, (), margins=(1, 1), reach=1)


def test_a_joint_lies_where_nobody_may_have_been_swapped() -> None:
    both = [frame(n, {1: LEFT}) for n in range(30)]
    calm = joint_of(both, both, (), (8, 8), reach=4)
    doubts = {calm.pts, calm.pts + TICKS}
    joint = joint_of(both, both, (), (8, 8), reach=4, doubts=doubts, blur=3)
    assert min(abs(joint.pts - doubt) for doubt in doubts) > 3 * TICKS


def test_where_there_is_doubt_everywhere_the_joint_is_where_it_was() -> None:
    both = [frame(n, {1: LEFT}) for n in range(30)]
    everywhere = {n * TICKS for n in range(30)}
    joint = joint_of(both, both, (), (8, 8), reach=4, doubts=everywhere, blur=3)
    assert joint == joint_of(both, both, (), (8, 8), reach=4)
