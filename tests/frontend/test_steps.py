"""The way through: which step one is at, what it shows, and what a click does."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from frontend.steps import result, review
from frontend.texts import LANGUAGES, Language, texts
from tests.frontend.conftest import Open
from tests.support.staged import HERE, StagedService, job, person, photo, video

ENGLISH = texts("en")


def seen(app: AppTest) -> str:
    """All that is written on the page, but what components show."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.error, app.warning,
             app.info, app.success)  # fmt: skip
    written = [str(element.value) for kind in kinds for element in kind]
    written += [str(element.proto.body) for element in app.get("html")]
    return "\n".join([*written, *(button.label for button in app.button)])


def press(app: AppTest, key: str) -> AppTest:
    """Click on the button with this sentence."""
    label = ENGLISH(key)
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_opens_at_the_upload_in_the_language_asked_for(
    open_page: Open, language: Language
) -> None:
    app = open_page(language=language, project=None)

    assert app.title[0].value == texts(language)("upload.title")
    assert app.button(key="language").label == texts(language)("app.other-language")


def test_the_switch_changes_the_language_and_keeps_the_place(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    app = open_page("confirm")

    app.button(key="language").click().run()

    following = LANGUAGES[(LANGUAGES.index("en") + 1) % len(LANGUAGES)]
    assert app.title[0].value == texts(following)("confirm.title")
    assert app.query_params["lang"] == following


def test_where_one_comes_back_to_is_where_the_work_is(
    open_page: Open, staged: StagedService
) -> None:
    def step() -> str:
        return str(open_page().title[0].value)

    staged.video = video("uploading")
    assert step() == ENGLISH("upload.title")
    staged.video = video()
    assert step() == ENGLISH("confirm.title-video")
    staged.photos = [photo()]
    assert step() == ENGLISH("confirm.title")
    staged.jobs = [job("running")]
    assert step() == ENGLISH("progress.title")
    staged.jobs = [job("done", "analyze")]
    staged.people = [person(1)]
    assert step() == ENGLISH("review.title")
    staged.jobs, staged.result = [job("done")], True
    assert step() == ENGLISH("result.title")
    staged.jobs = [job("done"), job("failed", "render", problem={"type": "x"})]
    assert step() == ENGLISH("progress.failed")


@pytest.mark.parametrize("step", ["confirm", "estimate", "review", "result", "progress", "x"])
@pytest.mark.sampled(3)
def test_a_step_that_is_not_possible_yet_is_not_shown(
    open_page: Open, staged: StagedService, step: str
) -> None:
    staged.video = video("absent")

    assert open_page(step).title[0].value == ENGLISH("upload.title")


@pytest.mark.parametrize("step", ["confirm", "estimate", "review", "result"])
def test_while_a_job_runs_there_is_nothing_to_change(
    open_page: Open, staged: StagedService, step: str
) -> None:
    staged.jobs = [job("running")]

    assert open_page(step).title[0].value == ENGLISH("progress.title")


def test_one_can_go_on_only_with_a_whole_video(open_page: Open, staged: StagedService) -> None:
    staged.video = video("uploading")
    (on,) = [b for b in open_page("upload").button if b.label == ENGLISH("app.continue")]
    assert on.disabled

    staged.video = video()
    app = press(open_page("upload"), "app.continue")
    assert app.title[0].value == ENGLISH("confirm.title-video")


def test_photos_are_grouped_by_person_and_renamed_together(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo(number=3), photo(number=4), photo(number=5) | {"person": "Ben"}]
    app = open_page("upload")
    names = [field.value for field in app.text_input]
    assert names == ["Anna", "Ben", ENGLISH("upload.person", n=3)]

    app.text_input[0].set_value("Hana").run()

    assert [found["person"] for found in staged.photos] == ["Hana", "Hana", "Ben"]


def test_a_photo_can_be_taken_out_once_one_is_sure(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo(number=3), photo(number=4)]

    app = open_page("upload")
    app.button(key=f"remove-{3:032x}").click().run()
    assert ENGLISH("upload.remove-what") in seen(app)
    assert len(staged.photos) == 2
    app.button(key="sure").click().run()

    assert [found["id"] for found in staged.photos] == [f"{4:032x}"]


def test_with_photos_everyone_else_is_masked_and_the_result_checked(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    assert "1 min 20 s" in seen(app)
    assert "1 min" in seen(app)
    app.radio(key="effect").set_value("mosaic").run()

    press(app, "estimate.go")

    (started,) = [body for method, path, body in staged.asked if method == "POST"]
    assert started == {"kind": "mask", "effect": {"name": "mosaic"}, "audit": True}
    assert app.title[0].value == ENGLISH("progress.title")


def test_the_preview_shows_the_chosen_effect_on_this_video(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    app.radio(key="effect").set_value("solid").run()
    app.slider(key="at").set_value(40).run()

    assert f"/service{HERE.removeprefix('/v1')}/preview?effect=solid&amp;at=40" in seen(app)


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


@pytest.mark.parametrize(("before", "key"), [(2, "progress.queue"), (0, "progress.next")])
def test_a_job_that_waits_says_for_how_many_and_how_long(
    open_page: Open, staged: StagedService, before: int, key: str
) -> None:
    staged.jobs = [job("queued", queue_position=before, starts_in=95.0)]

    written = seen(open_page())

    assert ENGLISH("progress.queued") in written
    assert ENGLISH(key, n=before, time="1 min 35 s") in written


def test_without_photos_everyone_is_looked_for_first(
    open_page: Open, staged: StagedService
) -> None:
    app = press(open_page("estimate"), "estimate.find")

    assert staged.jobs[-1]["kind"] == "analyze"
    assert app.title[0].value == ENGLISH("finding.title")


def test_progress_says_stage_percent_and_time_left(open_page: Open, staged: StagedService) -> None:
    staged.jobs = [job("running")]

    written = seen(open_page())

    assert "20%" in written
    assert ENGLISH("progress.analyze") in written
    assert ENGLISH("progress.left", time="1 min 23 s") in written
    assert f"/service{HERE.removeprefix('/v1')}/jobs/" in written


def test_a_job_that_went_on_after_an_interruption_says_so(
    open_page: Open, staged: StagedService
) -> None:
    staged.jobs = [job("running", resumed=1)]

    assert ENGLISH("progress.resumed") in seen(open_page())


def test_a_done_job_leads_to_the_review_and_a_rendered_one_to_the_result(
    open_page: Open, staged: StagedService
) -> None:
    staged.people, staged.result = [person(1)], True
    staged.jobs = [job("done", "mask")]
    assert open_page("progress").title[0].value == ENGLISH("review.title")

    staged.jobs.append(job("done", "render"))
    assert open_page("progress").title[0].value == ENGLISH("result.title")


def test_the_seconds_to_look_at_are_said_first(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1, doubtful=True), person(2), person(3, doubtful=True)]

    assert ENGLISH("review.look", time="8 s") in seen(open_page("review"))


def test_changed_verdicts_ask_for_another_rendering(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1)]
    assert ENGLISH("review.result") in seen(open_page("review"))

    staged.keep = ["p1"]
    app = open_page("review")
    assert ENGLISH("review.changed") in seen(app)
    press(app, "review.render-again")
    assert staged.jobs[-1]["kind"] == "render"

    staged.jobs[-1] = job("done", "render", keep=["p1"])
    assert ENGLISH("review.result") in seen(open_page("review"))


def test_a_verdict_toggled_back_asks_for_nothing(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks: list[dict[str, bool]] = []
    monkeypatch.setattr(review, "gallery", lambda *_, **__: clicks.pop() if clicks else {})
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1, "keep", name="Anna", kind="face"), person(2)]
    clicks.append({"p1": False, "p2": True})
    assert ENGLISH("review.changed") in seen(open_page("review"))
    assert (staged.keep, staged.mask) == (["p2"], ["p1"])

    clicks.append({"p1": True, "p2": False})
    written = seen(open_page("review"))

    assert (staged.keep, staged.mask) == ([], [])
    assert ENGLISH("review.changed") not in written
    assert ENGLISH("review.result") in written


