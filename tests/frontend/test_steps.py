"""The way through: which step one is at, what it shows, and what a click does."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from frontend.components.uploader import UploaderResult
from frontend.steps import result, review, upload
from frontend.texts import LANGUAGES, Language, texts
from tests.frontend.conftest import Open, Shown
from tests.frontend.reading import ENGLISH, press, seen, usual
from tests.support.staged import (
    HERE,
    JOB,
    StagedService,
    audit,
    finding,
    job,
    kept,
    person,
    photo,
    video,
)

pytestmark = pytest.mark.sampled(4)


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
    app = open_page("estimate")

    app.button(key="language").click().run()

    following = LANGUAGES[(LANGUAGES.index("en") + 1) % len(LANGUAGES)]
    assert app.title[0].value == texts(following)("estimate.title")
    assert app.query_params["lang"] == following


def test_where_one_comes_back_to_is_where_the_work_is(
    open_page: Open, staged: StagedService
) -> None:
    def step() -> str:
        return str(open_page().title[0].value)

    staged.video = video("uploading")
    assert step() == ENGLISH("upload.title")
    staged.video, staged.photos = video(), [photo()]
    assert step() == ENGLISH("upload.title")
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
    assert app.title[0].value == ENGLISH("estimate.title")


def test_an_old_address_leads_to_the_page_that_shows_the_same_now(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo()]

    assert open_page("confirm").title[0].value == ENGLISH("upload.title")


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


class Picker:
    """In the place of the uploader: what came of the photos sent by it, by its key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived: dict[str, str] = {}
        self.shown: dict[str, str] = {}
        monkeypatch.setattr(upload, "uploader", self._uploader)

    def _uploader(self, key: str, *, person: str = "", **_: object) -> UploaderResult:
        self.shown[key] = person
        whom = self.arrived.pop(key, None)
        sent = {"photos": 1, "failed": 0, "person": whom}
        return UploaderResult(None, sent if whom else None)


