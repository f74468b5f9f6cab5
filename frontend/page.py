"""What every step has in its hands: the service, the texts, the project, the way on."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Final, Literal, NoReturn, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from frontend.api_types import (
    JobView,
    LimitsView,
    ProjectView,
    SoundSpan,
    SoundTreatment,
    VideoView,
)
from frontend.choices import (
    ACTIVE,
    EFFECTS,
    MAX_PICTURE_BYTES,
    SHAPES,
    SOUNDS,
    STRONGEST,
    WEAKEST,
    Effect,
)
from frontend.service import Service, Trouble
from frontend.settings import load_settings
from frontend.texts import Texts

Step = Literal["upload", "estimate", "progress", "review", "result"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
MERGED: Final[dict[str | None, Step]] = {"confirm": "upload"}
"""Steps in addresses from before, by the one that shows the same now."""

PROJECT, STEP, LANGUAGE = "project", "step", "lang"
SHARED = "shared"
"""In the address of somebody who was given a link to a result: its token."""
EFFECT, STRENGTH, COLOR, SHAPE, SOUND = "effect", "strength", "color", "shape", "sound"
"""In the address: who has it comes back to the same place."""
PICTURE: Final = "picture"
"""In presets: too long for an address."""
LOOK: Final = (EFFECT, STRENGTH, COLOR, SHAPE)
"""What an effect is in the address."""
ADDRESS: Final = (PROJECT, STEP, *LOOK, SOUND)
PNG_BEGINS: Final = b"\x89PNG\r\n\x1a\n"
PLACE, TURN, CHOSEN, HEARD, PRESSED = "place", "turn", "chosen", "heard", "pressed"
"""In Streamlit's session."""

SAME: Final = {
    "ModelNotFound": "ModelError",
    "ModelCorrupt": "ModelError",
    "ModelContract": "ModelError",
    "ConfigError": "ModelError",
    "WorkerStalled": "WorkerCrashed",
    "Defect": "WorkerCrashed",
    "OutputError": "OutputUnwritable",
    "NotStored": "expired",
    "NotFetched": "StorageError",
    "missing": "expired",
    "http-401": "no-token",
    "http-403": "no-token",
    "http-404": "expired",
    "http-413": "body-too-large",
    "http-429": "rate-limited",
    "http-507": "OutputUnwritable",
}
"""Errors that mean the same to a visitor, by the one of them that has sentences."""


@dataclass(frozen=True)
class Page:
    """One look at a project.

    Attributes:
        limits: of what may be sent.
        project: None before anything was sent.
        jobs: of the project, the oldest first.
    """

    service: Service
    texts: Texts
    limits: LimitsView
    project: ProjectView | None
    jobs: tuple[JobView, ...]

    @classmethod
    def open(cls, service: Service, texts: Texts, project: str | None) -> Page:
        """Ask the service about the project in the address.

        Raises:
            Trouble: there is no such project any more, or no answer.
        """
        limits = _limits(service)
        if project is None:
            return cls(service, texts, limits, None, ())
        found = service.project(project)
        return cls(service, texts, limits, found, tuple(service.jobs(project)))

    @property
    def id(self) -> str:
        """Of the project, on steps that need one."""
        assert self.project is not None
        return self.project["id"]

    @property
    def job(self) -> JobView | None:
        """The newest one."""
        return self.jobs[-1] if self.jobs else None

    @property
    def effect(self) -> Effect:
        """The one that was chosen: in this visit, in the address, or for the newest job."""
        chosen: Effect | None = st.session_state.get(CHOSEN) or effect_of(st.query_params)
        if chosen is None and self.job:
            used = self.job["effect"]
            chosen = Effect(used["name"], used["strength"], used["color"], used["shape"])
        return chosen or Effect()

    @property
    def sound(self) -> list[SoundSpan]:
        """What becomes of the sound, as it was chosen, or as for the newest job: that may have been
        asked for by another client, for a while only."""
        chosen = st.session_state.get(HEARD) or sound_of(st.query_params)
        if chosen is None:
            return list(self.job.get("sound", [])) if self.job else []
        return [] if chosen == "keep" else [{"treatment": chosen, "start": None, "end": None}]

    @property
    def ready(self) -> bool:
        """Whether there is a video that can be masked."""
        return self.project is not None and self.project["video"]["state"] == "ready"

    def step(self, asked: str | None) -> Step:
        """Where the visitor is: as asked for, where that is possible, else where the work is."""
        if self.project is None:
            return "upload"
        if self.job and self.job["state"] in ACTIVE:
            return "progress"
        asked = MERGED.get(asked, asked)
        if asked in STEPS and self._possible(asked):
            return asked
        if self.job and self.job["state"] in ("failed", "cancelled"):
            return "progress"
        if not self.ready:
            return "upload"
        if result := self.project["result"]:
            return "result" if result["current"] else "review"
        return "review" if self.service.people(self.id) else "upload"

    def _possible(self, step: Step) -> bool:
        if step == "progress":
            return self.job is not None
        return self.ready or step == "upload"


