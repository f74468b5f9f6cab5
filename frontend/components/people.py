"""People whom this browser keeps for the next video: their photos are there, and on no server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypedDict

import streamlit as st

from frontend.components.parts import nothing, register

ID: Final = re.compile("[0-9a-f]{1,64}")


class Keepable(TypedDict):
    """Somebody of this project.

    Attributes:
        photos: of each the address of the `picture`, and the `box` of the face that is meant.
    """

    name: str
    photos: list[dict[str, Any]]


@dataclass(frozen=True)
class PeopleTexts:
    """`title` stands above those who are kept; `use` and `forget` are the buttons of each, named
    `use_whom` and `forget_whom` (`{name}`); `sending` and `forgotten` (`{name}`) are read out. Why
    photos couldn't be sent: as `UploaderTexts`.

    `about` says what keeping means, above buttons that do: `keep` (`{name}`). `kept`, and `unkept`
    where this browser doesn't (`{name}`)."""

    language: str
    title: str
    use: str
    use_whom: str
    forget: str
    forget_whom: str
    sending: str
    forgotten: str
    about: str
    keep: str
    kept: str
    unkept: str
    too_large: str
    unreadable: str
    too_many: str
    busy: str
    disk_full: str
    away: str
    crowded: str
    gone: str
    not_allowed: str
    other: str
    too_many_projects: str


@dataclass(frozen=True)
class Used:
    """Somebody was used: `photos` of theirs are in `project`, by id, each with the box of the face
    that is meant, in its pixels."""

    project: str
    photos: dict[str, tuple[float, float, float, float]]


_mount = register("people", "store", "transfer", "people_store", "people")


def use_people(
    key: str, *, project: str | None, known: Sequence[str], texts: PeopleTexts
) -> Used | None:
    """List those whom this browser keeps; each can be used here, or forgotten.

    Args:
        key: of the component, unique on the page.
        project: where to; with None one is made, the same as for the uploaders of the page.
        known: names of people who are in it already.
        texts: what it says.

    Returns:
        Who was used, in the first run that gets to know of it.
    """
    data = {"project": project, "known": list(known), "people": None, "texts": asdict(texts)}
    result = _mount(key=key, data=data, default={"used": None}, on_used_change=nothing)
    match result.used:  # it came from a browser
        case {"id": str(number), "project": str(where), "photos": list(photos)}:
            told = f"{key} used"
            if st.session_state.get(told) == number or not ID.fullmatch(where):
                return None
            st.session_state[told] = number
            return Used(where, dict(filter(None, map(_photo, photos))))
    return None


def keep_people(key: str, *, people: Sequence[Keepable], texts: PeopleTexts) -> None:
    """Offer to keep those of this project who aren't kept yet.

    Args:
        key: of the component, unique on the page.
        people: of the project, whose photos can be used.
        texts: what it says.
    """
    _mount(key=key, data={"people": list(people), "texts": asdict(texts)})


def _photo(given: object) -> tuple[str, tuple[float, float, float, float]] | None:
    match given:
        case {"id": str(photo), "box": [x0, y0, x1, y1]} if ID.fullmatch(photo):
            try:
                return photo, (float(x0), float(y0), float(x1), float(y1))
            except (TypeError, ValueError):
                return None
    return None
