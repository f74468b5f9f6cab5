"""What goes wrong: a helpful sentence in both languages, and nothing technical."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from frontend import settings
from frontend.texts import LANGUAGES, Language, texts
from tests.conftest import sampled
from tests.frontend.conftest import Open
from tests.frontend.reading import seen
from tests.support.staged import StagedService, job, photo, video

pytestmark = pytest.mark.sampled(4)

TECHNICAL = re.compile(r"TECHNICAL|Traceback|http|urn:|\b[45]\d\d\b|Error\b|Exception|None\b")


def no_face(staged: StagedService) -> None:
    staged.photos = [photo("NoFaceFound", faces=0)]


def two_faces(staged: StagedService) -> None:
    staged.photos = [photo("AmbiguousFace", faces=2)]


def small_face(staged: StagedService) -> None:
    staged.photos = [photo("FaceTooSmall")]


def blurred_face(staged: StagedService) -> None:
    staged.photos = [photo("PoorFace")]


def not_a_video(staged: StagedService) -> None:
    staged.video = video("refused", "NotAVideo")


def cut_off(staged: StagedService) -> None:
    staged.video = video("refused", "TruncatedVideo")


def too_long(staged: StagedService) -> None:
    staged.video = video("refused", "VideoTooLong")


def odd_video(staged: StagedService) -> None:
    staged.video = video("refused", "SomethingUnheardOf")


def no_token(staged: StagedService) -> None:
    staged.refuse["GET", "000"] = staged.refuse["GET", "1"] = (401, "no-token")


def expired(staged: StagedService) -> None:
    staged.project = False


def cancelled(staged: StagedService) -> None:
    staged.jobs = [job("cancelled")]


def job_without_room(staged: StagedService) -> None:
    staged.jobs = [job("failed", problem={"type": "OutputUnwritable"})]


def job_that_broke(staged: StagedService) -> None:
    staged.jobs = [job("failed", problem={"type": "WorkerStalled"})]


def job_that_met_something_new(staged: StagedService) -> None:
    staged.jobs = [job("failed", problem={"type": "SomethingUnheardOf"})]


@pytest.mark.parametrize("language", sampled(LANGUAGES, 2))
@pytest.mark.parametrize(
    ("wrong", "step", "error", "values"),
    [
        (no_face, "upload", "NoFaceFound", {}),
        (two_faces, "upload", "AmbiguousFace", {"faces": 2}),
        (small_face, "upload", "FaceTooSmall", {}),
        (blurred_face, "upload", "PoorFace", {}),
        (not_a_video, "upload", "NotAVideo", {}),
        (cut_off, "upload", "TruncatedVideo", {}),
        (too_long, "upload", "VideoTooLong", {"most": {"en": "2 h", "ko": "2시간"}}),
        (odd_video, "upload", "other", {}),
        (no_token, None, "no-token", {}),
        (expired, None, "expired", {}),
        (job_without_room, None, "OutputUnwritable", {}),
        (job_that_broke, None, "WorkerCrashed", {}),
        (job_that_met_something_new, None, "other", {}),
    ],
)
@pytest.mark.sampled(4)
def test_it_is_said_what_is_wrong_and_what_helps(
    open_page: Open,
    staged: StagedService,
    wrong: Callable[[StagedService], None],
    step: str | None,
    error: str,
    values: dict[str, object],
    language: Language,
) -> None:
    wrong(staged)
    told = texts(language)
    values = {k: v[language] if isinstance(v, dict) else v for k, v in values.items()}

    written = seen(open_page(step, language))

    assert told(f"errors.{error}.what", **values) in written
    assert told(f"errors.{error}.advice", **values) in written
    assert not TECHNICAL.search(written)


@pytest.mark.parametrize("language", sampled(LANGUAGES, 2))
@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (507, "OutputUnwritable", "OutputUnwritable"),
        (429, "rate-limited", "rate-limited"),
        (503, "StorageError", "unreachable"),
        (500, "", "other"),
    ],
)
@pytest.mark.sampled(4)
def test_a_job_that_cannot_be_started_says_why_and_nothing_is_lost(
    open_page: Open,
    staged: StagedService,
    status: int,
    kind: str,
    error: str,
    language: Language,
) -> None:
    staged.photos = [photo()]
    staged.refuse["POST", "/jobs"] = (status, kind)
    app = open_page("estimate", language)

    app.button(key="go").click().run()

    told = texts(language)
    assert told(f"errors.{error}.what") in seen(app)
    assert told("estimate.go") in seen(app)
    assert not TECHNICAL.search(seen(app))


@pytest.mark.parametrize("language", sampled(LANGUAGES, 2))
def test_a_service_that_is_down_is_asked_again(
    open_page: Open,
    staged: StagedService,
    language: Language,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(settings.ADDRESS_VARIABLE, "http://127.0.0.1:9")

    written = seen(open_page(None, language))

    told = texts(language)
    assert told("errors.unreachable.what") in written
    assert told("errors.unreachable.advice") in written
    assert told("app.trying-again") in written
    assert not TECHNICAL.search(written)


def test_where_one_route_answers_and_another_does_not_the_page_waits(
    open_page: Open, staged: StagedService
) -> None:
    staged.refuse["GET", "/jobs"] = (503, "")

    written = seen(open_page("estimate"))

    assert texts("en")("app.trying-again") in written


@pytest.mark.parametrize("language", sampled(LANGUAGES, 2))
def test_a_service_that_goes_away_during_a_job_costs_nothing(
    open_page: Open, staged: StagedService, language: Language
) -> None:
    staged.jobs = [job("running")]
    staged.refuse["GET", job("running")["id"]] = (503, "")

    written = seen(open_page(None, language))

    assert texts(language)("errors.restarting.what") in written
    assert texts(language)("progress.title") in written


def test_a_job_that_was_started_twice_is_followed(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo()]
    staged.refuse["POST", "/jobs"] = (409, "busy")
    app = open_page("estimate")
    staged.jobs = [job("running")]

    app.button(key="go").click().run()

    assert app.title[0].value == texts("en")("progress.title")


@pytest.mark.parametrize("language", sampled(LANGUAGES, 2))
def test_after_a_cancelled_job_one_begins_again_without_uploading_anything(
    open_page: Open, staged: StagedService, language: Language
) -> None:
    staged.photos = [photo()]
    cancelled(staged)
    told = texts(language)
    assert told("progress.kept-photos", hours=24) in seen(open_page(None, language))

    app = open_page()
    (again,) = [b for b in app.button if b.label == texts("en")("progress.again")]

    again.click().run()

    assert app.title[0].value == texts("en")("estimate.title")
    assert texts("en")("estimate.go") in seen(app)


def test_after_a_cancelled_job_without_photos_none_are_spoken_of(
    open_page: Open, staged: StagedService
) -> None:
    cancelled(staged)

    written = seen(open_page())

    assert texts("en")("progress.kept") in written
    assert "photo" not in written


def test_a_name_is_no_markup(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo() | {"person": "<b>*Anna*</b> :smile: $x$"}]

    written = seen(open_page("upload"))

    assert "<b>*Anna*</b>" not in written