@st.cache_resource(show_spinner=False, on_release=lambda service: service.close())
def service() -> Service:
    """Of this process: one pool of connections for all visitors."""
    settings = load_settings()
    return Service(settings.address, settings.token)


@st.cache_data(ttl=600, show_spinner=False)
def _limits(_service: Service) -> LimitsView:
    return _service.limits()


def place() -> tuple[str | None, str | None]:
    """Project and step in the address.

    An event that a browser sent before it heard of a new address brings the old one along: then
    the one that this visit was given last is put back.
    """
    given = st.session_state.get(PLACE)
    if PROJECT not in st.query_params and given:
        st.query_params.update(given)
    else:
        st.session_state[PLACE] = {n: st.query_params[n] for n in ADDRESS if n in st.query_params}
    return st.query_params.get(PROJECT), st.query_params.get(STEP)


def stay(**address: str) -> None:
    """Put project or step into the address, for the next look."""
    st.query_params.update(address)
    st.session_state[PLACE] = st.session_state.get(PLACE, {}) | address


def choose(effect: Effect) -> None:
    """It outlives the page: other steps, a reload. What is as usual isn't in the address."""
    st.session_state[CHOSEN] = effect
    usual = Effect()
    address: dict[str, str] = {EFFECT: effect.name}
    if effect.strength != usual.strength:
        address[STRENGTH] = f"{effect.strength:g}"
    if effect.color != usual.color:
        address[COLOR] = effect.color.removeprefix("#")
    if effect.shape != usual.shape:
        address[SHAPE] = effect.shape
    for part in {STRENGTH, COLOR, SHAPE} - set(address):
        st.query_params.pop(part, None)
        st.session_state.get(PLACE, {}).pop(part, None)
    stay(**address)


def choose_sound(sound: SoundTreatment, usual: SoundTreatment | None) -> None:
    """Likewise. `usual` is what holds without a choice; None for what isn't one of these."""
    st.session_state[HEARD] = sound
    if sound == usual:
        st.query_params.pop(SOUND, None)
        st.session_state.get(PLACE, {}).pop(SOUND, None)
    else:
        stay(**{SOUND: sound})


def sound_of(given: Mapping[str, str]) -> SoundTreatment | None:
    """The one that an address or a preset names, if any."""
    return next((sound for sound in SOUNDS if sound == given.get(SOUND)), None)


