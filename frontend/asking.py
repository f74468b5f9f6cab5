"""Questions before anything is lost: what is lost, and a way back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from frontend.page import Page, forget, say, trouble
from frontend.service import Trouble
from frontend.texts import Texts

DELETED, REFUSED = "deleted", "refused"
"""In Streamlit's session: everything is gone, or why what was asked about couldn't be done."""


def ask(texts: Texts, question: str, *, back: str, act: Callable[[], None]) -> None:
    """Open a dialog; only its main button acts.

    Args:
        question: the key of the button that does it. With "-sure" it is the question, with
            "-what" what is lost.
        back: the key of the button that changes nothing.
        act: what to do; the page runs again afterwards. May raise `Trouble`.
    """

    def do() -> None:
        try:
            act()
        except Trouble as found:
            st.session_state[REFUSED] = found

    @st.dialog(texts(f"{question}-sure"), dismissible=False)  # its cross is named in English
    def sure() -> None:
        st.markdown(texts(f"{question}-what"))
        # A callback acts even if a run of the whole page has taken the dialog away meanwhile.
        if st.button(texts(question), key="sure", on_click=do, type="primary", width="stretch"):
            st.rerun()
        if st.button(texts(back), key="unsure", width="stretch"):
            st.rerun()

    sure()


def tell(texts: Texts) -> None:
    """What came of the answer, once."""
    if st.session_state.pop(DELETED, False):
        say("success", texts("app.deleted"))
    if found := st.session_state.pop(REFUSED, None):
        trouble(texts, found)


def deletion(page: Page) -> None:
    """The button that deletes the project, once one is sure."""

    def delete() -> None:
        page.service.delete_project(page.id)
        st.session_state[DELETED] = True
        forget()

    if st.button(page.texts("result.delete"), key="delete", width="stretch"):
        ask(page.texts, "result.delete", back="app.back", act=delete)
