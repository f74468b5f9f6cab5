"""The video before and after, played in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

from frontend.components.parts import register


class Mark(TypedDict):
    """A moment to look at.

    Attributes:
        at: seconds, as the players show them.
        time: the same as words, "0:06.8".
        text: what is there.
    """

    at: float
    time: str
    text: str


@dataclass(frozen=True)
class CompareTexts:
    """`before` and `after` label the videos; `divide` is the slider between them, `divide_value`
    where it stands (`{percent}`). `sound` is a button that is pressed while there is sound.
    `beside` and `over` change the layout. `unplayable_...`: the browser can't play that one;
    `away_...`: it can't be fetched at the moment. `marks` is the heading of the moments to look
    at, `mark` names the button that leads to one (`{time}`, `{text}`)."""

    language: str
    before: str
    after: str
    divide: str
    divide_value: str
    play: str
    pause: str
    seek: str
    sound: str
    beside: str
    over: str
    unplayable_before: str
    unplayable_after: str
    away_before: str
    away_after: str
    marks: str
    mark: str


_mount = register("compare")


def compare(
    key: str, *, before: str, after: str, texts: CompareTexts, marks: Sequence[Mark] = ()
) -> None:
    """Show both videos: one over the other with a divide to drag, or side by side; and moments
    to look at, to which a click leads.

    Args:
        key: of the component, unique on the page.
        before: address of the source, "/service/...".
        after: address of the masked video, whose sound can be heard.
        texts: what it says.
        marks: in the order in which they are listed.
    """
    data = {"before": before, "after": after, "marks": list(marks), "texts": asdict(texts)}
    _mount(key=key, data=data)
