"""Which findings are true, and which leaks they should tell of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.audit_alarms import Shown, Span, bystanders, covers, leaking
from benchmarks.quality.truth import Truth
from bystander.auditing.findings import FindingKind, Severity, in_frame
from bystander.geometry.coordinates import DisplayBox

SIZE = (100, 200)


def shown(share: float, side: int = 20) -> Shown:
    bits = np.zeros(SIZE, dtype=bool)
    bits[40 : 40 + side, 60 : 60 + side] = True
    return Shown(bits, share)


@pytest.mark.parametrize(
    ("box", "true"),
    [
        ((50, 30, 100, 80), True),
        ((0, 0, 55, 100), False),
        ((0, 37, 200, 42), True),
        ((77, 57, 120, 100), False),
    ],
    ids=["around", "beside", "two rows", "a corner"],
)
def test_a_finding_is_true_where_a_bystander_shows(
    box: tuple[float, float, float, float], true: bool
) -> None:
    at = (1, 0.04)
    finding = in_frame(
        FindingKind.VISIBLE_PERSON, Severity.LEAK, at, DisplayBox(box), 1.0, "somebody"
    )
    visible = [{}, {2: shown(0.1)}]
    assert covers(finding, visible) is true


def test_a_leak_shows_a_quarter_of_somebody_for_three_frames() -> None:
    frames = [{}, *[{1: shown(0.3), 2: shown(0.2)}] * 3, {1: shown(0.1)}, {1: shown(0.9)}, {}]
    assert leaking(frames) == [Span(1, 4, 1)]
    assert leaking([*frames, *[{3: shown(1.0)}] * 4]) == [Span(1, 4, 1), Span(7, 11, 3)]
    assert leaking([{1: shown(0.9, side=2)}] * 5) == []


def test_what_shows_of_bystanders_is_counted_off_their_edges(tmp_path: Path) -> None:
    ids = np.zeros(SIZE, dtype=np.uint8)
    ids[10:32, 10:32] = 1
    ids[10:32, 50:72] = 2
    cv2.imwrite(str(tmp_path / "00000.png"), ids)
    masked = np.zeros(SIZE, dtype=bool)
    masked[:, 61:] = True
    found = bystanders(Truth(tmp_path, kept=frozenset({1})), 0, masked)
    assert set(found) == {2}
    assert found[2].share == pytest.approx(0.5)
    assert found[2].bits.sum() == 20 * 10
