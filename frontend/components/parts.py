"""Registering a component from the files beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

FOLDER: Final = Path(__file__).parent


def register(name: str, *scripts: str, styles: Sequence[str] = ()) -> ComponentRenderer:
    """The component `name`, with a shadow root of its own.

    Args:
        name: of its style sheet, and of its script where there are no others.
        scripts: joined in this order, because a component is one module and can import
            nothing; the last one has the default export.
        styles: further style sheets.
    """
    return st.components.v2.component(
        f"bystander_{name}",
        js=_joined(".js", "elements", *(scripts or (name,))),
        css=_joined(".css", "elements", name, *styles),
        isolate_styles=True,
    )


def nothing() -> None:
    """A callback: Streamlit gives a component's events only where there is one."""


def _joined(suffix: str, *names: str) -> str:
    # More than one line: Streamlit takes a single one for a path.
    return "\n".join((FOLDER / f"{name}{suffix}").read_text("utf-8") for name in names)
