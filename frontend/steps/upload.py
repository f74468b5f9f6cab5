"""Sending the video and photos of the people to keep, in any order, at the same time; and what
was understood of them: the face of each photo, and the video."""

from __future__ import annotations

import threading
from itertools import count, groupby
from typing import Final

import streamlit as st

from frontend.api_types import PhotoView, VideoView
from frontend.asking import ask
from frontend.components.face_picker import FacePickerTexts, face_picker
from frontend.components.player import PlayerTexts, player
from frontend.components.projects import ProjectsTexts, projects
from frontend.components.uploader import Kind, UploaderTexts, uploader
from frontend.page import Page, file_name, from_service, go, heading, place, say, stay, told, turn
from frontend.service import Service, Trouble
from frontend.steps import remembered
from frontend.wording import photo_problem, video_facts

VIDEOS: Final = (
    "video/*,image/gif,image/webp,image/apng,.png,.mkv,.avi,.mov,.mts,.m2ts,.ts,.wmv,.flv"
)
LONGEST_NAME: Final = 80
NEWCOMER: Final = "newcomer-photos"
NUMBER: Final = "newcomer"
"""In Streamlit's session: how many newcomers have got photos in this visit."""
ROW: Final = 3
"""Photos beside each other."""


def show(page: Page) -> None:
    texts = page.texts
    heading(texts, "upload")
    with st.container(border=True):
        st.subheader(texts("upload.video"), anchor=False)
        _arrived(page)
        _send(page, f"video-{turn()}", "video")
        _refused(page)
    st.subheader(texts("upload.people"), anchor=False)
    st.markdown(texts("upload.people-intro"))
    photos = _photos(page) if page.project else []
    known = [(name, list(group)) for name, group in groupby(_sorted(photos), _person)]
    if used := remembered.use(page, [name for name, _ in known]):
        stay(project=used)
        st.rerun()
    for name, theirs in known:
        _person_box(page, name, theirs)
    _newcomer(page, [name for name, _ in known])
    remembered.keep(page, known)
    _next(page, bool(photos))
    if page.ready:
        _measure_ahead(page)
    if page.project is None:
        projects("projects", texts=ProjectsTexts(**texts.group("projects")))
    if page.project is None and place()[0]:
        st.rerun()  # it has just been made


def _uploaders() -> dict[str, str]:
    """Of people who have photos, by their names: the uploader that the first ones came by. It
    stays theirs, with what is still on its way."""
    found: dict[str, str] = st.session_state.setdefault(f"uploaders-{turn()}", {})
    return found


def _renamed() -> dict[str, str]:
    """New names by the old ones: what was on its way comes under the old one."""
    found: dict[str, str] = st.session_state.setdefault(f"renamed-{turn()}", {})
    return found


def _photos(page: Page) -> list[PhotoView]:
    """All of the project, those that came under an old name under the new one."""
    photos, renamed = page.service.photos(page.id), _renamed()
    late = [photo for photo in photos if photo["person"] in renamed]
    for photo in late:
        page.service.rename(page.id, photo["id"], renamed[photo["person"]])
    return page.service.photos(page.id) if late else photos


def _rename(page: Page, old: str, new: str, photos: list[PhotoView]) -> None:
    for photo in photos:
        page.service.rename(page.id, photo["id"], new)
    renamed, uploaders = _renamed(), _uploaders()
    for before in (old, *(name for name, now in renamed.items() if now == old)):
        renamed[before] = new
    renamed.pop(new, None)
    if old in uploaders:
        uploaders[new] = uploaders.pop(old)


def _send(page: Page, key: str, kind: Kind, person: str = "", *, more: bool = False) -> str | None:
    """The place to drop files at. Whom photos show of which some have arrived in this run.

    Args:
        more: there are photos of this person already.
    """
    project = page.project["id"] if page.project else None
    texts = page.texts.group("uploader")
    texts |= page.texts.group("photo_uploader" if kind == "photos" else "video_uploader")
    if more:
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
        stay(project=sent.project)
    return str(sent.sent["person"]) if sent.sent and sent.sent.get("photos") else None


def _on_its_way(video: VideoView) -> dict[str, object]:
    """How far the project's video is, and where the browser goes on with it."""
    upload = video["upload"]
    return {**video, "url": upload and from_service(upload)}


def _arrived(page: Page) -> None:
    """The video that is there, to be played, and what it is in one line."""
    video = page.project["video"] if page.project else None
    if video is None or video["facts"] is None:
        return
    watched, told_of = st.columns(2, vertical_alignment="center")
    with watched:
        player(
            "video",
            src=from_service(f"/v1/projects/{page.id}/video/file"),
            poster=from_service(video["posters"][0]) if video["posters"] else None,
            texts=PlayerTexts(**page.texts.group("player")),
        )
    with told_of:
        file_name(video)
        st.markdown(f"✓ {video_facts(page.texts, video['facts'], video['size'])}")


