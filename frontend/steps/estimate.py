"""How long it will take, how it will look, and go."""

from __future__ import annotations

from html import escape

import streamlit as st

from frontend.page import Page, choose, from_service, go, heading, say, trouble
from frontend.service import Trouble
from frontend.shapes import EFFECTS, Effect, JobKind
from frontend.wording import clock, preview, video_facts


def show(page: Page) -> None:
    texts = page.texts
    heading(texts, "estimate")
    kind = _kind(page)
    expected = st.container()  # filled last: the first time it is measured on the spot
    if kind == "analyze" and page.project and page.project["photos"]:
        # Without any, the step before has said so.
        say("info", texts("estimate.nobody"), texts("confirm.nobody-advice"))
    effect = _effect(page)
    audit = False
    if kind != "analyze":
        audit = st.checkbox(texts("estimate.audit"), value=True)
        st.caption(texts("estimate.audit-help"))
    _go(page, kind, effect, audit)
    if st.button(texts("app.back"), width="stretch"):
        go("review" if kind == "render" else "confirm")
    with expected:
        _expected(page, kind, audit)


def _kind(page: Page) -> JobKind:
    """What is to be done: nobody is looked for twice, and not without knowing whom to keep."""
    if page.service.people(page.id):
        return "render"
    usable = any(photo["chosen"] is not None for photo in page.service.photos(page.id))
    return "mask" if usable else "analyze"


def _expected(page: Page, kind: JobKind, audit: bool) -> None:
    assert page.project is not None
    texts, video = page.texts, page.project["video"]
    if video["facts"]:
        st.markdown(video_facts(texts, video["facts"], video["size"]))
    with st.spinner(texts("estimate.measuring")):
        try:
            found = page.service.estimate(page.id, kind, audit)
        except Trouble as failed:
            trouble(texts, failed)
            return
    about = texts("estimate.about", time=texts.duration(found["seconds"]))
    between = texts(
        "estimate.range", low=texts.duration(found["low"]), high=texts.duration(found["high"])
    )
    st.html(f'<p class="figure">{escape(about)}</p><p>{escape(between)}</p>')
    if found["starts_in"] >= 1:
        soon = texts.duration(found["starts_in"])
        st.markdown(texts("estimate.queue", n=found["queue_position"], time=soon))
    if not found["sampled"]:
        say("warning", texts("estimate.guessed"))


def _effect(page: Page) -> Effect:
    """The choice, and a frame of this video with everybody in it masked so."""
    assert page.project is not None
    texts, facts = page.texts, page.project["video"]["facts"]
    effect = st.radio(
        texts("estimate.effect"),
        EFFECTS,
        format_func=lambda name: texts(f"effects.{name}"),
        index=EFFECTS.index(page.effect),
        horizontal=True,
        key="effect",
    )
    choose(effect)
    at, duration = 0.0, facts["duration"] if facts else 0.0
    if duration >= 2:
        at = st.slider(
            texts("estimate.where"),
            0,
            int(duration),
            int(duration / 3),
            format=texts("units.seconds", seconds="%d"),
            key="at",
        )
    src = from_service(f"/v1/projects/{page.id}/preview?effect={effect}&at={at}")
    label = texts("estimate.preview", effect=texts(f"effects.{effect}"), time=clock(at))
    st.html(preview(src, label, facts))
    st.caption(texts("estimate.everyone"))
    return effect


def _go(page: Page, kind: JobKind, effect: Effect, audit: bool) -> None:
    labels = {"mask": "estimate.go", "analyze": "estimate.find", "render": "estimate.render"}
    if st.button(page.texts(labels[kind]), key="go", type="primary", width="stretch"):
        begin(page, kind, effect, audit)
    if kind == "analyze" and st.button(page.texts("estimate.mask-all"), width="stretch"):
        begin(page, "mask", effect, True)


def begin(page: Page, kind: JobKind, effect: Effect, audit: bool) -> None:
    """Start a job and follow it, or say why it can't be started."""
    try:
        page.service.start(page.id, kind, effect, audit)
    except Trouble as failed:
        if failed.kind != "busy":
            trouble(page.texts, failed)
            return
    go("progress")
