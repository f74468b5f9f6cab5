"""Effect, strength and colour, their preview, and the time that it takes."""

from __future__ import annotations

from base64 import b64encode

import pytest

from frontend.steps import estimate
from tests.frontend.conftest import Open, Shown
from tests.frontend.reading import ENGLISH, file_button, press, seen, usual
from tests.support.staged import HERE, StagedService, job, kept, person, photo

pytestmark = pytest.mark.long


def test_the_preview_shows_the_chosen_effect_on_this_video(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    assert app.slider(key="at").value == staged.moment["seconds"], "a moment that shows somebody"
    assert ENGLISH("estimate.shown-mask") in seen(app)
    app.radio(key="effect").set_value("solid").run()
    app.slider(key="at").set_value(40.0).run()

    here = f"/service{HERE.removeprefix('/v1')}"
    asked = "effect=solid&strength=1&color=%23202020&shape=silhouette"
    assert shown[-1]["picture"] == f"{here}/preview?{asked}&at=40"
    assert shown[-1]["clip"] == f"{here}/preview/clip?{asked}&at=40"


def test_what_is_measured_is_not_disturbed_by_making_a_preview(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    open_page("estimate")

    clips = [told["clip"] for told in shown]
    assert clips[0] is None
    assert clips[-1] is not None
    asked = [path.rpartition("/")[2] for _, path, _ in staged.asked]
    assert asked.count("estimate") == 2


def test_the_moment_is_looked_for_anew_when_other_people_are_to_be_kept(
    open_page: Open, staged: StagedService
) -> None:
    def looks() -> int:
        return sum(path.endswith("/moment") for _, path, _ in staged.asked)

    staged.photos, staged.moment = [photo()], {"seconds": 7.0, "people": 2, "kept": []}
    app = open_page("estimate")
    app.radio(key="effect").set_value("solid").run()
    assert looks() == 1
    assert ENGLISH("estimate.shown-missed") in seen(app)

    press(app, "app.back")
    staged.photos.append(photo(number=4))
    press(app, "app.continue")
    assert looks() == 2


def test_a_service_that_cannot_tell_the_moment_shows_the_middle(
    open_page: Open, staged: StagedService
) -> None:
    staged.refuse["GET", "/moment"] = (503, "")

    assert open_page("estimate").slider(key="at").value == 40.0


def test_a_video_that_was_analysed_has_a_picture_by_its_verdicts(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    staged.people, staged.jobs, staged.result = [person(1)], [job("done")], True

    app = open_page("estimate")

    assert ENGLISH("estimate.shown-render") in seen(app)
    assert shown[-1]["clip"] is None


def test_the_time_is_asked_for_what_will_be_done(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    app.checkbox[0].uncheck().run()
    assert staged.queries[-1] == {"kind": "mask", "audit": "False"}

    staged.people = [person(1)]
    open_page("estimate")
    assert staged.queries[-1] == {"kind": "render", "audit": "True"}


def test_a_time_that_was_not_measured_says_so_and_the_queue_is_counted(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    written = seen(open_page("estimate"))
    assert ENGLISH("estimate.guessed") not in written
    assert "waiting before" not in written

    staged.estimate |= {"sampled": False, "queue_position": 3, "starts_in": 190.0}
    written = seen(open_page("estimate"))
    assert ENGLISH("estimate.guessed") in written
    assert ENGLISH("estimate.queue", n=3, time="3 min 10 s") in written


def test_the_effect_outlives_going_back_and_a_reload(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    app.radio(key="effect").set_value("mosaic").run()
    press(app, "app.back")
    press(app, "app.continue")
    assert app.radio(key="effect").value == "mosaic"
    assert app.query_params["effect"] == "mosaic"

    again = open_page("estimate", effect="mosaic")
    assert again.radio(key="effect").value == "mosaic"
    press(again, "estimate.go")
    (started,) = [body for method, path, body in staged.asked if method == "POST"]
    assert started["effect"] == usual("mosaic")


def test_strength_and_colour_outlive_other_steps_and_a_reload_and_are_what_is_drawn(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate", effect="mosaic", strength="2")
    assert app.radio(key="strength").value == 2.0
    app.radio(key="strength").set_value(4.0).run()
    assert "preview?effect=mosaic&strength=4&" in shown[-1]["picture"]
    app.radio(key="effect").set_value("solid").run()
    app.color_picker(key="color").set_value("#ff0080").run()
    assert "color=%23ff0080" in shown[-1]["picture"]
    assert app.query_params["color"] == "ff0080"
    press(app, "app.back")
    press(app, "app.continue")
    assert app.color_picker(key="color").value == "#ff0080"
    app.radio(key="effect").set_value("mosaic").run()
    assert app.radio(key="strength").value == 4.0

    again = open_page("estimate", effect="solid", strength="4", color="ff0080")
    press(again, "estimate.go")

    wanted = usual("solid") | {"strength": 4.0, "color": "#ff0080"}
    assert staged.jobs[-1]["effect"] == wanted


def test_a_shape_outlives_a_reload_and_is_what_is_drawn(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate", effect="blur", shape="none")
    assert app.radio(key="shape").value == "silhouette"
    app.radio(key="shape").set_value("blob").run()
    assert "shape=blob" in shown[-1]["picture"]
    assert app.query_params["shape"] == "blob"

    press(open_page("estimate", effect="blur", shape="box"), "estimate.go")
    assert staged.jobs[-1]["effect"] == usual("blur") | {"shape": "box"}


def test_the_sound_is_treated_as_chosen_and_outlives_a_reload(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    assert app.radio(key="sound").value == "keep"
    assert "sound" not in app.query_params
    app.radio(key="sound").set_value("low-pass").run()
    assert ENGLISH("sounds.low-pass-help") in seen(app)
    assert app.query_params["sound"] == "low-pass"

    press(open_page("estimate", sound="low-pass"), "estimate.go")

    assert staged.jobs[-1]["sound"] == [{"treatment": "low-pass", "start": None, "end": None}]


def test_spans_that_another_client_asked_for_stay(open_page: Open, staged: StagedService) -> None:
    spans = [{"treatment": "mute", "start": 1.0, "end": 2.0}]
    staged.people, staged.jobs, staged.result = [person(1)], [job("done", sound=spans)], True
    press(open_page("estimate"), "estimate.render")
    assert staged.jobs[-1]["sound"] == spans

    staged.jobs = [job("done", sound=spans)]
    app = open_page("estimate")
    app.radio(key="sound").set_value("keep").run()
    press(app, "estimate.render")
    assert staged.jobs[-1]["sound"] == []


def test_a_picture_is_asked_for_and_lies_over_a_colour(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]
    png, gif = b"\x89PNG\r\n\x1a\n and pixels", b"GIF89a"
    files = (b64encode(file).decode() for file in (gif, png))
    monkeypatch.setattr(estimate, "picture_file", file_button(files))
    app = open_page("estimate", effect="picture", color="ff0080")
    assert ENGLISH("estimate.no-picture") in seen(app)
    assert app.color_picker(key="color").value == "#ff0080"

    app.button(key="file").click().run()
    assert ENGLISH("estimate.no-picture") in seen(app)  # of what is no PNG nothing is taken
    app.button(key="file").click().run()
    assert ENGLISH("estimate.no-picture") not in seen(app)

    press(app, "estimate.go")
    wanted = {"color": "#ff0080", "picture": b64encode(png).decode()}
    assert staged.jobs[-1]["effect"] == usual("picture") | wanted


def test_what_is_as_usual_is_not_in_the_address(open_page: Open, staged: StagedService) -> None:
    app = open_page("estimate", effect="blur", strength="2", color="ff0080")
    app.radio(key="strength").set_value(1.0).run()

    assert "strength" not in app.query_params
    assert app.query_params["color"] == "ff0080"


@pytest.mark.parametrize(
    ("strength", "color"), [("nan", "red"), ("0.5", "12345"), ("9", "<b>"), ("x", "#202020")]
)
def test_a_strength_or_colour_that_is_none_is_the_usual_one(
    open_page: Open, staged: StagedService, shown: Shown, strength: str, color: str
) -> None:
    app = open_page("estimate", effect="mosaic", strength=strength, color=color)

    assert app.radio(key="strength").value == 1.0
    assert "color=%23202020" in shown[-1]["picture"]


def test_a_video_is_made_again_with_the_effect_of_the_last_time(
    open_page: Open, staged: StagedService
) -> None:
    used = usual("mosaic") | {"strength": 3.0, "color": "#123456", "shape": "box"}
    staged.jobs, staged.result, staged.people = [job("done", effect=used)], True, [person(1)]
    staged.edits = [kept()]
    assert open_page("estimate").radio(key="strength").value == 3.0

    press(open_page("review"), "review.render-again")

    assert staged.jobs[-1]["effect"] == used


def test_an_address_with_an_effect_that_is_none_is_taken_for_one_without(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]

    assert open_page("estimate", effect="<b>").radio(key="effect").value == "blur"
