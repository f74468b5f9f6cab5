"""How long jobs will take: from a sample, a guess where there is none, and from experience."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bystander.choices import ProfileName
from bystander.server.jobs.estimates import (
    MAX_CORRECTION,
    RETRY_SECONDS,
    SPREAD,
    START_SECONDS,
    WIDE_SPREAD,
    DurationEstimator,
    DurationForecast,
)
from bystander.server.models import JobKind, Project, Video, VideoState
from tests.support.facts import FACTS as READY_FACTS
from tests.support.house import VIDEO, House
from tests.support.waiting import HANGS_AFTER_SECONDS

PROFILE = ProfileName.BALANCED
FACTS = READY_FACTS.model_copy(update={"width": 640, "height": 360, "frame_count": 1000})
SAMPLE = {"analyze": 0.1, "render": 0.02, "people": 2.5, "seconds": 122.0, "frames": 1000}
AS_IT_SHOULD = f"print({json.dumps(json.dumps(SAMPLE))})"


class Scene:
    """A pace whose child runs a line of Python: VIDEO and PROFILE are its arguments."""

    def __init__(
        self, house: House, code: str, patience: float = HANGS_AFTER_SECONDS, **options: Any
    ) -> None:
        self.house, self.code = house, code
        self.counted = house.data / "counted"
        self.scratch = house.data / "work"
        self.pace = DurationEstimator(
            house.store,
            house.storage,
            self._command,
            {"PATH": os.defpath},
            self.scratch,
            patience,
            **options,
        )

    def _command(self, video: Path, profile: ProfileName) -> list[str]:
        with self.counted.open("a") as counted:
            counted.write(profile.value)
        return [sys.executable, "-ISc", f"import sys; {self.code}", str(video), profile.value]

    def project(self, **facts: Any) -> Project:
        project = self.house.project()
        return self.replaced(project, **facts)

    def replaced(self, project: Project, **facts: Any) -> Project:
        """The project with another video."""
        video = Video(VideoState.READY, 1, 1, FACTS.model_copy(update=facts))
        self.house.store.projects.set_video(project.id, video)
        found = self.house.store.projects.find(project.id)
        assert found is not None
        return found

    @property
    def measured(self) -> str:
        """The profiles that were measured, one after another."""
        return self.counted.read_text() if self.counted.exists() else ""


def stages(expected: DurationForecast) -> Mapping[str, float]:
    return {stage: round(seconds, 6) for stage, seconds in expected.stages.items()}


def test_a_sample_says_how_long_it_takes(house: House) -> None:
    scene = Scene(house, f"assert open(sys.argv[1], 'rb').read() == {VIDEO!r};" + AS_IT_SHOULD)
    found = scene.pace.estimate(scene.project(), PROFILE)
    assert found.sampled
    assert found.people == 2.5
    assert found.frames == 1000
    assert found.of(JobKind.MASK, False) == pytest.approx(START_SECONDS + 1000 * 0.121, abs=0.1)
    middle = found.of(JobKind.MASK, False)
    assert found.range_of(JobKind.MASK, False) == pytest.approx(
        (SPREAD[0] * middle, SPREAD[1] * middle), abs=0.1
    )


def test_a_video_is_measured_once_for_each_profile(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project = scene.project()
    for _ in range(3):
        scene.pace.estimate(project, ProfileName.FAST)
        scene.pace.estimate(project, ProfileName.THOROUGH)
    assert scene.measured == "fastthorough"


def test_another_video_of_the_same_project_is_measured_anew(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project = scene.project()
    scene.pace.estimate(project, PROFILE)
    other = scene.replaced(project, frame_count=10)
    assert not scene.pace.at_once(other, PROFILE).sampled
    assert scene.pace.estimate(other, PROFILE).frames == 10
    assert scene.measured == "balanced" * 2


def test_at_once_nothing_is_measured(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project = scene.project()
    assert not scene.pace.at_once(project, PROFILE).sampled
    assert scene.measured == ""
    scene.pace.estimate(project, PROFILE)
    assert scene.pace.at_once(project, PROFILE).sampled


JUNK = {
    "fails": "sys.exit(3)",
    "crashes": "import os; os.abort()",
    "says nothing": "pass",
    "says something else": "print('Traceback (most recent call last)')",
    "says no object": "print([1, 2])",
    "says too little": "print('{}')",
    "says words": 'print(\'{"analyze": "slow", "render": 1, "people": 1}\')',
    "takes no time": 'print(\'{"analyze": 0, "render": 1, "people": 1}\')',
    "takes less than that": 'print(\'{"analyze": -1, "render": 1, "people": 1}\')',
    "takes for ever": 'print(\'{"analyze": Infinity, "render": 1, "people": 1}\')',
    "says what is no number": 'print(\'{"analyze": NaN, "render": 1, "people": 1}\')',
    "says bytes": "sys.stdout.buffer.write(bytes(range(256)))",
}


@pytest.mark.parametrize("code", JUNK.values(), ids=JUNK.keys())
def test_where_the_sample_fails_a_guess_is_better_than_nothing(house: House, code: str) -> None:
    scene = Scene(house, code)
    project = scene.project()
    found = scene.pace.estimate(project, PROFILE)
    assert not found.sampled
    assert found.people is None
    low, high = found.range_of(JobKind.MASK, False)
    assert 0 < low < found.of(JobKind.MASK, False) < high
    assert low == pytest.approx(WIDE_SPREAD[0] * found.of(JobKind.MASK, False), abs=0.1)
    assert all(seconds > 0 for seconds in found.stages.values())
    assert list(scene.scratch.iterdir()) == []
    scene.code = AS_IT_SHOULD  # it may have been bad luck
    assert scene.pace.estimate(project, PROFILE).sampled


def test_a_video_that_takes_too_long_is_tried_again_only_after_a_while(house: House) -> None:
    now = [1000.0]
    scene = Scene(house, "import time; time.sleep(3600)", 0.5, clock=lambda: now[0])
    project = scene.project()
    for _ in range(3):
        assert not scene.pace.estimate(project, PROFILE).sampled
    assert scene.measured == "balanced"
    assert list(scene.scratch.iterdir()) == []
    scene.code = AS_IT_SHOULD
    assert scene.pace.estimate(scene.replaced(project, frame_count=10), PROFILE).sampled
    project = scene.replaced(project)
    assert not scene.pace.estimate(project, PROFILE).sampled
    now[0] += RETRY_SECONDS
    assert scene.pace.estimate(project, PROFILE).sampled


class Slow:
    """Somebody who asks about a video of which the sample takes until `end`.

    It has begun when `begun` returns.
    """

    def __init__(self, scene: Scene) -> None:
        gate = scene.house.data / "gate"
        os.mkfifo(gate)
        scene.code = f"open({str(gate)!r}).read();" + AS_IT_SHOULD
        self.project, self.found = scene.project(), list[DurationForecast]()
        self._thread = threading.Thread(
            target=lambda: self.found.append(scene.pace.estimate(self.project, PROFILE))
        )
        self._thread.start()
        self._gate = gate.open("w")  # when the child has opened the other end
        scene.code = AS_IT_SHOULD

    def end(self) -> None:
        self._gate.close()
        self._thread.join()


def test_a_slow_sample_does_not_hold_up_that_of_another_video(house: House) -> None:
    scene = Scene(house, "")
    slow = Slow(scene)
    try:
        assert scene.pace.estimate(scene.project(), PROFILE).sampled
        assert slow.found == []
    finally:
        slow.end()
    assert [found.sampled for found in slow.found] == [True]


def test_without_a_place_one_is_answered_from_what_is_known(house: House) -> None:
    scene = Scene(house, "", at_once=1, wait=0)
    slow = Slow(scene)
    try:
        other = scene.project()
        for project in (other, slow.project):  # the second one is being measured
            assert not scene.pace.estimate(project, PROFILE).sampled
        assert scene.measured == "balanced"
    finally:
        slow.end()
    assert scene.pace.estimate(other, PROFILE).sampled
    assert scene.pace.estimate(slow.project, PROFILE).sampled
    assert scene.measured == "balanced" * 2


def test_whoever_asks_about_a_video_that_is_being_measured_waits_for_that(house: House) -> None:
    scene = Scene(house, "")
    slow = Slow(scene)
    found: list[DurationForecast] = []
    second = threading.Thread(
        target=lambda: found.append(scene.pace.estimate(slow.project, PROFILE))
    )
    second.start()
    slow.end()
    second.join()
    assert [each.sampled for each in (*slow.found, *found)] == [True, True]
    assert scene.measured == "balanced"


def test_a_video_that_is_gone_is_guessed(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project = scene.project()
    house.storage.delete(f"{project.id}/")
    assert not scene.pace.estimate(project, PROFILE).sampled
    assert scene.measured == ""
    assert list(scene.scratch.iterdir()) == []


def test_nothing_is_left_of_a_sample(house: House) -> None:
    scene = Scene(house, "open(sys.argv[1] + '.more', 'w').close();" + AS_IT_SHOULD)
    scene.pace.estimate(scene.project(), PROFILE)
    assert list(scene.scratch.iterdir()) == []


def test_the_child_knows_nothing_but_its_environment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_TOKENS", "a secret of the service")
    scene = Scene(
        house, "import os; assert set(os.environ) <= {'PATH', 'LC_CTYPE'};" + AS_IT_SHOULD
    )
    assert scene.pace.estimate(scene.project(), PROFILE).sampled


def test_larger_pictures_are_guessed_to_take_longer(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    small = scene.pace.at_once(scene.project(), PROFILE)
    large = scene.pace.at_once(scene.project(width=3840, height=2160), PROFILE)
    assert large.of(JobKind.MASK, False) > small.of(JobKind.MASK, False)


def test_a_job_takes_what_its_stages_take(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    found = scene.pace.estimate(scene.project(), PROFILE)
    assert found.of(JobKind.ANALYZE, False) == pytest.approx(START_SECONDS + 101, abs=0.1)
    assert found.of(JobKind.RENDER, False) == pytest.approx(START_SECONDS + 20, abs=0.1)
    assert found.of(JobKind.MASK, True) > found.of(JobKind.MASK, False)
    assert found.of(JobKind.ANALYZE, True) == found.of(JobKind.ANALYZE, False)


def test_what_jobs_took_corrects_what_is_said_of_the_next_video(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    first, second = scene.project(), scene.project(frame_count=500)
    scene.pace.estimate(first, PROFILE)
    took = {"analyze": 0.2, "decide": 0.002, "render": 0.03, "audit": 0.09}
    scene.pace.learn(first, PROFILE, took)
    found = scene.pace.estimate(second, PROFILE)
    assert stages(found) == took
    assert found.of(JobKind.MASK, False) == pytest.approx(START_SECONDS + 500 * 0.232, abs=0.1)


def test_what_was_learnt_of_samples_says_nothing_of_guesses_or_of_other_profiles(
    house: House,
) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project, other = scene.project(), scene.project(frame_count=7)
    guessed = stages(scene.pace.at_once(other, PROFILE))
    scene.pace.estimate(project, PROFILE)
    scene.pace.learn(project, PROFILE, {"analyze": 0.3})
    assert stages(scene.pace.at_once(other, PROFILE)) == guessed
    assert stages(scene.pace.estimate(other, ProfileName.FAST))["analyze"] == SAMPLE["analyze"]
    assert stages(scene.pace.estimate(other, PROFILE))["analyze"] == 0.3


def test_one_strange_job_corrects_only_so_much(house: House) -> None:
    scene = Scene(house, AS_IT_SHOULD)
    project = scene.project()
    scene.pace.estimate(project, PROFILE)
    scene.pace.learn(project, PROFILE, {"analyze": 1e6, "render": 1e-9, "dance": 1})
    found = stages(scene.pace.at_once(project, PROFILE))
    assert found["analyze"] == pytest.approx(MAX_CORRECTION * SAMPLE["analyze"])
    assert found["render"] == pytest.approx(SAMPLE["render"] / MAX_CORRECTION)
    assert set(found) == {"analyze", "decide", "render", "audit"}


def test_experience_draws_estimates_to_the_truth_and_outlives_the_process(house: House) -> None:
    truth, scene = 0.17, Scene(house, AS_IT_SHOULD)
    project = scene.project()
    scene.pace.estimate(project, PROFILE)
    for factor in (0.9, 1.1) * 6:
        scene.pace.learn(project, PROFILE, {"analyze": factor * truth})
    again = Scene(house, AS_IT_SHOULD)
    found = again.pace.estimate(project, PROFILE)
    assert found.stages["analyze"] == pytest.approx(truth, rel=0.1)
