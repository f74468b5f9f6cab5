"""How long jobs take, and how far a whole job is.

The sample is measured by a child process that runs the pipeline over a few frames
(`bystander.pipeline.estimate`), with the same networks as a job. How jobs that are done compare
with
what their samples said corrects what the next ones say: this machine is shared, and a
sample has no long queue.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bystander.choices import ProfileName
from bystander.errors import BystanderError
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import JobKind, Project
from bystander.server.store import ServiceStore
from bystander.storage.base import Storage

TRUSTED_SHARE: Final = 0.4
"""Of a stage: once so much is done, its own speed counts alone, and not what was expected.
The beginning of a video may be emptier than the rest."""
ENCODER_LAG_FRAMES: Final = 40
"""Frames that an encoder holds when it has been given the last one."""
START_SECONDS: Final = 1.5
"""Seconds: starting the worker, probing, joining the result, putting it away; of jobs over five
frames, which took 1.6 to 1.8."""
AUDIT_SHARE: Final = 0.9
"""Of the analysis' time a frame; what an audit takes, before it was learnt."""
DECIDE_SHARE: Final = 0.01
"""Of the analysis' time a frame, too; what the verdicts take, before it was learnt."""
MAX_SAMPLES: Final = 500
"""Samples that are kept."""
SAMPLE_SECONDS: Final = 90.0
MAX_CONCURRENT_SAMPLES: Final = 2
"""More would measure each other."""
WAIT_SECONDS: Final = 20.0
"""For a place, or for the sample that somebody else takes of the same video; then the answer is
what is known without."""
RETRY_SECONDS: Final = 300.0
"""After which a video is tried again that couldn't be sampled in time: the machine may have been
busy with something else."""
MAX_FETCH_BYTES: Final = 4 * 2**30
"""Bytes of a video that is fetched from a bucket for a sample."""
# Seconds a frame where there is no sample: for any frame, and for each million pixels.
GUESS: Final = {"analyze": (0.05, 0.01), "render": (0.004, 0.03)}
SPREAD: Final = (0.75, 1.35)
"""The range, of what a sample says."""
WIDE_SPREAD: Final = (0.4, 2.5)
"""... and of a guess."""
MAX_CORRECTION: Final = 4.0
"""How much a job may correct: one that ran beside many others tells little."""


def stages(kind: JobKind, audit: bool) -> tuple[str, ...]:
    """What a job consists of, in order."""
    analysis = () if kind is JobKind.RENDER else ("analyze", "decide")
    rendering = () if kind is JobKind.ANALYZE else ("render", "audit") if audit else ("render",)
    return analysis + rendering


def overall_progress(
    kind: JobKind,
    audit: bool,
    stage: str,
    done: int,
    total: int,
    fps: float,
    expectations: Mapping[str, float],
) -> tuple[float, float | None]:
    """The share of the whole job that is done, and the seconds that are left.

    Args:
        stage: that the job is at; one that it doesn't have counts as nothing done.
        done, total: frames of this stage.
        fps: frames per second of this stage, 0 before it can be told.
        expectations: seconds a frame of the video that each stage was expected to take. How
            this stage compares with it is how the later ones will.

    Returns:
        Share, 0 to 1; seconds, None before there is anything to tell them from.
    """
    ahead = stages(kind, audit)
    if stage == "follow":  # what was drawn, before rendering
        stage, done, fps = "render", 0, 0.0
    if stage not in ahead or total <= 0:
        return 0.0, None
    at = ahead.index(stage)
    here = min(1.0, max(0.0, done / total))
    expected = [expectations[name] for name in ahead]
    share = (sum(expected[:at]) + here * expected[at]) / sum(expected)
    if fps <= 0:
        return share, None
    trust = min(1.0, here / TRUSTED_SHARE)
    slowness = 1 - trust + trust / (fps * expected[at])
    left = (1 - here) * expected[at] + sum(expected[at + 1 :])
    if stage == "render":
        left += min(ENCODER_LAG_FRAMES, done) / total * expected[at]
    return share, left * total * slowness


log = logging.getLogger(__name__)
Command = Callable[[Path, ProfileName], Sequence[str]]
_Key = tuple[str, str, ProfileName]
_What = TypeVar("_What")


