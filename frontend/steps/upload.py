"""Sending the video and photos of the people to keep, in any order, at the same time."""

from __future__ import annotations

from itertools import count, groupby
from typing import Final

import streamlit as st

from frontend.asking import ask
from frontend.components.uploader import Kind, UploaderTexts, uploader
from frontend.page import Page, from_service, go, heading, place, say, stay, told, turn
from frontend.shapes import Photo, Video
from frontend.wording import photo_problem, picture, video_facts

VIDEOS: Final = (
    "video/*,image/gif,image/webp,image/apng,.png,.mkv,.avi,.mov,.mts,.m2ts,.ts,.wmv,.flv"
)
LONGEST_NAME: Final = 80
NEWCOMER: Final = "newcomer-photos"
ROW: Final = 4
"""Photos beside each other."""


def show(page: Page) -> None:
    texts = page.texts
    heading(texts, "upload")
    with st.container(border=True):
        st.subheader(texts("upload.video"), anchor=False)
        _arrived(page)
        _send(page, f"video-{turn()}", "video")
        _refused(page)
    with st.container(border=True):
        st.subheader(texts("upload.people"), anchor=False)
        st.markdown(texts("upload.people-intro"))
        photos = page.service.photos(page.id) if page.project else []
        known = [(name, list(group)) for name, group in groupby(_sorted(photos), _person)]
        for name, theirs in known:
            _person_box(page, name, theirs)
        _newcomer(page, [name for name, _ in known])
    _next(page, bool(photos))
    if page.project is None and place()[0]:
        st.rerun()  # it has just been made


def _send(page: Page, key: str, kind: Kind, person: str = "") -> bool:
    """The place to drop files at. Whether all that was dropped has arrived."""
    project = page.project["id"] if page.project else None
    texts = page.texts.group("uploader")
    texts |= page.texts.group("photo_uploader" if kind == "photos" else "video_uploader")
    if kind == "photos" and not key.startswith(NEWCOMER):
        texts["choose"] = page.texts("upload.more")
    photos = ",".join(["image/*", *page.limits["photo_suffixes"]])
    sent = uploader(
        key,
        kind=kind,
        project=project,
        person=person,
        most_bytes=page.limits["photo_bytes" if kind == "photos" else "video_bytes"],
        accept=photos if kind == "photos" else VIDEOS,
        video=_on_its_way(page.project["video"]) if page.project and kind == "video" else None,
        texts=UploaderTexts(**texts),
    )
    if sent.project and page.project is None:
        # With the step: a whole video alone would lead to the next one, in the middle of choosing.
        stay(project=sent.project, step="upload")
    return bool(sent.sent) and not (sent.sent or {}).get("failed")


def _on_its_way(video: Video) -> dict[str, object]:
    """How far the project's video is, and where the browser goes on with it."""
    upload = video["upload"]
    return {**video, "url": upload and from_service(upload)}


def _arrived(page: Page) -> None:
    """The video that is there, in one picture and one line."""
    video = page.project["video"] if page.project else None
    if video is None or video["facts"] is None:
        return
    left, right = st.columns([1, ROW - 1], vertical_alignment="center")
    if video["posters"]:
        src = from_service(video["posters"][0])
        left.html(picture(src, page.texts("upload.video-picture")))
    right.markdown(f"✓ {video_facts(page.texts, video['facts'], video['size'])}")


def _refused(page: Page) -> None:
    video = page.project["video"] if page.project else None
    if video is None or video["state"] != "refused" or video["problem"] is None:
        return
    most = page.texts.duration(page.limits["max_duration"])
    say("error", *told(page.texts, video["problem"]["type"], most=most))


def _person_box(page: Page, name: str, photos: list[Photo]) -> None:
    texts = page.texts
    with st.container(border=True):
        first = photos[0]["id"]  # as long as it is there, this is the same person
        renamed = st.text_input(
            texts("upload.name"), name, key=f"name-{first}", max_chars=LONGEST_NAME
        ).strip()
        if renamed and renamed != name:
            for photo in photos:
                page.service.rename(page.id, photo["id"], renamed)
            st.rerun()
        for row in range(0, len(photos), ROW):
            columns = st.columns(ROW)
            for column, photo in zip(columns, photos[row : row + ROW], strict=False):
                with column:
                    _thumbnail(page, name, photo)
        _send(page, f"photos-{first}", "photos", name)


def _thumbnail(page: Page, name: str, photo: Photo) -> None:
    texts = page.texts
    st.html(picture(from_service(photo["picture"]), texts("upload.photo-of", name=name)))
    problem = photo_problem(texts, photo)
    if problem:
        st.caption(problem[0])
    if st.button(texts("upload.remove"), key=f"remove-{photo['id']}", width="stretch"):
        ask(
            texts,
            "upload.remove",
            back="app.back",
            act=lambda: page.service.delete_photo(page.id, photo["id"]),
        )


def _newcomer(page: Page, known: list[str]) -> None:
    """Somebody of whom there is no photo yet."""
    texts = page.texts
    number = st.session_state.setdefault("newcomer", 0)
    unnamed = next(
        name for n in count(len(known) + 1) if (name := texts("upload.person", n=n)) not in known
    )
    name = st.text_input(
        texts("upload.new-name" if known else "upload.name"),
        unnamed,
        key=f"newcomer-{number}-{unnamed}",
        max_chars=LONGEST_NAME,
    ).strip()
    if _send(page, f"{NEWCOMER}-{turn()}-{number}", "photos", name or unnamed):
        st.session_state["newcomer"] = number + 1
        st.rerun()


def _next(page: Page, photos: bool) -> None:
    texts = page.texts
    if not page.ready:
        st.caption(texts("upload.waiting"))
    elif not photos:
        st.caption(texts("upload.no-photos"))
    if st.button(texts("app.continue"), type="primary", disabled=not page.ready, width="stretch"):
        go("confirm")


def _person(photo: Photo) -> str:
    return photo["person"]


def _sorted(photos: list[Photo]) -> list[Photo]:
    """By person, in the order in which they first came."""
    order = {photo["person"]: n for n, photo in reversed(list(enumerate(photos)))}
    return sorted(photos, key=lambda photo: order[photo["person"]])
