"""How long it will take, how it will look, and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from html import escape
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from frontend.api_types import JobKind, MomentView, SoundSpan, SoundTreatment
from frontend.choices import EFFECTS, SHAPES, SOUNDS, Effect
from frontend.components.picture_file import PictureFileTexts, picture_file
from frontend.components.presets import PresetsTexts, presets
from frontend.components.preview import PreviewTexts, preview
from frontend.page import (
    CHOSEN,
    LOOK,
    PICTURE,
    SOUND,
    Page,
    choose,
    choose_sound,
    effect_of,
    file_name,
    from_service,
    go,
    heading,
    picture_of,
    pressed,
    say,
    sound_of,
    trouble,
)
from frontend.service import Trouble
from frontend.starting import begin
from frontend.texts import Texts
from frontend.wording import clock, video_facts

STRENGTHS: Final = {1.0: "usual", 2.0: "more", 4.0: "much-more", 8.0: "most"}
"""Those that have a name, and its key."""
SHORT_SECONDS: Final = 2.0
"""A video in which there is no choosing a moment."""
LONG_SECONDS: Final = 120.0
"""A video in which one chooses by whole seconds."""


def show(page: Page) -> None:
    texts = page.texts
    heading(texts, "estimate")
    kind = _kind(page)
    expected = st.container()  # filled last: the first time it is measured on the spot
    if kind == "analyze" and page.project and page.project["photos"]:
        # Without any, the step before has said so.
        say("info", texts("estimate.nobody"), texts("estimate.nobody-advice"))
    effect = _chosen(page)
    choose(effect)
    kept = st.container()  # filled once the sound is known
    measured = f"measured-{page.id}-{kind}"
    _preview(page, kind, effect, plays=measured in st.session_state)
    sound = _heard(page)
    with kept:
        _presets(texts, effect, sound)
    audit = False
    if kind != "analyze":
        audit = st.checkbox(texts("estimate.audit"), value=True)
        st.caption(texts("estimate.audit-help"))
    _go(page, kind, effect, sound, audit)
    if pressed(texts("app.back"), "estimate-back"):
        go("review" if kind == "render" else "upload")
    with expected:
        _expected(page, kind, audit)
    if measured not in st.session_state:
        # Only now: what makes the preview play would slow down what is measured.
        st.session_state[measured] = True
        st.rerun()


def _kind(page: Page) -> JobKind:
    """What is to be done: nobody is looked for twice, and not without knowing whom to keep."""
    if page.service.people(page.id):
        return "render"
    usable = any(photo["chosen"] is not None for photo in page.service.photos(page.id))
    return "mask" if usable else "analyze"


def _expected(page: Page, kind: JobKind, audit: bool) -> None:
    assert page.project is not None
    texts, video = page.texts, page.project["video"]
    file_name(video)
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


def _chosen(page: Page) -> Effect:
    """What is drawn over what of people, and how much of it or in what colour, as the effect has
    one or the other."""
    texts, before = page.texts, page.effect
    name = st.radio(
        texts("estimate.effect"),
        EFFECTS,
        format_func=lambda name: texts(f"effects.{name}"),
        index=EFFECTS.index(before.name),
        horizontal=True,
        key="effect",
    )
    shape = st.radio(
        texts("estimate.shape"),
        SHAPES,
        format_func=lambda shape: texts(f"shapes.{shape}"),
        index=SHAPES.index(before.shape),
        horizontal=True,
        key="shape",
    )
    st.caption(texts("estimate.shape-help"))  # Streamlit's own help is named in English
    before = replace(before, name=name, shape=shape)
    if name == "picture":
        _ask_for_picture(texts)
        if before.picture is None:
            say("info", texts("estimate.no-picture"))
        else:
            source = f"data:image/png;base64,{before.picture}"
            alt = escape(texts("estimate.picture-now"))
            st.html(f'<img class="sticker" src="{source}" alt="{alt}">')
    if name == "fill":
        st.caption(texts("estimate.fill-help"))
    if name in ("solid", "picture"):
        color = st.color_picker(texts("estimate.color"), before.color, key="color")
        return replace(before, color=color)
    known = sorted({*STRENGTHS, before.strength})
    strength = st.radio(
        texts("estimate.strength"),
        known,
        format_func=lambda value: _strength(texts, value),
        index=known.index(before.strength),
        horizontal=True,
        key="strength",
    )
    return replace(before, strength=strength)


def _presets(texts: Texts, effect: Effect, sound: list[SoundSpan]) -> None:
    """What this browser keeps by name: effects, their pictures, and what becomes of the sound."""
    given = st.query_params
    current = {part: given[part] for part in LOOK if part in given}
    if effect.name == "picture" and effect.picture:
        current[PICTURE] = effect.picture
    if (whole := _whole(sound)) is not None:
        current[SOUND] = whole
    told = PresetsTexts(**texts.group("presets"))
    presets("presets", current=current, chosen=_use, texts=told)


def _use(preset: Mapping[str, str]) -> None:
    """Choose what somebody has kept: the page shows it in its next run."""
    effect = effect_of(preset)
    if effect is None:
        return
    before: Effect | None = st.session_state.get(CHOSEN)
    if effect.name != "picture" and before is not None:  # who goes back to them finds theirs
        effect = replace(effect, picture=before.picture)
    choose(effect)
    widgets = asdict(effect)
    widgets["effect"] = widgets.pop("name")
    del widgets["picture"]
    sound = sound_of(preset)
    if sound is not None:  # presets from before have none: it stays
        choose_sound(sound, None)
        widgets["sound"] = sound
    for widget, value in widgets.items():
        st.session_state[widget] = value


def _ask_for_picture(texts: Texts) -> None:
    """For the PNG that is drawn over people: the page shows it in its next run."""

    def take(encoded: str) -> None:
        before: Effect | None = st.session_state.get(CHOSEN)
        picture = picture_of(encoded)
        if before is not None and picture is not None:
            choose(replace(before, picture=picture))

    told = PictureFileTexts(**texts.group("picture_file"))
    picture_file("picture-file", chosen=take, texts=told)


def _strength(texts: Texts, strength: float) -> str:
    """In words where it has some, else as a number."""
    if strength not in STRENGTHS:
        return texts("strengths.other", strength=f"{strength:g}")
    return texts(f"strengths.{STRENGTHS[strength]}")


def _preview(page: Page, kind: JobKind, effect: Effect, plays: bool) -> None:
    """A moment of the video with this effect; of one that wasn't analysed yet some seconds."""
    assert page.project is not None
    texts, facts = page.texts, page.project["video"]["facts"]
    moment = _moment(page, kind)
    at, duration = moment["seconds"], facts["duration"] if facts else 0.0
    if duration >= SHORT_SECONDS:
        step = 0.1 if duration < LONG_SECONDS else 1.0
        at = st.slider(
            texts("estimate.where"),
            0.0,
            duration,
            min(duration, round(at / step) * step),
            step,
            format=texts("units.seconds", seconds="%.1f" if step < 1 else "%d"),
            key="at",
        )
    asked = {
        "effect": effect.name,
        "strength": f"{effect.strength:g}",
        "color": effect.color,
        "shape": effect.shape,
    }
    query = urlencode(asked | {"at": f"{at:g}"})
    base = from_service(f"/v1/projects/{page.id}/preview")
    preview(
        "preview",
        picture=f"{base}?{query}",
        alt=texts("estimate.preview", effect=texts(f"effects.{effect.name}"), time=clock(at)),
        clip=f"{base}/clip?{query}" if plays and kind != "render" else None,
        size=(facts["width"], facts["height"]) if facts else None,
        texts=PreviewTexts(**texts.group("preview")),
    )
    st.caption(texts(f"estimate.shown-{'missed' if _missed(kind, moment) else kind}"))


