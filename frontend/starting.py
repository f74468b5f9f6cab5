"""Jobs that begin, whatever becomes of the run of the page in which somebody asked for them.

On an event Streamlit runs the page anew at once, and nothing that the run before says reaches the
browser any more. If that one waits for the service just then, a job begins of which the page never
hears. So what is to begin is remembered before the service is asked, and the next run asks again,
by the same key, which begins nothing twice.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from frontend.api_types import JobKind, SoundSpan
from frontend.choices import Effect
from frontend.page import Page, go, trouble
from frontend.service import Trouble

STARTING: Final = "starting"
"""In Streamlit's session: a `Start` that may not be answered yet."""
WANTED: Final = "render-wanted"
"""Likewise: the video is to be made, once its edits are saved."""
BUSY: Final = "busy"
"""The project has a job already: that is shown."""
UNDER_WAY: Final = "idempotency-key-in-use"
"""The run before has asked, and waits."""
AGAIN: Final = 0.2
"""Seconds."""


@dataclass(frozen=True)
class Start:
    """A job that somebody asked for, of the project `project`."""

    project: str
    kind: JobKind
    effect: Effect
    sound: list[SoundSpan]
    audit: bool
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


def begin(page: Page, kind: JobKind, effect: Effect, sound: list[SoundSpan], audit: bool) -> None:
    """Start a job and follow it, or say why it can't be started."""
    start = Start(page.id, kind, effect, sound, audit)
    st.session_state[STARTING] = start
    follow(page, start)


def started() -> Start | None:
    """What a run before may have begun. To be asked before the service is asked for jobs: what has
    been answered by then is among them."""
    found: Start | None = st.session_state.get(STARTING)
    return found


def follow(page: Page, start: Start) -> None:
    """Start it, if that isn't done yet, and show it; or say why it can't be started."""
    failed = _ask(page, start) if start.project == page.id else None
    for name in (STARTING, WANTED):
        st.session_state.pop(name, None)
    if failed is not None and failed.kind != BUSY:
        trouble(page.texts, failed)
    elif start.project == page.id:
        go("progress")


def _ask(page: Page, start: Start) -> Trouble | None:
    while True:
        try:
            page.service.start(
                page.id, start.kind, start.effect, start.sound, start.audit, start.key
            )
        except Trouble as failed:
            if failed.kind != UNDER_WAY:
                return failed
            time.sleep(AGAIN)
        else:
            return None
