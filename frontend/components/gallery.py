"""Everyone who was found, as cards to keep or mask, each with a clip to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

import streamlit as st

from frontend.components.parts import nothing, register


class Card(TypedDict):
    """One person.

    Attributes:
        id: the service's.
        picture: address, "/service/...".
        lines: what is known about them, a sentence each.
        badge: a word or two that stands out.
        keep: whether they stay visible; None where that differs over the video.
        locked: whether that can't be changed now.
        clip: address of a short video that shows them.
        clip_label: of the button that opens it.
    """

    id: str
    picture: str | None
    title: str
    lines: list[str]
    badge: str | None
    keep: bool | None
    locked: bool
    clip: str | None
    clip_label: str


@dataclass(frozen=True)
class GalleryTexts:
    """`picture` describes a card's picture, with `{title}`. `show` and `hide` are the two sides
    of the switch that is named `choice` (`{title}`); `kept`, `masked` and `mixed` are the
    verdicts, `locked` says why none can be changed."""

    language: str
    picture: str
    no_picture: str
    show: str
    hide: str
    choice: str
    kept: str
    masked: str
    mixed: str
    locked: str
    clip_loading: str
    clip_unplayable: str
    clip_away: str
    close: str


_mount = register("gallery")


def gallery(key: str, *, cards: Sequence[Card], texts: GalleryTexts) -> dict[str, bool]:
    """Show the cards; gives what was decided, by person: whether they are to be kept.

    A click shows at once. It is settled by the `cards` of the next run, so rerun when the
    decision was carried out, or wasn't. What was given once isn't given again.

    Args:
        key: of the component, unique on the page.
        cards: in the order in which they stand.
        texts: what it says.
    """
    place = f"{key}-answered"
    answered: int = st.session_state.get(place, 0)
    result = _mount(
        key=key,
        data={
            "cards": list(cards),
            # Clicks up to this one are settled by these cards, even where they are as before.
            "answered": answered,
            "texts": asdict(texts),
        },
        default={"decided": None},
        on_decided_change=nothing,
    )
    match result.decided:  # it came from a browser
        case {"decisions": dict(decisions), "serial": int(serial)} if serial > answered:
            st.session_state[place] = serial
            free = {card["id"] for card in cards if not card["locked"]}
            return {
                person: keep
                for person, keep in decisions.items()
                if person in free and isinstance(keep, bool)
            }
    return {}