class MeasuredSample(BaseModel):
    """What the child prints, of a `bystander.pipeline.estimate.Estimate`: seconds a frame, and
    people."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    analyze: float = Field(gt=0)
    render: float = Field(gt=0)
    people: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class DurationForecast:
    """What a job over a video will probably take.

    Attributes:
        frames: of the video.
        stages: seconds a frame of "analyze", "decide", "render" and "audit".
        sampled: whether this very video was measured.
        people: in a frame, on average; None where the video was not sampled.
    """

    frames: int
    stages: Mapping[str, float]
    sampled: bool
    people: float | None = None

    def of(self, kind: JobKind, audit: bool) -> float:
        """Seconds of a job of this kind, once it runs."""
        return round(
            START_SECONDS + self.frames * sum(self.stages[s] for s in stages(kind, audit)), 1
        )

    def range_of(self, kind: JobKind, audit: bool) -> tuple[float, float]:
        """Between how many seconds it will probably lie."""
        low, high = SPREAD if self.sampled else WIDE_SPREAD
        seconds = self.of(kind, audit)
        return round(low * seconds, 1), round(high * seconds, 1)


class DurationEstimator:
    """Says how long jobs will take, and learns from those that are done.

    Args:
        store: keeps what was learnt.
        storage: where the videos are.
        command: the child that measures a video and prints an `Estimate` as JSON.
        environment: of that child.
        scratch: a folder for videos fetched from a bucket.
        patience: seconds after which a sample is given up.
        at_once: samples that may be taken at the same time.
        wait: seconds, at most, for a place among them.
        clock: seconds.

    Samples that take long hold nobody up: whoever finds no place is answered from what is known.
    """

    def __init__(
        self,
        store: ServiceStore,
        storage: Storage,
        command: Command,
        environment: Mapping[str, str],
        scratch: Path,
        patience: float = SAMPLE_SECONDS,
        *,
        at_once: int = MAX_CONCURRENT_SAMPLES,
        wait: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._storage = store, storage
        self._patience, self._wait, self._clock = patience, wait, clock
        self._places = threading.BoundedSemaphore(at_once)
        self._under_way: dict[_Key, threading.Event] = {}
        self._given_up: OrderedDict[_Key, float] = OrderedDict()
        self._command, self._environment, self._scratch = command, environment, scratch
        self._samples: OrderedDict[_Key, MeasuredSample | None] = OrderedDict()
        self._lock = threading.Lock()

    def estimate(self, project: Project, profile: ProfileName) -> DurationForecast:
        """What a job over this project's video will take. Measures it the first time, if there
        is a place to do so now."""
        key = _key(project, profile)
        with self._lock:
            given_up = self._given_up.get(key, float("-inf"))
            known = key in self._samples or self._clock() - given_up < RETRY_SECONDS
            other = self._under_way.get(key)
            if not known and other is None:
                self._under_way[key] = threading.Event()
        if other is not None:
            other.wait(self._wait)
        elif not known:
            try:
                if self._places.acquire(timeout=self._wait):
                    try:
                        self._sample(key, project, profile)
                    finally:
                        self._places.release()
            finally:
                with self._lock:
                    self._under_way.pop(key).set()
        return self.at_once(project, profile)

    def _sample(self, key: _Key, project: Project, profile: ProfileName) -> None:
        try:
            sample = self._measure(project, profile)
        except subprocess.TimeoutExpired:
            log.warning("a video can't be sampled in %g s", self._patience)
            with self._lock:
                _remember(self._given_up, key, self._clock())
        except (BystanderError, OSError, subprocess.SubprocessError, ValueError) as error:
            log.warning("a video can't be sampled (%s)", type(error).__name__)
        else:
            with self._lock:
                _remember(self._samples, key, sample)

    def at_once(self, project: Project, profile: ProfileName) -> DurationForecast:
        """The same, without measuring anything now."""
        return self._expected(project, profile, self._samples.get(_key(project, profile)))

    def learn(self, project: Project, profile: ProfileName, took: Mapping[str, float]) -> None:
        """A job is done: its stages took so many seconds a frame. That corrects what follows."""
        sample = self._samples.get(_key(project, profile))
        raw = _raw(project, sample)
        for stage, seconds in took.items():
            if stage in raw:
                ratio = min(MAX_CORRECTION, max(1 / MAX_CORRECTION, seconds / raw[stage]))
                self._store.learn(_correction(profile, stage, sample is not None), ratio)

    def _expected(
        self, project: Project, profile: ProfileName, sample: MeasuredSample | None
    ) -> DurationForecast:
        each = {
            stage: seconds
            * (self._store.speed(_correction(profile, stage, sample is not None)) or 1)
            for stage, seconds in _raw(project, sample).items()
        }
        return DurationForecast(
            frames=project.video.ready_facts.frame_count,
            stages=each,
            sampled=sample is not None,
            people=None if sample is None else sample.people,
        )

    def _measure(self, project: Project, profile: ProfileName) -> MeasuredSample | None:
        """What the child prints; None where the video is too large to be fetched for it.

        Raises:
            StorageError, OSError: the video can't be got.
            subprocess.SubprocessError: the child failed, or takes too long.
            ValueError: what it prints is no sample.
        """
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch, prefix="sample-") as folder:
            key = f"{project.id}/{VIDEO_FILE}"
            if not self._storage.fetch_is_cheap and self._storage.size(key) > MAX_FETCH_BYTES:
                return None
            self._storage.fetch(key, Path(folder) / VIDEO_FILE)
            done = subprocess.run(
                self._command(Path(folder) / VIDEO_FILE, profile),
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._patience,
                check=True,
                start_new_session=True,
            )
        return MeasuredSample.model_validate_json(done.stdout)


def _remember(known: OrderedDict[_Key, _What], key: _Key, what: _What) -> None:
    known[key] = what
    while len(known) > MAX_SAMPLES:
        known.popitem(last=False)


def _key(project: Project, profile: ProfileName) -> _Key:
    # A project's video may be replaced by another one.
    return project.id, project.video.ready_facts.model_dump_json(), profile


def _correction(profile: ProfileName, stage: str, sampled: bool) -> str:
    return f"{profile}:{stage}:{'sampled' if sampled else 'guessed'}"


def _raw(project: Project, sample: MeasuredSample | None) -> dict[str, float]:
    """Seconds a frame of each stage, before correction."""
    if sample is not None:
        found = {"analyze": sample.analyze, "render": sample.render}
    else:
        facts = project.video.ready_facts
        pixels = facts.width * facts.height / 1e6
        found = {stage: base + each * pixels for stage, (base, each) in GUESS.items()}
    shares = {"decide": DECIDE_SHARE, "audit": AUDIT_SHARE}
    return found | {stage: share * found["analyze"] for stage, share in shares.items()}