def test_photos_are_shown_as_they_come_and_the_rest_comes_to_the_same_person(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaders = Picker(monkeypatch)
    app = open_page("upload")
    first = ENGLISH("upload.person", n=1)
    (own,) = [key for key, person in uploaders.shown.items() if person == first]

    staged.photos = [photo() | {"person": first}]
    uploaders.arrived[own] = first
    uploaders.shown.clear()
    app.run()
    assert uploaders.shown[own] == first, "what is still on its way is shown at this person"
    assert [field.value for field in app.text_input] == [first, ENGLISH("upload.person", n=2)]

    app.text_input[0].set_value("Anna").run()
    staged.photos.append(photo(number=4) | {"person": first})  # it was on its way
    app.run()
    assert [found["person"] for found in staged.photos] == ["Anna", "Anna"]
    assert uploaders.shown[own] == "Anna"


def test_somebody_may_be_called_as_somebody_was_before(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    Picker(monkeypatch)
    staged.photos = [photo()]
    app = open_page("upload")
    app.text_input[0].set_value("Hana").run()
    app.text_input[-1].set_value("Anna").run()

    staged.photos.append(photo(number=4))
    app.run()

    assert [found["person"] for found in staged.photos] == ["Hana", "Anna"]


def test_another_face_can_be_chosen_right_there(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks = [1]
    monkeypatch.setattr(upload, "face_picker", lambda *_, **__: clicks.pop() if clicks else None)
    staged.photos = [photo("AmbiguousFace", faces=2)]

    written = seen(open_page("upload"))

    assert staged.photos[0]["chosen"] == 1
    assert ENGLISH("upload.unusable") not in written


def test_who_has_no_photo_that_can_be_used_is_said_to_be_masked(
    open_page: Open, staged: StagedService
) -> None:
    staged.photos = [photo("NoFaceFound", faces=0)]
    assert ENGLISH("upload.unusable-advice") in seen(open_page("upload"))

    staged.photos.append(photo(number=4))
    assert ENGLISH("upload.unusable") not in seen(open_page("upload"))


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
    assert started == {"kind": "mask", "effect": usual("mosaic"), "sound": [], "audit": True}
    assert app.title[0].value == ENGLISH("progress.title")


def started_jobs(staged: StagedService) -> list[object]:
    return [body for method, _, body in staged.asked if method == "POST"]


def clicked_in_vain(open_page: Open, staged: StagedService) -> AppTest:
    """A page whose work was asked for in a run that didn't come to the button."""
    staged.photos = [photo()]
    app = open_page("estimate")
    staged.refuse["GET", "/people"] = (429, "rate-limited")
    press(app, "estimate.go")
    return app


def test_a_click_counts_though_its_run_never_comes_to_the_button(
    open_page: Open, staged: StagedService
) -> None:
    app = clicked_in_vain(open_page, staged)
    assert started_jobs(staged) == []

    del staged.refuse["GET", "/people"]
    app.run()
    assert len(started_jobs(staged)) == 1
    app.run()
    assert len(started_jobs(staged)) == 1  # and only once


def test_a_click_is_forgotten_with_the_step_it_was_made_on(
    open_page: Open, staged: StagedService
) -> None:
    app = clicked_in_vain(open_page, staged)
    press_back = [button for button in app.button if button.label == ENGLISH("app.back")]
    assert not press_back  # the page says what is wrong instead

    del staged.refuse["GET", "/people"]
    app.query_params["step"] = "upload"
    app.run()
    press(app, "app.continue")
    assert started_jobs(staged) == []


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_result_says_how_much_is_filled(
    open_page: Open, staged: StagedService, language: Language
) -> None:
    staged.jobs, staged.result = [job("done", summary={"people": 1, "filled": 0.827})], True
    sentence = texts(language)("result.filled", filled=83, blurred=17)
    assert sentence in seen(open_page("result", language))

    staged.jobs = [job("done", summary={"people": 1})]
    assert sentence not in seen(open_page("result", language))


def test_changes_ask_for_another_rendering(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1)]
    assert ENGLISH("review.result") in seen(open_page("review"))

    staged.edits = [kept()]
    app = open_page("review")
    assert ENGLISH("review.changed") in seen(app)
    press(app, "review.render-again")
    assert staged.jobs[-1]["kind"] == "render"

    staged.jobs[-1] = job("done", "render", edits=1)
    assert ENGLISH("review.result") in seen(open_page("review"))


def test_the_player_gets_the_project_and_its_sentences(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(review, "editor", lambda _, **more: given.update(more))
    staged.jobs, staged.result, staged.people = [job("done")], True, [person(1)]
    staged.audit = audit()

    open_page("review", "ko")

    base = f"/service{HERE.removeprefix('/v1')}"
    assert (given["base"], given["video"], given["checked"]) == (base, f"{base}/video/file", JOB)
    korean = texts("ko")
    assert given["texts"]["keep_on"] == korean("editor.keep_on")
    assert given["texts"]["why_doubt"] == korean("why.doubt")
    assert given["texts"]["finding_face"] == korean("audit.face")


def test_a_video_is_not_made_without_changes_that_are_not_saved_yet(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "editor", lambda *_, **__: True)
    staged.jobs, staged.result, staged.edits = [job("done")], True, [kept()]
    staged.people = [person(1)]

    app = open_page("review")

    (again,) = [b for b in app.button if b.label == ENGLISH("review.render-again")]
    assert again.disabled
    assert ENGLISH("review.unsaved") in seen(app)


def test_a_result_that_fits_no_more_is_not_shown_as_if_it_did(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(result, "compare", lambda *_, after, **__: shown.append(after))
    staged.jobs, staged.result, staged.people = [job("done")], True, [person(1)]
    assert ENGLISH("result.stale") not in seen(open_page("result"))
    assert "allow_stale" not in shown[-1]

    staged.edits = [kept()]
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


def test_the_audit_is_told_in_plain_words(open_page: Open, staged: StagedService) -> None:
    staged.jobs, staged.result = [job("done")], True
    assert ENGLISH("audit.none") in seen(open_page("result"))

    staged.audit = audit()
    assert ENGLISH("audit.passed") in seen(open_page("result"))

    staged.audit = audit(finding("visible face", 65.0), finding("metadata", 0.0, None))
    written = seen(open_page("result"))
    assert ENGLISH("audit.failed") in written
    assert ENGLISH("audit.file") in written
    assert ENGLISH("audit.report") in written
    assert f"](/service{HERE.removeprefix('/v1')}/audit)" in written


def test_without_photos_nothing_is_said_of_photos_and_the_effect_can_be_chosen(
    open_page: Open, staged: StagedService, shown: Shown
) -> None:
    app = open_page("upload")
    assert ENGLISH("upload.no-photos") in seen(app)
    press(app, "app.continue")
    assert ENGLISH("estimate.nobody-advice") not in seen(app), "once is enough"
    assert ENGLISH("estimate.shown-analyze") in seen(app)
    assert "/preview?effect=blur" in shown[-1]["picture"]
    app.radio(key="effect").set_value("solid").run()
    assert "/preview?effect=solid" in shown[-1]["picture"]
    press(app, "estimate.mask-all")
    (started,) = [body for method, path, body in staged.asked if method == "POST"]
    assert started == {"kind": "mask", "effect": usual("solid"), "sound": [], "audit": True}

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
    staged.audit = audit()
    assert ENGLISH("audit.look") not in seen(open_page("review"))

    staged.audit = audit(finding("visible face", 0.5))
    assert ENGLISH("audit.look") in seen(open_page("review"))
