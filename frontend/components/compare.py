"""The video before and after, played in step."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class CompareTexts:
    """`before` and `after` label the videos; `divide` is the slider between them, `divide_value`
    where it stands (`{percent}`). `sound` is a button that is pressed while there is sound.
    `beside` and `over` change the layout. `unplayable_...`: the browser can't play that one;
    `away_...`: it can't be fetched at the moment."""

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


_mount = register("compare")


def compare(key: str, *, before: str, after: str, texts: CompareTexts) -> None:
    """Show both videos: one over the other with a divide to drag, or side by side.

    Args:
        key: of the component, unique on the page.
        before: address of the source, "/service/...".
        after: address of the masked video, whose sound can be heard.
        texts: what it says.
    """
    _mount(key=key, data={"before": before, "after": after, "texts": asdict(texts)})
