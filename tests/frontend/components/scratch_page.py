"""A page with the component that `?show=` names. Run by Streamlit."""

import json
from typing import Any

import streamlit as st

from frontend.components.compare import CompareTexts, compare
from frontend.components.editor import editor
from frontend.components.face_picker import FacePickerTexts, face_picker
from frontend.components.notice import NoticeTexts, notice
from frontend.components.page import page
from frontend.components.people import PeopleTexts, keep_people, use_people
from frontend.components.player import PlayerTexts, player
from frontend.components.presets import PresetsTexts, presets
from frontend.components.preview import PreviewTexts, preview
from frontend.components.projects import ProjectsTexts, projects
from frontend.components.share import ShareTexts, share
from frontend.components.uploader import UploaderTexts, uploader
from frontend.steps.review import sentences
from frontend.texts import language_of, texts

MEDIA = "/service/media"
asked = st.query_params
state = st.session_state
language = language_of(asked.get("lang", "en"), None)

SENTENCES = texts(language)


def group(*prefixes: str) -> dict[str, str]:
    """The app's own sentences, as its pages give them to components."""
    return {k: v for prefix in prefixes for k, v in SENTENCES.group(prefix).items()}


def log(event: str, value: object) -> None:
    if value is not None:
        state.setdefault("events", []).append({event: value})


def videos() -> None:
    project = asked.get("project")
    for key, kind in (("photos", "photos"), ("video", "video")):
        if asked.get("only", kind) != kind or state.get("away"):
            continue
        told: Any = {"state": "absent", "size": None, "received": 0, "url": None}
        if "received" in asked:
            received, size = map(int, asked["received"].split("/"))
            url = f"/service/projects/{project}/uploads/0f"
            told = {"state": asked.get("state", "uploading"), "size": size, "received": received}
            told["url"] = url
        result = uploader(
            f"{key}{state.get('round', 0)}",
            kind="photos" if kind == "photos" else "video",
            project=None if asked.get("behind") == kind else project,
            person="Anna",
            accept="image/*" if kind == "photos" else "video/*",
            most_bytes=50_000_000,
            video=told,
            texts=UploaderTexts(**group("uploader", f"{kind.removesuffix('s')}_uploader")),
        )
        log(f"{key} made", result.project)
        log(f"{key} sent", result.sent)
        if result.project and not project:
            st.query_params["project"] = result.project
            st.rerun()


def people() -> None:
    checked = asked.get("checked", "1")
    media = f"{MEDIA}/{asked.get('src', 'video')}"
    base = "/service/projects/ab"
    unsaved = editor("editor", base=base, video=media, checked=checked, texts=sentences(SENTENCES))
    edits = state.get("editor", {}).get("edits")
    if edits and edits != state.get("told"):
        state["told"] = edits
        log("unsaved", unsaved)


def faces() -> None:
    boxes = [(40.0, 30.0, 130.0, 140.0), (200.0, 60.0, 240.0, 110.0), (265.0, 20.0, 271.0, 28.0)]
    number = face_picker(
        "faces",
        picture=f"{MEDIA}/face",
        width=320,
        height=240,
        faces=boxes[: int(asked.get("faces", "3"))],
        chosen=state.get("face", 0),
        texts=FacePickerTexts(**group("face_picker")),
    )
    log("chosen", number)
    if number is not None:
        state["face"] = number
        st.rerun()


def mine() -> None:
    projects("mine", texts=ProjectsTexts(**group("projects")))


def looks() -> None:
    current = {"effect": asked.get("effect", "mosaic"), "strength": "4"}
    if "picture" in asked:
        current |= {"picture": "iVBO" * int(asked["picture"]), "sound": "mute"}
    presets(
        "looks",
        current=current,
        chosen=lambda preset: log("preset", {n: v[:9] for n, v in preset.items()}),
        texts=PresetsTexts(**group("presets")),
    )


def friends() -> None:
    names = [name for name in PeopleTexts.__dataclass_fields__ if name]
    found = group("uploader", "photo_uploader", "people")
    told = PeopleTexts(**{name: found[name] for name in names})
    used = use_people("use", project=asked.get("project"), known=[], texts=told)
    if used:
        log("used", {"project": used.project, "boxes": list(used.photos.values())})
    photo = {"picture": f"{MEDIA}/face", "box": [1.0, 2.0, 30.0, 40.0]}
    if "keep" in asked:
        keep_people("keep", people=[{"name": "Anna", "photos": [photo, photo]}], texts=told)


def told_of() -> None:
    notice("notice", project="ab", texts=NoticeTexts(**group("notice_button")))
    if st.button("End"):
        state["ended"] = True


def linked() -> None:
    share("linked", query="shared=nT5o&lang=en", texts=ShareTexts(**group("share_link")))


def both() -> None:
    compare(
        "both",
        before=f"{MEDIA}/{asked.get('before', 'video')}",
        after=f"{MEDIA}/{asked.get('after', 'video')}",
        texts=CompareTexts(**group("compare")),
        marks=[{"at": 2.5, "time": "0:02.5", "text": "somebody may be visible"}],
    )


def one() -> None:
    player(
        "one",
        src=f"{MEDIA}/{asked.get('src', 'video')}",
        poster=None,
        texts=PlayerTexts(**group("player")),
    )


def moving() -> None:
    clip = asked.get("clip", "video")
    preview(
        "moving",
        picture=f"{MEDIA}/face",
        alt="Your video at 0:04: Blur",
        clip=f"{MEDIA}/{clip}" if clip != "none" else None,
        size=(320, 240),
        texts=PreviewTexts(**group("preview")),
    )


st.set_page_config(page_title=f"Step {asked.get('step', 'one')}")
st.title(f"The step {asked.get('step', 'one')}")
if st.button("Rerun"):
    log("rerun", True)
if st.button("Away"):
    state["away"] = not state.get("away")
    st.rerun()
if st.button("Next step"):
    st.query_params["step"] = "two"
    st.rerun()
if st.button("Language"):
    st.query_params["lang"] = "ko"
    st.rerun()
if st.button("Begin anew"):
    del st.query_params["project"]
    state["round"] = state.get("round", 0) + 1
    st.rerun()
show = {
    "uploads": videos,
    "people": people,
    "faces": faces,
    "both": both,
    "mine": mine,
    "looks": looks,
    "friends": friends,
    "told_of": told_of,
    "linked": linked,
    "one": one,
    "moving": moving,
}
show[asked.get("show", "one")]()
page(
    language=language,
    title=f"Step {asked.get('step', 'one')}",
    step=asked.get("step", "one"),
    asked=asked.get("asked", asked.get("step", "")),
    skip="Skip",
    project={"id": asked["project"], "name": asked["named"]} if "named" in asked else None,
    job={"id": "1", "active": "ended" not in state, "told": "It is done"}
    if "named" in asked
    else None,
)
state["runs"] = state.get("runs", 0) + 1
st.markdown(f"Look {state['runs']}")
st.code(json.dumps(state.get("events", [])), language=None)
