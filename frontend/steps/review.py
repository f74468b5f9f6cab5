"""Everyone who was found, those in doubt first; a click keeps or masks somebody."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import streamlit as st

from frontend.asking import deletion
from frontend.components.gallery import Card, GalleryTexts, gallery
from frontend.page import Page, from_service, go, heading, say
from frontend.shapes import Person, Result
from frontend.steps.estimate import begin
from frontend.wording import because, doubtful_seconds

AT_ONCE: Final = 24
"""Cards that are added at a time: a crowd has hundreds of people."""


def show(page: Page) -> None:
    assert page.project is not None
    texts = page.texts
    people = sorted(page.service.people(page.id), key=lambda person: person["review"])
    heading(texts, "review")
    doubtful = [person for person in people if person["doubtful"]]
    if doubtful:
        seconds = sum(map(doubtful_seconds, doubtful))
        say("warning", texts("review.look", time=texts.duration(seconds)), texts("review.look-how"))
    if not people:
        say("info", texts("review.empty"))
    shown = st.session_state.setdefault("shown", AT_ONCE)
    decided = gallery(
        "gallery",
        cards=[_card(page, person) for person in people[:shown]],
        texts=GalleryTexts(**texts.group("gallery")),
    )
    if decided:
        page = _decide(page, people, decided)
    left = len(people) - shown
    if left > 0 and st.button(texts("review.more", n=min(left, AT_ONCE)), width="stretch"):
        st.session_state["shown"] = shown + AT_ONCE
        st.rerun()
    _on(page)
    deletion(page)
    if decided:
        st.rerun()  # not before: the way on may have been pressed in the same moment


def _card(page: Page, person: Person) -> Card:
    texts = page.texts
    title = person["name"] or texts("review.person", n=person["id"].removeprefix("p"))
    unsure = doubtful_seconds(person)
    why = because(texts, person)
    return Card(
        id=person["id"],
        picture=from_service(person["picture"]) if person["picture"] else None,
        title=title,
        lines=[
            texts("review.seconds", time=texts.duration(person["seconds"])),
            *([why] if why else []),
        ],
        badge=texts("review.doubt", time=texts.duration(unsure)) if unsure else None,
        keep={"keep": True, "mask": False, "mixed": None}[person["verdict"]],
        locked=False,
        clip=from_service(person["clip"]),
        clip_label=texts("review.clip"),
    )


def _decide(page: Page, people: list[Person], decisions: dict[str, bool]) -> Page:
    """These decisions, beside all earlier ones; gives what the page is then.

    One that the analysis has come to by itself is none: taken back, everything is as before.
    """
    assert page.project is not None
    earlier = dict.fromkeys(page.project["keep"], True) | dict.fromkeys(page.project["mask"], False)
    anyway = {p["id"]: {"keep": True, "mask": False}.get(p["analysis"]) for p in people}
    now = {
        person: keep
        for person, keep in (earlier | decisions).items()
        if person not in decisions or keep is not anyway.get(person)
    }
    page.service.decide(
        page.id,
        keep=[person for person, keep in now.items() if keep],
        mask=[person for person, keep in now.items() if not keep],
    )
    return replace(page, project=page.service.project(page.id))


def _on(page: Page) -> None:
    """The way on stays in sight however many people there are."""
    texts = page.texts
    assert page.project is not None
    there = page.project["result"]
    with st.container(key="onward"):
        if there and there["current"]:
            audit = page.service.audit(page.id)
            if audit and not audit["passed"]:
                st.markdown(f"⚠ {texts('audit.look')}")
            if st.button(texts("review.result"), type="primary", width="stretch"):
                go("result")
            return
        st.markdown(texts(_reason(there)))
        label = texts("review.render-again" if there else "review.render")
        if st.button(label, type="primary", width="stretch"):
            begin(page, "render", page.effect, True)
    if st.button(texts("review.effect"), width="stretch"):
        go("estimate")
    if there and st.button(texts("review.result-anyway"), width="stretch"):
        go("result")


def _reason(result: Result | None) -> str:
    """Why the video is to be made: the key of the sentence."""
    if result is None:
        return "review.first"
    changed = result["stale"] == "verdicts-changed"
    return "review.changed" if changed else "review.unfinished"
