"""A job whose beginning the run of a page didn't live to see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from frontend import starting
from frontend.choices import Effect
from frontend.starting import STARTING, UNDER_WAY, Start
from frontend.texts import texts
from tests.frontend.conftest import Open
from tests.frontend.reading import seen
from tests.support.staged import HERE, PROJECT, StagedService, job, photo

SAID = texts("en")


def asked_for(staged: StagedService) -> list[object]:
    """The bodies of what was asked to begin."""
    return [
        body for method, path, body in staged.asked if (method, path) == ("POST", f"{HERE}/jobs")
    ]


@pytest.mark.parametrize("answer", [None, (409, "busy")])
def test_the_next_run_asks_again_and_shows_the_job(
    open_page: Open, staged: StagedService, answer: tuple[int, str] | None
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    if answer:
        staged.refuse["POST", "/jobs"] = answer
    staged.jobs = [job("running")]
    app.session_state[STARTING] = Start(PROJECT, "mask", Effect(), [], True)
    app.run()

    assert app.title[0].value == SAID("progress.title")
    assert len(asked_for(staged)) == 1
    assert STARTING not in app.session_state


def test_what_failed_is_said_and_not_tried_again(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo()]
    staged.refuse["POST", "/jobs"] = (507, "OutputUnwritable")
    app = open_page("estimate")
    app.session_state[STARTING] = Start(PROJECT, "mask", Effect(), [], True)
    app.run()

    assert SAID("errors.OutputUnwritable.what") in seen(app)
    assert SAID("estimate.go") in seen(app)
    app.run()
    assert SAID("errors.OutputUnwritable.what") not in seen(app)
    assert len(asked_for(staged)) == 1


def test_one_that_is_under_way_is_waited_for(
    open_page: Open, staged: StagedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    staged.refuse["POST", "/jobs"] = (409, UNDER_WAY)
    waiting = SimpleNamespace(sleep=lambda seconds: staged.refuse.clear())
    monkeypatch.setattr(starting, "time", waiting)
    staged.jobs = [job("running")]
    app.session_state[STARTING] = Start(PROJECT, "mask", Effect(), [], True)
    app.run()

    assert app.title[0].value == SAID("progress.title")
    first, second = staged.keys
    assert first == second


def test_of_another_project_nothing_begins(open_page: Open, staged: StagedService) -> None:
    staged.photos = [photo()]
    app = open_page("estimate")
    app.session_state[STARTING] = Start("f" * 32, "mask", Effect(), [], True)
    app.run()

    assert app.title[0].value == SAID("estimate.title")
    assert asked_for(staged) == []
    assert STARTING not in app.session_state
