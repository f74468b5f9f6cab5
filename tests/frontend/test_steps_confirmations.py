"""What can't be taken back is asked for once more, with what is lost."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.frontend.conftest import Open
from tests.frontend.reading import ENGLISH, press, seen
from tests.support.staged import StagedService, job, person, photo

pytestmark = pytest.mark.sampled(4)


@pytest.mark.parametrize("state", ["result", "review", "cancelled", "failed"])
@pytest.mark.sampled(2)
def test_deleting_everything_asks_once_more_says_what_is_lost_and_that_it_is_gone(
    open_page: Open,
    staged: StagedService,
    state: Literal["result", "review", "cancelled", "failed"],
) -> None:
    staged.people = [person(1)]
    if state == "result" or state == "review":
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
    assert [one["state"] for one in staged.jobs] == ["running"]
    app.button(key="sure").click().run()
    assert [one["state"] for one in staged.jobs] == ["cancelled"]
    assert app.title[0].value == ENGLISH("progress.cancelled")