def _missed(kind: JobKind, moment: MomentView) -> bool:
    """Whether there are photos, and nobody on them was recognised at a glance."""
    return kind == "mask" and not moment["kept"]


def _moment(page: Page, kind: JobKind) -> MomentView:
    """The one that is shown first; looked for anew where whom to keep has changed."""
    assert page.project is not None
    facts, photos = page.project["video"]["facts"], page.service.photos(page.id)
    whom = [(photo["id"], photo["chosen"]) for photo in photos]
    key = f"moment {page.id} {kind} {page.project['video']['size']} {whom}"
    if key not in st.session_state:
        with st.spinner(page.texts("estimate.looking")):
            try:
                st.session_state[key] = page.service.moment(page.id)
            except Trouble:
                middle = facts["duration"] / 2 if facts else 0.0
                return {"seconds": middle, "people": 0, "kept": []}
        st.session_state.pop("at", None)
    found: MomentView = st.session_state[key]
    return found


def _heard(page: Page) -> list[SoundSpan]:
    """What becomes of the sound: one of the choices, or what somebody asked for in spans."""
    texts, before = page.texts, page.sound
    now = _whole(before)
    options: list[SoundTreatment | None] = [*SOUNDS] if now else [None, *SOUNDS]
    chosen = st.radio(
        texts("estimate.sound"),
        options,
        format_func=lambda name: texts(f"sounds.{name or 'spans'}"),
        index=options.index(now),
        horizontal=True,
        key="sound",
    )
    if chosen is None:
        return before
    if chosen != "keep":
        st.caption(texts(f"sounds.{chosen}-help"))
    job = page.job.get("sound", []) if page.job else []
    choose_sound(chosen, "keep" if not job else None)
    return page.sound


def _whole(sound: list[SoundSpan]) -> SoundTreatment | None:
    """What becomes of all of the sound alike; None where parts are treated differently."""
    if not sound:
        return "keep"
    first = sound[0]
    whole = len(sound) == 1 and first["start"] is first["end"] is None
    return first["treatment"] if whole else None


def _go(page: Page, kind: JobKind, effect: Effect, sound: list[SoundSpan], audit: bool) -> None:
    labels = {"mask": "estimate.go", "analyze": "estimate.find", "render": "estimate.render"}
    if pressed(page.texts(labels[kind]), "go", primary=True):
        begin(page, kind, effect, sound, audit)
    if kind == "analyze" and pressed(page.texts("estimate.mask-all"), "mask-all"):
        begin(page, "mask", effect, sound, True)
