"""What the browser kept, used in another project: the same face, the same effect."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st

from frontend.api_types import PhotoView
from frontend.choices import Effect
from frontend.components.people import Used
from frontend.page import effect_of
from frontend.service import Service
from frontend.steps import estimate, remembered
from frontend.steps.remembered import mean_the_same
from tests.frontend.conftest import Open, Shown
from tests.frontend.reading import file_button, press, usual
from tests.support.staged import BOX, HERE, PROJECT, StagedService, photo

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = b64encode(PNG + b" and pixels").decode()
LARGE = b64encode(PNG + bytes(512 * 1024)).decode()
ELSEWHERE = (70.0, 10.0, 90.0, 40.0)


@pytest.fixture
def service(staged: StagedService) -> Iterator[Service]:
    service = Service(staged.url)
    yield service
    service.close()


def two_faces(chosen: int | None, number: int = 3) -> PhotoView:
    found = photo(faces=2, number=number)
    found["faces"][1] = {"box": ELSEWHERE, "quality": 0.9}
    found["chosen"] = chosen
    return found


@pytest.mark.parametrize("chosen", [0, None])
def test_of_several_faces_the_one_meant_before_is_chosen(
    staged: StagedService, service: Service, chosen: int | None
) -> None:
    staged.photos = [two_faces(chosen)]
    near = (71.0, 11.0, 90.0, 41.0)
    mean_the_same(service, Used(PROJECT, {staged.photos[0]["id"]: near}))
    assert staged.photos[0]["chosen"] == 1


def test_a_photo_in_which_the_face_is_not_found_keeps_nobody(
    staged: StagedService, service: Service
) -> None:
    staged.photos = [photo(number=3), two_faces(0, number=4), photo(number=5)]
    away = (500.0, 500.0, 600.0, 600.0)
    used = {f"{3:032x}": away, f"{4:032x}": away, f"{5:032x}": BOX}
    mean_the_same(service, Used(PROJECT, used))
    assert [found["id"] for found in staged.photos] == [f"{5:032x}"]


def test_photos_that_came_otherwise_are_left_alone(staged: StagedService, service: Service) -> None:
    staged.photos = [two_faces(0)]
    mean_the_same(service, Used(PROJECT, {}))
    assert [method for method, _, _ in staged.asked] == ["GET"]


def test_who_is_used_on_the_empty_page_begins_a_project(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]
    told = iter([PROJECT])
    monkeypatch.setattr(remembered, "use", lambda page, known: next(told, None))
    app = open_page(project=None)
    assert app.query_params["project"] in (PROJECT, [PROJECT])
    assert any(path.startswith(HERE) for _, path, _ in staged.asked)


def test_a_preset_is_what_is_drawn_from_then_on(
    open_page: Open, staged: StagedService, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(estimate, "presets", lambda key, **told: given.append(told))
    app = open_page("estimate")
    app.radio(key="effect").set_value("mosaic").run()
    app.radio(key="strength").set_value(4.0).run()
    kept = given[-1]["current"]
    assert kept == {"effect": "mosaic", "strength": "4", "sound": "keep"}

    another = open_page("estimate", **kept)  # as a preset chooses it
    assert another.radio(key="strength").value == 4.0
    press(another, "estimate.go")
    (wanted,) = [body for *asked, body in staged.asked if asked == ["POST", f"{HERE}/jobs"]]
    assert wanted["effect"] == {**usual("mosaic"), "strength": 4.0}


def test_a_preset_has_picture_and_sound_which_hold_instead_of_what_was_chosen(
    open_page: Open, staged: StagedService, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]
    given: list[dict[str, Any]] = []
    to_use: list[dict[str, str]] = []

    def presets(key: str, **told: Any) -> None:
        given.append(told)
        st.button("Use", key="use", on_click=lambda: told["chosen"](to_use[-1]))

    monkeypatch.setattr(estimate, "presets", presets)
    files = iter([b64encode(PNG + b"a").decode()])
    monkeypatch.setattr(estimate, "picture_file", file_button(files))
    app = open_page("estimate", effect="picture", shape="box")
    app.button(key="file").click().run()
    app.radio(key="sound").set_value("mute").run()
    to_use.append(given[-1]["current"])
    assert to_use[-1] == {
        "effect": "picture",
        "shape": "box",
        "picture": b64encode(PNG + b"a").decode(),
        "sound": "mute",
    }
    to_use.append({"effect": "picture", "picture": PICTURE, "sound": "low-pass"})
    app.button(key="use").click().run()
    assert not app.exception
    press(app, "estimate.go")
    assert staged.jobs[-1]["effect"] == usual("picture") | {"picture": PICTURE}
    assert staged.jobs[-1]["sound"] == [{"treatment": "low-pass", "start": None, "end": None}]


def test_a_preset_from_before_leaves_the_sound_as_it_is(
    open_page: Open, staged: StagedService, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]

    def presets(key: str, **told: Any) -> None:
        st.button("Use", key="use", on_click=lambda: told["chosen"]({"effect": "solid"}))

    monkeypatch.setattr(estimate, "presets", presets)
    app = open_page("estimate", sound="mute")
    app.button(key="use").click().run()
    assert app.radio(key="effect").value == "solid"
    assert app.radio(key="sound").value == "mute"


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ({"effect": "solid", "color": "ff0000"}, Effect("solid", color="#ff0000")),
        ({"effect": "picture", "picture": PICTURE}, Effect("picture", picture=PICTURE)),
        ({"effect": "picture", "picture": "R0lGODlh"}, Effect("picture")),  # a GIF
        ({"effect": "picture", "picture": "<b>"}, Effect("picture")),
        ({"effect": "picture", "picture": LARGE}, Effect("picture")),
        ({"effect": "mosaic", "strength": "nan"}, Effect("mosaic")),
        ({"effect": "mosaic", "strength": "999", "color": "<b>"}, Effect("mosaic")),
        ({"effect": "none"}, None),
        ({}, None),
    ],
)
def test_a_preset_that_somebody_has_changed_is_no_weaker(
    given: dict[str, str], effect: Effect | None
) -> None:
    assert effect_of(given) == effect
