"""Effects and sound with a name, kept in this browser, to be used again with one click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import streamlit as st

from frontend.components.parts import register


@dataclass(frozen=True)
class PresetsTexts:
    """`title` stands above the list, `name` beside the field for a new one's, `save` on its button.
    `use` and `remove` name the buttons of each (`{name}`), `saved` is read out. `unkept`: this
    browser keeps nothing, or no more."""

    language: str
    title: str
    name: str
    save: str
    use: str
    remove: str
    saved: str
    unkept: str


_mount = register("presets", "store", "presets")


def presets(
    key: str,
    *,
    current: Mapping[str, str],
    chosen: Callable[[Mapping[str, str]], None],
    texts: PresetsTexts,
) -> None:
    """List them, and save what is chosen now as another one.

    Args:
        key: of the component, unique on the page.
        current: what is chosen now, as the address has it, and a picture in base64.
        chosen: gets one that was clicked, before the page runs again. It comes from a browser.
        texts: what it says.
    """

    def tell() -> None:
        match st.session_state.get(key, {}).get("chosen"):
            case dict(effect):
                chosen({str(name): str(value) for name, value in effect.items()})

    data = {"current": dict(current), "texts": asdict(texts)}
    _mount(key=key, data=data, on_chosen_change=tell)
