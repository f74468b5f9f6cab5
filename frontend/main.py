"""The one page of the app: its head, and the step that the visitor is at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from frontend.api_types import JobView, ProjectView
from frontend.asking import tell
from frontend.choices import ACTIVE
from frontend.components.page import page as document
from frontend.page import (
    LANGUAGE,
    PROJECT,
    SHARED,
    STEP,
    STEPS,
    Page,
    Step,
    leave,
    place,
    say,
    service,
    told,
)
from frontend.service import UNREACHABLE, Trouble
from frontend.starting import follow, started
from frontend.steps import estimate, progress, result, review, shared, upload
from frontend.texts import LANGUAGES, Texts, language_of, texts

SHOW: Final = {
    "upload": upload.show,
    "estimate": estimate.show,
    "progress": progress.show,
    "review": review.show,
    "result": result.show,
}
STYLE: Final = Path(__file__).with_name("style.css")
ICON: Final = Path(__file__).with_name("icon.svg")
AGAIN: Final = 3.0
"""Seconds until a service that gave no answer is asked again."""
NEXT: Final = "app-next-asking"
"""In the session's state: not before this time, in seconds."""


def main() -> None:
    """Streamlit runs this file once for every look at the page."""
    language = language_of(st.query_params.get(LANGUAGE), st.context.locale)
    catalogue = texts(language)
    name = catalogue("app.name")
    st.set_page_config(page_title=name, page_icon=str(ICON))
    st.html(STYLE)
    _head(catalogue)
    tell(catalogue)
    if link := st.query_params.get(SHARED):
        _shared(catalogue, link)
        return
    start = started()
    try:
        project, asked = place()
        page = Page.open(service(), catalogue, project)
        step = page.step(asked)
    except Trouble as found:
        _document(catalogue, name, "trouble")
        _trouble(catalogue, found)
        return
    _document(catalogue, f"{catalogue(f'{step}.title')} - {name}", step, page.project, page.job)
    _where(catalogue, step)
    with _room(step):
        try:
            if start and page.project:
                follow(page, start)
            SHOW[step](page)
        except Trouble as found:
            _trouble(catalogue, found)


def _shared(texts: Texts, token: str) -> None:
    """The page of somebody who was given a link."""
    _document(texts, f"{texts('shared.title')} - {texts('app.name')}", "shared")
    try:
        shared.show(service(), texts, token)
    except Trouble as found:
        _trouble(texts, found)


def _room(now: Step) -> DeltaGenerator:
    """Where a step is shown. Each has a room of its own, and those of the others are hidden:
    what Streamlit leaves standing of a step until the next one is whole would look as its own."""
    rooms = {step: st.container(key=f"step-{step}") for step in STEPS}
    hidden = ", ".join(f"[data-testid=stLayoutWrapper]:has(> .st-key-step-{step})"
                       for step in STEPS if step != now)  # fmt: skip
    st.html(f"<style>{hidden} {{ display: none; }}</style>")
    return rooms[now]


def _document(
    texts: Texts,
    title: str,
    step: str,
    project: ProjectView | None = None,
    job: JobView | None = None,
) -> None:
    asked = st.query_params.get(STEP, "")
    here = project and {"id": project["id"], "name": project["video"]["name"] or ""}
    document(
        language=texts.language,
        title=title,
        step=step,
        asked=asked,
        skip=texts("app.skip"),
        project=here,
        job=job and {"id": job["id"], "active": job["state"] in ACTIVE, "told": _ended(texts, job)},
    )


def _ended(texts: Texts, job: JobView) -> str | None:
    """What is said of a job's end to somebody who looks elsewhere."""
    if job["state"] == "failed":
        return texts("notice.failed")
    if job["state"] == "done":
        return texts("notice.found" if job["kind"] == "analyze" else "notice.done")
    return None


def _head(texts: Texts) -> None:
    """The name, and the switch of language, which names the next one in its own words."""
    following = LANGUAGES[(LANGUAGES.index(texts.language) + 1) % len(LANGUAGES)]
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        home = f'<a href="?{LANGUAGE}={texts.language}" target="_self">{texts("app.name")}</a>'
        st.html(f'<p class="name">{home}</p>', width="content")
        if st.button(texts("app.other-language"), key="language"):
            st.query_params[LANGUAGE] = following
            st.rerun()


def _where(texts: Texts, now: Step) -> None:
    """All steps, the present one marked."""
    current = ' aria-current="step"'
    items = "".join(
        f"<li{current if step == now else ''}>{texts(f'steps.{step}')}</li>" for step in STEPS
    )
    st.html(f'<ol class="steps" aria-label="{texts("app.steps")}">{items}</ol>')


def _trouble(texts: Texts, found: Trouble) -> None:
    st.title(texts("app.trouble"), anchor=False)
    say("error", *told(texts, "expired" if found.status == 404 else found.kind))
    if found.kind == UNREACHABLE:
        _ask_again(texts, st.query_params.get(PROJECT))
    elif found.status in (404, 410) and st.button(texts("app.new"), type="primary"):
        leave()


@st.fragment(run_every=AGAIN)
def _ask_again(texts: Texts, project: str | None) -> None:
    st.caption(texts("app.trying-again"))
    # A look at the page asks, too: where one route answers and another doesn't, it would at once
    # lead to the next look. Half, so that no tick that comes a little early is missed.
    now = time.monotonic()
    if now < st.session_state.get(NEXT, 0.0):
        return
    st.session_state[NEXT] = now + AGAIN / 2
    try:
        service().project(project) if project else service().limits()
    except Trouble as found:
        if found.kind == UNREACHABLE:
            return
    st.rerun(scope="app")


main()
