"""A file of this device to be drawn over people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import streamlit as st

from frontend.components.parts import register


@dataclass(frozen=True)
class PictureFileTexts:
    """`title` stands above the button, `choose` on it, `about` below it; `refused` is said of a
    file that can't be used."""

    language: str
    title: str
    choose: str
    about: str
    refused: str


_mount = register("picture_file", "pictures", "picture_file")


def picture_file(key: str, *, chosen: Callable[[str], None], texts: PictureFileTexts) -> None:
    """Ask for one.

    Args:
        key: of the component, unique on the page.
        chosen: gets the file in base64, before the page runs again. It comes from a browser.
        texts: what it says.
    """

    def tell() -> None:
        match st.session_state.get(key, {}).get("chosen"):
            case {"picture": str(picture)}:
                chosen(picture)

    _mount(key=key, data={"texts": asdict(texts)}, on_chosen_change=tell)