def effect_of(given: Mapping[str, str]) -> Effect | None:
    """The one that an address or a preset names, if any; what of it is none of its values is as
    usual."""
    usual = Effect()
    name = next((name for name in EFFECTS if name == given.get(EFFECT)), None)
    if name is None:
        return None
    strength, color = usual.strength, f"#{given.get(COLOR, '')}"
    with suppress(ValueError):
        strength = float(given.get(STRENGTH, usual.strength))
    return Effect(
        name,
        # False for what is no number, too.
        strength if WEAKEST <= strength <= STRONGEST else usual.strength,
        color if re.fullmatch("#[0-9a-fA-F]{6}", color) else usual.color,
        next((shape for shape in SHAPES if shape == given.get(SHAPE)), usual.shape),
        picture_of(given.get(PICTURE, "")),
    )


def picture_of(encoded: str) -> str | None:
    """A PNG file in base64, as it came from a browser; None for what the service doesn't take."""
    try:
        content = b64decode(encoded, validate=True)
    except ValueError:
        return None
    fits = len(content) <= MAX_PICTURE_BYTES and content.startswith(PNG_BEGINS)
    return encoded if fits else None


def pressed(
    label: str, key: str, *, where: DeltaGenerator | None = None, primary: bool = False
) -> bool:
    """A button, and whether it was pressed.

    What ends the run that a click began before it comes to the button - a component of the page
    tells something, another run is due - would lose the click: it is remembered before, for the
    next run that comes there. Another such button, and another step, forget it.

    Args:
        key: of the button, in the whole app.
        where: the column that it stands in.
    """

    here = key, st.query_params.get(PROJECT)

    def press() -> None:
        st.session_state[PRESSED] = here

    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    (where or st).button(label, key=key, on_click=press, type=kind, width="stretch")
    if st.session_state.get(PRESSED) != here:
        return False
    del st.session_state[PRESSED]
    return True


def go(step: Step) -> NoReturn:
    """Show another step."""
    st.session_state.pop(PRESSED, None)
    stay(step=step)
    st.rerun(scope="app")
    raise AssertionError("st.rerun has ended the script")


def leave() -> NoReturn:
    """Begin anew."""
    forget()
    st.rerun(scope="app")
    raise AssertionError("st.rerun has ended the script")


def forget() -> None:
    """Address and uploaders forget the project."""
    for name in ADDRESS:
        st.query_params.pop(name, None)
    for name in (PLACE, CHOSEN, PRESSED):
        st.session_state.pop(name, None)
    st.session_state[TURN] = turn() + 1


def turn() -> int:
    """How often this visit began anew; a part of keys that must not outlive that."""
    return int(st.session_state.get(TURN, 0))


def from_service(path: str) -> str:
    """Where a browser finds what the service has at `path`: see proxy.py."""
    return "/service" + path.removeprefix("/v1")


def heading(texts: Texts, step: str, variant: str = "") -> None:
    """The step's title and what it is for; a `variant` of them has keys of its own."""
    st.title(texts(f"{step}.title{variant}"), anchor=False)
    st.markdown(texts(f"{step}.intro{variant}"))


def file_name(video: VideoView) -> None:
    """What its file is called, if it is known."""
    if video["name"]:
        st.html(f'<p class="file">{escape(video["name"])}</p>')


def say(kind: Literal["error", "warning", "info", "success"], what: str, advice: str = "") -> None:
    """A sentence that screen readers speak at once, and what to do about it."""
    show = {"error": st.error, "warning": st.warning, "info": st.info, "success": st.success}[kind]
    show(f"**{what}**  \n{advice}" if advice else what)


def trouble(texts: Texts, found: Trouble) -> None:
    """What went wrong, in the visitor's words."""
    say("error", *told(texts, found.kind))


def told(texts: Texts, kind: str, *, faces: int = 0, most: str = "") -> tuple[str, str]:
    """What a kind of error means, and what to do: two sentences.

    Args:
        kind: the service's name for it.
        faces: in the photo that it is about.
        most: how long a video may be.
    """
    kind = SAME.get(kind, kind)
    known = kind if f"errors.{kind}.what" in texts else "other"
    return (
        texts(f"errors.{known}.what", faces=faces),
        texts(f"errors.{known}.advice", most=most),
    )
