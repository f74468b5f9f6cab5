"""Uploading photos or a video from the browser, streamed past Streamlit to the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import streamlit as st

from frontend.components.parts import nothing, register

Kind = Literal["photos", "video"]


@dataclass(frozen=True)
class UploaderTexts:
    """What an uploader says.

    Of both kinds: `choose` is the button, `drop` stands beside it ("or drop them here"). Why
    something failed: `too_large` (with `{limit}`), `unreadable`, `empty`, `too_many` (photos),
    `busy` (a job uses the project), `disk_full`, `away` (no connection), `crowded` (too much at
    once), `too_many_projects` (of this visitor), `gone` (no such project), `not_allowed`, `other`.
    For a video, `away` and `crowded` also say that it goes on by itself.

    Of photos: `waiting`, `sending` and `sent` stand in each one's row; `photos_sent` is read out
    at the end (`{sent}`, `{all}`, `{failed}`).

    Of a video: `starting`, `sending`, `looking` (the service examines it) and `stopped`
    (`{percent}`) say where it stands, `progress` names the bar. Its figures: `percent`
    (`{percent}`), `amount` (`{sent}`, `{size}`), `left` (`{time}`); `spoken` (`{percent}`) is
    read out now and then. `arrived_part` (`{percent}`): choose the same file to go on.
    """

    language: str
    unsupported: str
    choose: str
    drop: str
    try_again: str
    sending: str
    too_large: str
    unreadable: str
    empty: str
    busy: str
    disk_full: str
    away: str
    crowded: str
    gone: str
    not_allowed: str
    other: str
    too_many_projects: str
    too_many: str = ""
    waiting: str = ""
    sent: str = ""
    photos_sent: str = ""
    choose_other: str = ""
    starting: str = ""
    looking: str = ""
    stopped: str = ""
    stop: str = ""
    go_on: str = ""
    progress: str = ""
    percent: str = ""
    amount: str = ""
    left: str = ""
    spoken: str = ""
    arrived_part: str = ""


@dataclass(frozen=True)
class UploaderResult:
    """What came of it in this run.

    Attributes:
        project: that was made for the upload; in every run in which none is given. (A query
            parameter that one run has set can be missing in the next: an event of the browser
            brings along the address that it had.)
        sent: once each. Of photos {"photos": n, "failed": m, "person": name or None} whenever
            one is through, counted since the last time that all were; of a video {"state":
            "ready" or "refused"} when it is. It comes from the browser: ask the service.
    """

    project: str | None
    sent: dict[str, Any] | None


_mount = register("uploader", "transfer", "video_upload", "photo_upload", "uploader")


def uploader(
    key: str,
    *,
    kind: Kind,
    project: str | None,
    accept: str,
    most_bytes: int,
    texts: UploaderTexts,
    person: str = "",
    video: Mapping[str, Any] | None = None,
) -> UploaderResult:
    """A place to choose and drop files. What is being sent goes on over reruns, even while the
    uploader isn't on the page.

    Args:
        key: of the component, unique on the page; another one where all begins anew, because
            the project was deleted.
        kind: several photos of one person, or one video.
        project: where to send to; with None one is made, the same for all uploaders of the page.
        accept: what the browser offers, "image/*,.heic".
        most_bytes: of a file; a larger one isn't sent at all.
        texts: what it says.
        person: whom the photos show.
        video: the project's, as the service tells it, with the address of its upload, `url`:
            "/service/...".
    """
    told = {name: video[name] for name in ("state", "size", "received", "url")} if video else None
    result = _mount(
        key=key,
        data={
            "key": key,
            "kind": kind,
            "project": project,
            "person": person,
            "accept": accept,
            "most_bytes": most_bytes,
            "video": told,
            "texts": asdict(texts),
        },
        default={"project": None, "sent": None},
        on_project_change=nothing,
        on_sent_change=nothing,
    )
    made, sent = result.project, result.sent  # from a browser
    return UploaderResult(
        project=made if project is None and isinstance(made, str) else None,
        sent=_once(key, sent) if isinstance(sent, dict) else None,
    )


def _once(key: str, sent: dict[str, Any]) -> dict[str, Any] | None:
    """What was sent, in the first run that gets to know of it."""
    told = f"{key} sent"
    result = {name: value for name, value in sent.items() if name != "id"}
    if st.session_state.get(told) == sent.get("id"):
        return None
    st.session_state[told] = sent.get("id")
    return result
