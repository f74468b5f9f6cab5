from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from bystander.server.jobs import execution
from bystander.server.jobs.process import SoundSummary
from bystander.server.jobs.spec import JobSpec, key_of
from bystander.server.models import JobKind, JobProgress, JobState, new_id
from bystander.server.retention import Janitor
from tests.support.house import (
    DONE,
    LONG,
    NAME,
    PICTURE,
    RESULT,
    VIDEO,
    Clock,
    House,
    Steps,
    nothing_left_of,
    progress,
    say,
)
from tests.support.waiting import alive, until

pytestmark = pytest.mark.sampled(4)


def test_a_job_is_done_and_nothing_but_its_outputs_is_left(house: House) -> None:
    project = house.project()
    job = house.job(project)
    script: list[Steps] = [
        [
            progress(50),
            ("write", ["timeline", "who is where"]),
            RESULT,
            ("write", ["audit.html", "fine"]),
            ("write", ["scratch", "nobody's"]),
            DONE,
        ]
    ]
    with house.running(script):
        ended = house.ended(job)
    assert ended.state is JobState.DONE
    assert (ended.attempts, ended.summary, ended.problem) == (1, {"people": 3}, None)
    assert house.result(project.id) == b"masked"
    assert list(house.storage.keys("")) == [
        key_of(project.id, name) for name in ("audit.html", "result.mp4", "timeline", "video")
    ]
    assert nothing_left_of(house, project)
    assert house.result(project.id, "video") == VIDEO


def test_a_worker_gets_the_video_its_order_and_the_usable_photos(
    house: House, tmp_path: Path
) -> None:
    project = house.project()
    (first,) = house.store.photos.list(project.id)
    second, other = house.photo(project), house.photo(project, person="Bob")
    house.photo(project, chosen=None)
    job = house.job(project, profile="fast", audit=True, keep=["p9"])
    copies = [
        ("copy", [name, str(tmp_path / target)])
        for name, target in (
            ("job.json", "job.json"),
            ("video", "video"),
            (f"cast/{second.id}.jpg", "picture"),
        )
    ]
    with house.running([[*copies, DONE]]):
        house.ended(job)
    order = JobSpec.load(tmp_path)
    assert (tmp_path / "video").read_bytes() == VIDEO
    assert (tmp_path / "picture").read_bytes() == PICTURE
    assert (order.kind, order.profile.value, order.audit) == (JobKind.MASK, "fast", True)
    assert [(who.name, [photo.file for photo in who.photos]) for who in order.cast] == [
        (NAME, [f"{first.id}.jpg", f"{second.id}.jpg"]),
        ("Bob", [f"{other.id}.jpg"]),
    ]
    assert order.cast[0].photos[0].box == first.faces[0].box
    assert order.keep == ()  # of the analysis before this one
    assert order.segment_frames == house.settings.jobs.segment_frames


def test_rendering_again_takes_the_stored_analysis_and_the_decisions(
    house: House, tmp_path: Path
) -> None:
    project = house.project()
    house.put(project, "timeline", b"who is where")
    house.store.projects.set_decisions(project.id, ["p2"], ["t17"], "d1")
    job = house.job(project, JobKind.RENDER)
    script: list[Steps] = [
        [
            ("copy", ["job.json", str(tmp_path / "job.json")]),
            ("copy", ["timeline", str(tmp_path / "timeline")]),
            ("write", ["rendered.timeline", "as decided"]),
            RESULT,
            DONE,
        ]
    ]
    with house.running(script):
        assert house.ended(job).state is JobState.DONE
    order = JobSpec.load(tmp_path)
    assert (order.keep, order.mask) == (("p2",), ("t17",))
    assert (tmp_path / "timeline").read_bytes() == b"who is where"
    assert house.result(project.id, "timeline") == b"who is where"
    assert house.result(project.id, "rendered.timeline") == b"as decided"


def test_segments_of_a_result_are_there_for_the_next_one_and_go_with_the_project(
    house: House,
) -> None:
    project = house.project()
    house.put(project, "timeline", b"who is where")
    made = "checkpoints/render/0.segment"
    first = house.job(project)
    with house.running([[("write", [made, "masked"]), RESULT, DONE]]):
        house.ended(first)
    kept = house.data / "segments" / project.id
    assert [path.name for path in kept.iterdir()] == ["0.segment"]

    second = house.job(project, JobKind.RENDER)
    script: list[Steps] = [
        [
            ("copy", ["checkpoints/earlier/0.segment", str(house.data / "found")]),
            ("write", ["checkpoints/render/1.segment", "otherwise"]),
            RESULT,
            DONE,
        ]
    ]
    with house.running(script):
        assert house.ended(second).state is JobState.DONE
    assert (house.data / "found").read_bytes() == b"masked"
    assert [path.name for path in kept.iterdir()] == ["1.segment"]
    assert Janitor(house.store, house.storage, house.settings).purge(project.id)
    assert not kept.exists()


def test_progress_is_of_the_whole_job(house: House) -> None:
    job = house.job()
    with house.running([[progress(50, "analyze"), LONG]]) as runner:
        now = house.at_work(job)
        assert now.progress is not None
        assert (now.progress.stage, now.progress.done, now.progress.total) == ("analyze", 50, 100)
        assert 0 < now.progress.share < 0.5
        assert now.progress.eta is not None
        assert now.progress.eta > 50 / 20
        assert runner.state() == {
            **dict.fromkeys(("queued", "done", "failed", "cancelled"), 0.0),
            "running": 1.0,
            "fps": 20.0,
        }


