"""What a listener is told about a job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bystander.server.http.job_watcher import EventPosition, events_since
from bystander.server.models import Job, JobKind, JobProgress, JobState

QUEUED = Job("j", "p", "owner", JobKind.MASK, JobState.QUEUED, {}, created=0)
PROGRESS = JobProgress("analyze", 40, 275, 21.3, 0.1, 11.0)
RUNNING = replace(QUEUED, state=JobState.RUNNING, progress=PROGRESS, preview=3)
DONE = replace(RUNNING, state=JobState.DONE, summary={"kept": 1})
ADDRESS = "/v1/projects/p/jobs/j"


def told(job: Job, seen: EventPosition | None) -> list[str]:
    return [str(event.event) for event in events_since(job, seen, ADDRESS)]


def test_who_comes_first_is_told_everything() -> None:
    assert told(QUEUED, None) == ["state"]
    assert told(RUNNING, None) == ["state", "progress", "preview"]


def test_a_final_state_is_told_last() -> None:
    assert told(DONE, None) == ["progress", "state"]  # the preview is gone by then
    assert told(DONE, EventPosition.of(RUNNING)) == ["state"]


def test_only_what_changed_is_told() -> None:
    seen = EventPosition.of(RUNNING)

    assert told(RUNNING, seen) == []
    assert told(replace(RUNNING, progress=replace(PROGRESS, done=41)), seen) == ["progress"]
    assert told(replace(RUNNING, progress=replace(PROGRESS, stage="render")), seen) == ["progress"]
    assert told(replace(RUNNING, preview=4), seen) == ["preview"]
    assert told(replace(RUNNING, state=JobState.QUEUED), seen) == ["state"]


def test_a_preview_has_an_address_of_its_own() -> None:
    (event,) = events_since(replace(RUNNING, preview=4), EventPosition.of(RUNNING), ADDRESS)

    assert event.data == {"number": 4, "url": f"{ADDRESS}/preview?number=4"}


@pytest.mark.parametrize("job", [QUEUED, RUNNING, DONE])
def test_an_events_id_tells_what_was_seen(job: Job) -> None:
    *others, last = events_since(job, None, ADDRESS)

    # Who was cut off in the middle must get the rest, so only the last event has the id.
    assert [event.id for event in others] == [None] * len(others)
    assert EventPosition.parse(last.id) == EventPosition.of(job)


@pytest.mark.parametrize("token", [None, "", "x", "paused..0.0", "done.render.-1.0", "1.2.3.4"])
def test_an_id_that_is_not_ours_counts_as_nothing_seen(token: str | None) -> None:
    assert EventPosition.parse(token) is None
