"""Signs in single frames become findings over spans."""

from __future__ import annotations

from dataclasses import replace

from bystander.auditing.findings import Finding, FindingKind, FindingMerger, Severity, in_frame
from bystander.geometry.coordinates import DisplayBox

HERE = DisplayBox((0, 0, 100, 200))
ELSEWHERE = DisplayBox((500, 0, 600, 200))


def sign(
    frame: int, box: DisplayBox = HERE, share: float = 0.5, who: str = "", leak: bool = True
) -> Finding:
    severity = Severity.LEAK if leak else Severity.NOTE
    return in_frame(
        FindingKind.VISIBLE_PERSON, severity, (frame, frame / 25), box, share, "seen", who
    )


def gathered(*signs: Finding) -> list[Finding]:
    gatherer = FindingMerger()
    for one in signs:
        gatherer.add([one])
    return gatherer.findings()


def test_neighbouring_frames_are_one_finding_that_shows_the_worst() -> None:
    (found,) = gathered(sign(10), sign(15, share=0.9), sign(20))
    assert (found.start, found.end, found.frames) == (0.4, 0.8, 3)
    assert (found.frame, found.share, found.seconds) == (15, 0.9, 0.6)


def test_someone_elsewhere_or_later_is_another_finding() -> None:
    assert len(gathered(sign(10), sign(11, ELSEWHERE))) == 2
    assert len(gathered(sign(10), sign(60))) == 2


def test_a_tracklet_is_the_same_wherever_it_went() -> None:
    assert len(gathered(sign(10, who="t1"), sign(11, ELSEWHERE, who="t1"))) == 1
    assert len(gathered(sign(10, who="t1"), sign(11, who="t2"))) == 2


def test_leaks_come_before_notes() -> None:
    first, second = gathered(sign(10, share=1.0, leak=False), sign(11, share=0.1))
    assert (first.severity, second.severity) == (Severity.LEAK, Severity.NOTE)


def test_a_single_frame_that_is_not_certain_is_chance() -> None:
    def uncertain(frame: int) -> Finding:
        return replace(sign(frame), certain=False)

    assert gathered(uncertain(10)) == []
    assert gathered(uncertain(10), uncertain(60)) == []
    (found,) = gathered(uncertain(10), uncertain(15))
    assert found.frames == 2
    assert len(gathered(uncertain(10), sign(60))) == 1
