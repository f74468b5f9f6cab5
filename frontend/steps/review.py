"""The review player, and the way on: what was changed there is made into the video."""

from __future__ import annotations

from typing import Final

import streamlit as st

from frontend.api_types import AuditView, ResultView
from frontend.asking import deletion
from frontend.components.editor import editor
from frontend.page import Page, from_service, go, heading
from frontend.starting import WANTED, begin
from frontend.texts import Texts

GROUPS: Final = {"why": "why_", "audit": "finding_"}
"""Sentences of other groups that the player says, and what their names begin with there."""


def show(page: Page) -> None:
    assert page.project is not None
    heading(page.texts, "review")
    base = from_service(f"/v1/projects/{page.id}")
    made, audit = page.project["result"], page.service.audit(page.id)
    with st.container(key="wide"):
        unsaved = editor(
            "editor",
            base=base,
            video=f"{base}/video/file",
            checked=made["job"] if made and audit else "",
            texts=sentences(page.texts),
        )
    _on(page, audit, unsaved)
    deletion(page)


def sentences(texts: Texts) -> dict[str, str]:
    """What the player says, by the names it has for it."""
    found = texts.group("editor")
    for group, start in GROUPS.items():
        found |= {start + name: sentence for name, sentence in texts.group(group).items()}
    return found


def _on(page: Page, audit: AuditView | None, unsaved: bool) -> None:
    """The way on stays in sight however many people there are."""
    texts = page.texts
    assert page.project is not None
    there = page.project["result"]
    with st.container(key="onward"):
        if there and there["current"]:
            st.session_state.pop(WANTED, None)  # all was undone meanwhile
            if audit and not audit["passed"]:
                st.markdown(f"⚠ {texts('audit.look')}")
            if st.button(texts("review.result"), type="primary", width="stretch"):
                go("result")
            return
        st.markdown(texts("review.unsaved") if unsaved else texts(_reason(there)))
        label = texts("review.render-again" if there else "review.render")
        st.button(label, type="primary", width="stretch", disabled=unsaved, on_click=_want)
        if st.session_state.get(WANTED) and not unsaved:
            begin(page, "render", page.effect, page.sound, True)
    if st.button(texts("review.effect"), width="stretch"):
        go("estimate")
    if there and st.button(texts("review.result-anyway"), width="stretch"):
        go("result")


def _want() -> None:
    """The player tells of saved edits at any time, and so ends the run that a click began: what
    was wanted is remembered before it, for the next one."""
    st.session_state[WANTED] = True


def _reason(result: ResultView | None) -> str:
    """Why the video is to be made: the key of the sentence."""
    if result is None:
        return "review.first"
    changed = result["stale"] == "verdicts-changed"
    return "review.changed" if changed else "review.unfinished"
