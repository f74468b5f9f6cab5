"""What was understood: the face of each photo, and the video."""

from __future__ import annotations

import threading
from itertools import groupby

import streamlit as st

from frontend.components.face_picker import FacePickerTexts, face_picker
from frontend.components.player import PlayerTexts, player
from frontend.page import Page, from_service, go, heading, say
from frontend.service import Service, Trouble
from frontend.shapes import Photo
from frontend.wording import photo_problem, video_facts

ROW = 2
"""Photos beside each other."""


def show(page: Page) -> None:
    texts = page.texts
    _measure_ahead(page)
    photos = page.service.photos(page.id)
    heading(texts, "confirm", "" if photos else "-video")
    for name, group in groupby(sorted(photos, key=lambda p: p["person"]), lambda p: p["person"]):
        _person(page, name, list(group))
    if not photos:
        say("info", texts("confirm.nobody"), texts("confirm.nobody-advice"))
    _video(page)
    back, on = st.columns(2)
    if back.button(texts("app.back"), width="stretch"):
        go("upload")
    if on.button(texts("app.continue"), type="primary", width="stretch"):
        go("estimate")


def _person(page: Page, name: str, photos: list[Photo]) -> None:
    texts = page.texts
    with st.container(border=True):
        st.subheader(name.replace("\\", "").translate(_PLAIN), anchor=False)
        for row in range(0, len(photos), ROW):
            beside = zip(st.columns(ROW), photos[row : row + ROW], strict=False)
            for column, photo in beside:
                with column:
                    _photo(page, photo)
        if all(photo["chosen"] is None for photo in photos):
            say("warning", texts("confirm.unusable"), texts("confirm.unusable-advice"))


def _photo(page: Page, photo: Photo) -> None:
    chosen = face_picker(
        f"face-{photo['id']}",
        picture=from_service(photo["picture"]),
        width=photo["width"],
        height=photo["height"],
        faces=[face["box"] for face in photo["faces"]],
        chosen=photo["chosen"],
        texts=FacePickerTexts(**page.texts.group("face_picker")),
    )
    if chosen is not None and chosen != photo["chosen"]:
        page.service.choose_face(page.id, photo["id"], chosen)
        st.rerun()
    problem = photo_problem(page.texts, photo)
    if problem:
        say("warning", *problem)


def _video(page: Page) -> None:
    assert page.project is not None
    video, texts = page.project["video"], page.texts
    with st.container(border=True):
        st.subheader(texts("confirm.video"), anchor=False)
        if video["facts"]:
            st.markdown(video_facts(texts, video["facts"], video["size"]))
        player(
            "video",
            src=from_service(f"/v1/projects/{page.id}/video/file"),
            poster=from_service(video["posters"][0]) if video["posters"] else None,
            texts=PlayerTexts(**texts.group("player")),
        )


def _measure_ahead(page: Page) -> None:
    """The next step shows how long it will take: finding out may begin while one looks here."""
    key = f"measured-{page.id}"
    if key not in st.session_state:
        st.session_state[key] = True
        threading.Thread(target=_measure, args=(page.service, page.id), daemon=True).start()


def _measure(service: Service, project: str) -> None:
    try:
        service.estimate(project)
    except Trouble:
        return  # the next step asks again, and tells


_PLAIN = str.maketrans({sign: f"\\{sign}" for sign in "*_`[]<>#$:~"})
"""A name is no Markdown."""