def test_a_result_that_fits_no_more_is_not_shown_as_if_it_did(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(result, "compare", lambda *_, after, **__: shown.append(after))
    staged.jobs, staged.result, staged.people = [job("done")], True, [person(1)]
    assert ENGLISH("result.stale") not in seen(open_page("result"))
    assert "allow_stale" not in shown[-1]

    staged.keep = ["p1"]
    assert open_page().title[0].value == ENGLISH("review.title")
    written = seen(open_page("result"))
    assert ENGLISH("result.stale-advice") in written
    assert ENGLISH("result.download-stale") in written
    assert ENGLISH("result.download") not in written.replace(ENGLISH("result.download-stale"), "")
    assert "allow_stale=1" in shown[-1]


def test_after_a_rendering_that_was_cancelled_another_one_is_asked_for(
    open_page: Open, staged: StagedService
) -> None:
    staged.people, staged.result = [person(1)], True
    staged.jobs = [job("done"), job("cancelled", "render")]

    assert ENGLISH("review.unfinished") in seen(open_page("review"))


def test_a_crowd_is_shown_in_parts(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(number) for number in range(1, 51)]

    app = open_page("review")

    assert ENGLISH("review.more", n=24) in seen(app)
    (more,) = [b for b in app.button if b.label == ENGLISH("review.more", n=24)]
    more.click().run()
    assert ENGLISH("review.more", n=2) in seen(app)


def test_the_audit_is_told_in_plain_words(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    found = {"severity": "leak", "start": 64.0, "end": 66.0, "seconds": 65.0, "frame": 1950}
    assert ENGLISH("audit.none") in seen(open_page("result"))

    staged.audit = {"passed": True, "frames": 2400, "seconds": 80.0, "findings": []}
    assert ENGLISH("audit.passed") in seen(open_page("result"))

    staged.audit = staged.audit | {
        "passed": False,
        "findings": [found | {"kind": "visible face"}, found | {"kind": "metadata", "frame": None}],
    }
    written = seen(open_page("result"))
    assert ENGLISH("audit.failed") in written
    assert ENGLISH("audit.file") in written
    assert ENGLISH("audit.report") in written
    assert f"](/service{HERE.removeprefix('/v1')}/audit)" in written


@pytest.mark.parametrize("state", ["result", "review", "cancelled", "failed"])
@pytest.mark.sampled(2)
def test_deleting_everything_asks_once_more_says_what_is_lost_and_that_it_is_gone(
    open_page: Open, staged: StagedService, state: str
) -> None:
    staged.people = [person(1)]
    if state in ("result", "review"):
        staged.jobs, staged.result = [job("done")], True
    else:
        staged.jobs = [job(state, problem={"type": "WorkerCrashed"})]

    app = press(open_page("progress" if state == "cancelled" else state), "result.delete")

    assert ENGLISH("result.delete-what") in seen(app)
    assert app.button(key="sure").label == ENGLISH("result.delete")
    assert "DELETE" not in {method for method, _, _ in staged.asked}
    app.button(key="sure").click().run()
    assert "DELETE" in {method for method, _, _ in staged.asked}
    assert ENGLISH("app.deleted") in seen(app)
    assert app.title[0].value == ENGLISH("upload.title")


def test_whoever_is_not_sure_keeps_everything(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True

    app = press(open_page("result"), "result.delete")
    app.button(key="unsure").click().run()

    assert staged.project
    assert app.title[0].value == ENGLISH("result.title")
    assert ENGLISH("result.delete-what") not in seen(app)


def test_cancelling_asks_once_more_and_says_what_is_lost(
    open_page: Open, staged: StagedService
) -> None:
    staged.jobs, staged.photos = [job("running")], [photo()]

    app = press(open_page(), "progress.cancel")

    assert ENGLISH("progress.cancel-what") in seen(app)
    assert staged.jobs[-1]["state"] == "running"
    app.button(key="sure").click().run()
    assert staged.jobs[-1]["state"] == "cancelled"
    assert app.title[0].value == ENGLISH("progress.cancelled")


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
    assert started["effect"] == {"name": "mosaic"}


def test_an_address_with_an_effect_that_is_none_is_taken_for_one_without(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]

    assert open_page("estimate", effect="<b>").radio(key="effect").value == "blur"


def test_without_photos_nothing_is_said_of_photos_and_the_effect_can_be_chosen(
    open_page: Open, staged: StagedService
) -> None:
    app = press(open_page("upload"), "app.continue")
    assert app.title[0].value == ENGLISH("confirm.title-video")
    assert ENGLISH("confirm.nobody") in seen(app)
    assert ENGLISH("confirm.intro") not in seen(app)
    press(app, "app.continue")
    assert ENGLISH("confirm.nobody-advice") not in seen(app), "once is enough"
    assert "/preview?effect=blur" in seen(app)
    app.radio(key="effect").set_value("solid").run()
    assert "/preview?effect=solid" in seen(app)
    press(app, "estimate.mask-all")
    (started,) = [body for method, path, body in staged.asked if method == "POST"]
    assert started == {"kind": "mask", "effect": {"name": "solid"}, "audit": True}

    staged.jobs, staged.result, staged.people = [job("done")], True, [person(1)]
    assert ENGLISH("result.photos-gone") not in seen(open_page("result"))


def test_that_the_photos_are_gone_is_said_where_there_were_some(
    open_page: Open, staged: StagedService
) -> None:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1, "keep", name="Anna")]
    assert ENGLISH("result.photos-gone") in seen(open_page("result"))

    staged.people = [person(1)]  # who is in them wasn't found in the video
    staged.jobs = [job("done", summary={"unrecognised": 1})]
    assert ENGLISH("result.photos-gone") in seen(open_page("result"))


def test_the_review_says_that_the_check_has_found_something(
    open_page: Open, staged: StagedService
) -> None:
    staged.jobs, staged.result, staged.people = [job("done")], True, [person(1)]
    staged.audit = {"passed": True, "frames": 1, "seconds": 1.0, "findings": []}
    assert ENGLISH("audit.look") not in seen(open_page("review"))

    staged.audit["passed"] = False
    assert ENGLISH("audit.look") in seen(open_page("review"))
