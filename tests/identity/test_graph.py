from __future__ import annotations

import math

import pytest

from bystander.identity.graph import log_odds
from bystander.identity.segments import Continuity


def test_what_links_leave_over_is_somebody_unknown() -> None:
    found = log_odds([Continuity(1, 3, 0.6), Continuity(2, 3, 0.3)], {1: 1, 2: 2})
    assert found[1, 3] == pytest.approx(math.log(6))
    assert found[2, 3] == pytest.approx(math.log(3))


def test_segments_of_one_track_are_one_alternative() -> None:
    found = log_odds([Continuity(1, 3, 0.6), Continuity(2, 3, 0.6)], {1: 1, 2: 1})
    assert found[1, 3] == found[2, 3] == pytest.approx(math.log(1.5))


def test_certainty_is_never_complete_and_no_chance_is_no_link() -> None:
    found = log_odds([Continuity(1, 3, 1.0), Continuity(2, 4, 0.0)], {1: 1, 2: 2})
    assert 2 < found[1, 3] < 6
    assert (2, 4) not in found
