"""What a result's last words say of the people in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bystander.pipeline.people_report import Pointed
    from bystander.timeline.archive import Timeline
    from bystander.timeline.header import Header


def pointed_in(timeline: Timeline) -> Sequence[Pointed]:
    """Whom each click meant."""
    from bystander.pipeline.people_report import pointed_people

    return pointed_people(timeline)


def summary_of(
    header: Header, pointed: Sequence[Pointed], filled: float | None = None
) -> dict[str, object]:
    """Frames, people, and how many of them are kept and masked.

    Args:
        filled: share of what is drawn over that shows the background; None of other effects.
    """
    kept = [person.name or person.id for person in header.persons if header.is_kept(person)]
    return {
        **({"pointed_at": list(pointed)} if pointed else {}),
        "frames": header.video.frames,
        "people": len(header.persons),
        "kept": kept,
        "masked": len(header.persons) - len(kept),
        **({} if filled is None else {"filled": round(filled, 4)}),
    }
