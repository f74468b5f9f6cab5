"""The masked video: compared, downloaded, vouched for, deleted."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from frontend.api_types import AuditView
from frontend.asking import deletion
from frontend.components.compare import CompareTexts, compare
from frontend.components.share import ShareTexts, share
from frontend.page import (
    LANGUAGE,
    SHARED,
    Page,
    file_name,
    from_service,
    go,
    heading,
    leave,
    pressed,
    say,
)
from frontend.wording import audit_marks, hours_left


def show(page: Page) -> None:
    assert page.project is not None
    texts, made = page.texts, page.project["result"]
    heading(texts, "result")
    file_name(page.project["video"])
    if made is None:
        say("info", texts("result.none"))
        if st.button(texts("steps.review"), type="primary"):
            go("review")
        return
    if not made["current"]:
        say("warning", texts("result.stale"), texts("result.stale-advice"))
    base = from_service(f"/v1/projects/{page.id}")
    # A result rendered again has the same address: the job's id makes browsers load it anew.
    result = f"{base}/result?job={made['job']}{'' if made['current'] else '&allow_stale=1'}"
    audit = page.service.audit(page.id)
    compare(
        "compare",
        before=f"{base}/video/file",
        after=result,
        texts=CompareTexts(**texts.group("compare")),
        marks=audit_marks(texts, audit) if audit else (),
    )
    label = "result.download" if made["current"] else "result.download-stale"
    # Under which name it is saved, the service says.
    st.html(f'<a class="download" href="{escape(result)}" download>{escape(texts(label))}</a>')
    _filled(page, made["job"])
    _audit(page, audit)
    people, effect = st.columns(2)
    if pressed(texts("result.people"), "result-people", where=people):
        go("review")
    if pressed(texts("result.effect"), "result-effect", where=effect):
        go("estimate")
    if made["current"]:
        _share(page)
    _end(page)


def _filled(page: Page, job: str) -> None:
    """How much shows the background, where that is the effect."""
    summary = next((each["summary"] for each in page.jobs if each["id"] == job), None)
    share = (summary or {}).get("filled")
    if share is not None:
        percent = round(100 * share)
        st.markdown(page.texts("result.filled", filled=percent, blurred=100 - percent))


def _audit(page: Page, audit: AuditView | None) -> None:
    texts = page.texts
    st.subheader(texts("audit.title"), anchor=False)
    if audit is None:
        st.markdown(texts("audit.none"))
        return
    if audit["passed"]:
        say("success", texts("audit.passed"), texts("audit.passed-advice"))
    else:
        say("error", texts("audit.failed"), texts("audit.failed-advice"))
    if any(finding["frame"] is None for finding in audit["findings"]):
        st.markdown(f"- {texts('audit.file')}")
    report = from_service(f"/v1/projects/{page.id}/audit")
    st.markdown(f"[{texts('audit.report')}]({report})")


def _share(page: Page) -> None:
    """A link that shows the video and can do nothing else."""
    assert page.project is not None
    texts, kept = page.texts, f"share-{page.id}"
    st.subheader(texts("share.title"), anchor=False)
    st.markdown(texts("share.intro"))
    token = st.session_state.get(kept) if page.project["shared"] else None
    if token:
        query = urlencode({SHARED: token, LANGUAGE: texts.language})
        share("share", query=query, texts=ShareTexts(**texts.group("share_link")))
    elif page.project["shared"]:
        st.markdown(texts("share.exists"))
    make, end = st.columns(2)
    label = texts("share.new" if page.project["shared"] else "share.make")
    if pressed(label, "share-make", where=make):
        st.session_state[kept] = page.service.share(page.id)
        st.rerun()
    if page.project["shared"] and pressed(texts("share.take-back"), "share-end", where=end):
        page.service.unshare(page.id)
        st.rerun()


def _end(page: Page) -> None:
    assert page.project is not None
    texts = page.texts
    st.subheader(texts("result.privacy"), anchor=False)
    gone = f"{texts('result.photos-gone')} " if _had_photos(page) else ""
    st.markdown(gone + texts("result.expires", hours=hours_left(page.project)))
    deletion(page)
    if st.button(texts("app.new"), width="stretch"):
        leave()


def _had_photos(page: Page) -> bool:
    """Whether there were any that are gone: somebody has a name from them, or wasn't found."""
    assert page.project is not None
    named = any(person["name"] for person in page.service.people(page.id))
    missed = any((job["summary"] or {}).get("unrecognised") for job in page.jobs)
    return (named or missed) and not page.project["photos"]