def test_progress_is_written_a_few_times_a_second_however_often_it_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[JobProgress] = []
    keep = house.store.jobs.progress

    def counting(job: str, state: JobProgress, lease: str) -> bool:
        written.append(state)
        return keep(job, state, lease)

    clock, go = Clock(), tmp_path / "go"
    clock.stands_at = time.monotonic()
    monkeypatch.setattr(execution, "time", clock)
    monkeypatch.setattr(house.store.jobs, "progress", counting)
    job = house.job()
    told = [progress(done) for done in range(100)]
    with house.running([[*told[:50], ("wait_for", str(go)), *told[50:], DONE]]):
        until(lambda: written)
        clock.late += execution.WRITE_SECONDS
        go.touch()
        house.ended(job)
    # Once each time; the second half may be heard in two pieces, and its end is always written.
    assert 2 <= len(written) <= 3
    assert written[-1].done == 99


def test_previews_and_resumptions_are_counted_and_the_newest_preview_is_shown(
    house: House,
) -> None:
    job = house.job()
    script: list[Steps] = [
        [
            say("resumed", stage="render", frame=120),
            ("write", ["preview.jpg", "a picture"]),
            say("preview"),
            say("preview"),
            progress(1),
            LONG,
        ]
    ]
    with house.running(script) as runner:
        now = house.at_work(job)
        assert (now.preview, now.resumed) == (2, 1)
        assert runner.preview(job.id) == b"a picture"
        assert runner.preview(new_id()) is None
        assert runner.preview(f"../work/{job.id}") is None


def test_who_sees_that_work_was_resumed_sees_where(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, known = house.job(), []
    resumed = house.store.jobs.resumed

    def watched(id: str, lease: str | None) -> None:
        known.append(house.now(job).progress)
        resumed(id, lease)

    monkeypatch.setattr(house.store.jobs, "resumed", watched)
    told = [progress(2), progress(30), say("resumed", stage="render", frame=30), RESULT, DONE]
    with house.running([told]):
        house.ended(job)
    (at,) = known
    assert at is not None
    assert at.done == 30


def test_junk_and_floods_on_both_streams_do_no_harm(house: House) -> None:
    script: list[Steps] = [
        [("print", "libav: hello"), ("print", '{"event": "party"}'), ("flood", 20), RESULT],
    ]
    script[0] = [*script[0], ("print", ""), DONE]
    job = house.job()
    with house.running(script):
        assert house.ended(job).state is JobState.DONE


def test_a_job_tells_what_became_of_the_sound_and_nothing_in_free_words(house: House) -> None:
    sound = {
        "kept": [{"stream": 1, "codec": "aac"}],
        "transcoded": [{"stream": 2, "codec": "wmav2", "becomes": "aac", "why": NAME}],
        "left_out": [{"stream": 3, "codec": None, "why": "unknown"}],
    }
    odd = {**sound, "kept": [{"stream": 1, "codec": NAME}]}
    for told, kept in ((sound, True), (odd, False)):
        job = house.job()
        with house.running([[say("done", summary={"people": 2, "sound": told})]]):
            summary = house.ended(job).summary
        assert summary is not None
        assert ("sound" in summary) is kept
        assert NAME not in str(summary)
    assert SoundSummary.model_validate(sound).left_out[0].codec is None


def test_names_in_a_summary_are_counted_and_not_kept(house: House) -> None:
    job = house.job()
    done = say("done", summary={"people": 2, "passed": True, "unrecognised": [NAME], "by": NAME})
    with house.running([[done]]):
        ended = house.ended(job)
    assert ended.summary == {"people": 2, "passed": True, "unrecognised": 1}


def test_a_worker_that_does_not_leave_after_its_last_word_is_made_to(house: House) -> None:
    job = house.job()
    with house.running([[("ignore", signal.SIGTERM), RESULT, DONE, LONG]]):
        assert house.ended(job).state is JobState.DONE


def test_a_grandchild_that_holds_the_streams_open_ends_with_the_worker(
    house: House, tmp_path: Path
) -> None:
    job, noted = house.job(), tmp_path / "pid"
    with house.running([[("fork", str(noted)), DONE]]):
        assert house.ended(job).state is JobState.DONE
    until(lambda: not alive(int(noted.read_text())))


def test_as_many_jobs_run_at_once_as_are_set(tmp_path: Path) -> None:
    house = House(tmp_path / "data", {"at_once": 2})
    go = tmp_path / "go"
    jobs = [house.job(house.project(owner)) for owner in ("ann", "ann", "bob")]
    with house.running([[progress(1), ("wait_for", str(go)), RESULT, DONE]]) as runner:
        house.at_work(jobs[0])
        house.at_work(jobs[2])  # bob doesn't wait for ann's second one
        assert runner.state()["queued"] == 1
        assert runner.state()["fps"] == 40
        go.touch()
        assert {house.ended(job).state for job in jobs} == {JobState.DONE}
    house.close()


def test_a_new_result_takes_the_audit_of_the_one_before_with_it(house: House) -> None:
    project = house.project()
    audited: Steps = [RESULT, ("write", ["audit.json", "{}"]), DONE]
    first = house.job(project)
    with house.running([audited]):
        house.ended(first)
    assert key_of(project.id, "audit.json") in set(house.storage.keys(""))
    second = house.job(project)
    with house.running([[("write", ["result.mp4", "again"]), DONE]]):
        house.ended(second)
    assert house.result(project.id) == b"again"
    assert key_of(project.id, "audit.json") not in set(house.storage.keys(""))
