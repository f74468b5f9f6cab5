"""Following a job: how far it is, what it looks like, and what became of it."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from frontend.api_types import JobView, ProjectView
from frontend.asking import ask, deletion
from frontend.choices import ACTIVE
from frontend.components.notice import NoticeTexts, notice
from frontend.page import Page, from_service, go, heading, say, service, told
from frontend.service import UNREACHABLE, Trouble
from frontend.texts import Texts
from frontend.wording import hours_left, preview

INTERVAL: Final = 1.0
"""Seconds between two looks."""
SPOKEN: Final = 10
"""Percent between two sentences of a screen reader."""


def show(page: Page) -> None:
    assert page.project is not None
    assert page.job is not None
    if page.job["state"] in ACTIVE:
        heading(page.texts, "finding" if page.job["kind"] == "analyze" else "progress")
        _follow(page.texts, page.project, page.job["id"])
        told = NoticeTexts(**page.texts.group("notice_button"))
        notice("notice", project=page.id, texts=told)
        _cancel(page, page.job)
    elif page.job["state"] == "done":
        go("result" if page.job["kind"] == "render" else "review")
    else:
        _ended(page, page.job)


@st.fragment(run_every=INTERVAL)
def _follow(texts: Texts, project: ProjectView, number: str) -> None:
    try:
        job = service().job(project["id"], number)
    except Trouble as found:
        if found.kind != UNREACHABLE:
            st.rerun(scope="app")
        say("warning", *told(texts, "restarting"))
        return
    if job["state"] not in ACTIVE:
        st.rerun(scope="app")
    if job["resumed"]:
        say("info", texts("progress.resumed"))
    _how_far(texts, job)
    if job["preview"]:
        src, facts = from_service(job["preview"]), project["video"]["facts"]
        st.html(preview(src, texts("progress.preview"), facts))
        finding = job["progress"] and job["progress"]["stage"] in ("analyze", "decide")
        st.caption(texts("progress.preview-finding" if finding else "progress.preview"))


def _how_far(texts: Texts, job: JobView) -> None:
    done = job["progress"]
    if job["cancelling"]:
        stage, share, left = texts("progress.cancelling"), 0.0, ""
    elif done is None:
        stage, share, left = texts(f"progress.{job['state']}"), 0.0, ""
    else:
        stage, share = texts(f"progress.{done['stage']}"), min(1.0, done["share"])
        eta = done["eta"]
        left = texts("progress.left", time=texts.duration(eta)) if eta is not None else ""
    if job["queue_position"] is not None and job["starts_in"] is not None:
        key = "progress.queue" if job["queue_position"] else "progress.next"
        soon = texts.duration(job["starts_in"])
        left = texts(key, n=job["queue_position"], time=soon)
    percent = int(100 * share)
    spoken = texts("progress.percent", percent=percent // SPOKEN * SPOKEN)
    st.html(
        f'<p class="figure">{escape(texts("progress.percent", percent=percent))}</p>'
        f"<p>{escape(stage)}"
        f"{' · ' if left else ''}{escape(left)}</p>"
        f'<progress class="whole" max="100" value="{percent}" '
        f'aria-label="{escape(stage)}"></progress>'
        f'<p class="spoken" role="status">{escape(stage)} {escape(spoken)}</p>'
    )


def _cancel(page: Page, job: JobView) -> None:
    def cancel() -> None:
        try:
            page.service.cancel(page.id, job["id"])
        except Trouble as found:
            if found.status != 409:  # it has just ended
                raise

    st.markdown(page.texts("progress.leave"))
    label = page.texts("progress.cancel")
    if st.button(label, key="cancel", disabled=job["cancelling"], width="stretch"):
        ask(page.texts, "progress.cancel", back="progress.keep-on", act=cancel)


def _ended(page: Page, job: JobView) -> None:
    """Cancelled or failed: what was sent is still there."""
    assert page.project is not None
    texts = page.texts
    if job["state"] == "cancelled":
        st.title(texts("progress.cancelled"), anchor=False)
        if page.project["photos"]:
            say("info", texts("progress.kept-photos", hours=hours_left(page.project)))
        else:
            say("info", texts("progress.kept"))
    else:
        st.title(texts("progress.failed"), anchor=False)
        say("error", *told(texts, job["problem"]["type"] if job["problem"] else "other"))
    if st.button(texts("progress.again"), type="primary", width="stretch"):
        go("estimate")
    if page.service.people(page.id) and st.button(texts("progress.people"), width="stretch"):
        go("review")
    deletion(page)