def _refused(page: Page) -> None:
    video = page.project["video"] if page.project else None
    if video is None or video["state"] != "refused" or video["problem"] is None:
        return
    most = page.texts.duration(page.limits["max_duration"])
    say("error", *told(page.texts, video["problem"]["type"], most=most))


def _person_box(page: Page, name: str, photos: list[PhotoView]) -> None:
    texts = page.texts
    with st.container(border=True):
        first = photos[0]["id"]  # as long as it is there, this is the same person
        renamed = st.text_input(
            texts("upload.name"), name, key=f"name-{first}", max_chars=LONGEST_NAME
        ).strip()
        if renamed and renamed != name:
            _rename(page, name, renamed, photos)
            st.rerun()
        plain = [photo for photo in photos if photo["problem"] is None and _alone(photo)]
        with st.container(key=f"faces-{first}"):
            for row in range(0, len(plain), ROW):
                for column, photo in zip(st.columns(ROW), plain[row : row + ROW], strict=False):
                    with column:
                        _photo(page, name, photo)
                        _remove(page, photo)
        for photo in photos:
            if photo not in plain:
                _photo_with_question(page, name, photo)
        if all(photo["chosen"] is None for photo in photos):
            say("warning", texts("upload.unusable"), texts("upload.unusable-advice"))
        _send(page, _uploaders().get(name, f"photos-{first}"), "photos", name, more=True)


def _alone(photo: PhotoView) -> bool:
    return len(photo["faces"]) == 1


def _photo(page: Page, name: str, photo: PhotoView) -> None:
    """The photo with the face that counts framed; a click on another one chooses that."""
    texts = page.texts.group("face_picker")
    texts["picture"] = page.texts("upload.photo-of", name=name)
    chosen = face_picker(
        f"face-{photo['id']}",
        picture=from_service(photo["picture"]),
        width=photo["width"],
        height=photo["height"],
        faces=[face["box"] for face in photo["faces"]],
        chosen=photo["chosen"],
        texts=FacePickerTexts(**texts),
    )
    if chosen is not None and chosen != photo["chosen"]:
        page.service.choose_face(page.id, photo["id"], chosen)
        st.rerun()


def _photo_with_question(page: Page, name: str, photo: PhotoView) -> None:
    """Larger, and beside it what is wrong, or that another face may be chosen."""
    picture, beside = st.columns([ROW - 1, 1])
    with picture:
        _photo(page, name, photo)
    with beside:
        problem = photo_problem(page.texts, photo)
        if problem:
            say("warning", *problem)
        else:
            st.caption(page.texts("upload.which"))
        _remove(page, photo)


def _remove(page: Page, photo: PhotoView) -> None:
    if st.button(page.texts("upload.remove"), key=f"remove-{photo['id']}", width="stretch"):
        ask(
            page.texts,
            "upload.remove",
            back="app.back",
            act=lambda: page.service.delete_photo(page.id, photo["id"]),
        )


def _newcomer(page: Page, known: list[str]) -> None:
    """Somebody of whom there is no photo yet."""
    texts = page.texts
    number = st.session_state.setdefault(NUMBER, 0)
    taken = {*known, *_renamed()}
    unnamed = next(
        name for n in count(len(known) + 1) if (name := texts("upload.person", n=n)) not in taken
    )
    with st.container(border=True):
        name = st.text_input(
            texts("upload.new-name" if known else "upload.name"),
            unnamed,
            key=f"newcomer-{number}-{unnamed}",
            max_chars=LONGEST_NAME,
        ).strip()
        _renamed().pop(name, None)  # who is called so now is somebody else
        uploader = f"{NEWCOMER}-{turn()}-{number}"
        if shown := _send(page, uploader, "photos", name or unnamed):
            # The first has arrived: from now on they have a box, and the rest arrives there.
            _uploaders()[shown] = uploader
            st.session_state[NUMBER] = number + 1
            st.rerun()


def _next(page: Page, photos: bool) -> None:
    texts = page.texts
    if not page.ready:
        st.caption(texts("upload.waiting"))
    elif not photos:
        st.caption(texts("upload.no-photos"))
    if st.button(texts("app.continue"), type="primary", disabled=not page.ready, width="stretch"):
        go("estimate")


def _measure_ahead(page: Page) -> None:
    """The next step shows how long it will take: finding out may begin while one looks here."""
    assert page.project is not None
    key = f"measured-{page.id}-{page.project['video']['size']}"
    if key not in st.session_state:
        st.session_state[key] = True
        threading.Thread(target=_measure, args=(page.service, page.id), daemon=True).start()


def _measure(service: Service, project: str) -> None:
    try:
        service.estimate(project)
    except Trouble:
        return  # the next step asks again, and tells


def _person(photo: PhotoView) -> str:
    return photo["person"]


def _sorted(photos: list[PhotoView]) -> list[PhotoView]:
    """By person, in the order in which they first came."""
    order = {photo["person"]: n for n, photo in reversed(list(enumerate(photos)))}
    return sorted(photos, key=lambda photo: order[photo["person"]])
