"""What tests of the steps read on a page, and press."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

from frontend.texts import texts

ENGLISH = texts("en")


def seen(app: AppTest) -> str:
    """All that is written on the page, but what components show."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.error, app.warning,
             app.info, app.success)  # fmt: skip
    written = [str(element.value) for kind in kinds for element in kind]
    written += [str(element.proto.body) for element in app.get("html")]
    return "\n".join([*written, *(button.label for button in app.button)])


def press(app: AppTest, key: str) -> AppTest:
    """Click on the button with this sentence."""
    label = ENGLISH(key)
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    assert not app.exception
    return app


def usual(effect: str) -> dict[str, object]:
    """An effect as it is sent, of the usual strength, colour and shape, without a picture."""
    return {
        "name": effect,
        "strength": 1.0,
        "color": "#202020",
        "shape": "silhouette",
        "picture": None,
    }


def file_button(files: Iterator[str]) -> Callable[..., None]:
    """In the place of `picture_file`: each click on the button `file` chooses the next one."""

    def picture_file(key: str, **told: Any) -> None:
        st.button("File", key="file", on_click=lambda: told["chosen"](next(files)))

    return picture_file
