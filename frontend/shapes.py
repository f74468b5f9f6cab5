"""What the service answers with, as far as the pages use it. Its description has all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypedDict, get_args

EffectName = Literal["blur", "mosaic", "solid", "picture", "fill"]
Sound = Literal["keep", "mute", "low-pass", "pitch"]
SOUNDS: Final[tuple[Sound, ...]] = get_args(Sound)
EFFECTS: Final[tuple[EffectName, ...]] = get_args(EffectName)
ShapeName = Literal["silhouette", "blob", "box"]
SHAPES: Final[tuple[ShapeName, ...]] = get_args(ShapeName)
MAX_PICTURE_BYTES: Final = 512 * 1024
"""What the service takes as an effect's picture, a PNG file."""
WEAKEST, STRONGEST = 1.0, 8.0
"""What the service takes as an effect's strength."""
JobKind = Literal["mask", "analyze", "render"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
Profile = Literal["fast", "balanced", "thorough"]

ACTIVE: tuple[JobState, ...] = ("queued", "running")


@dataclass(frozen=True)
class Effect:
    """What is drawn over people.

    Attributes:
        strength: of blur, mosaic and the blur of fill, from `WEAKEST` to `STRONGEST`.
        color: of the solid colour, and beneath a picture, #rrggbb.
        shape: what of a person is drawn over.
        picture: a PNG in base64; the service's answers leave it out.
    """

    name: EffectName = "blur"
    strength: float = WEAKEST
    color: str = "#202020"
    shape: ShapeName = "silhouette"
    picture: str | None = None


class Problem(TypedDict):
    """`type` is stable, "NoFaceFound"; `what` and `advice` are English sentences."""

    type: str
    what: str
    advice: str


class Facts(TypedDict):
    """Of a video: seconds, pixels as displayed, frames per second."""

    duration: float
    width: int
    height: int
    average_rate: float
    frame_count: int
    audio: list[object]


class Video(TypedDict):
    """`name` is that of its file, as whoever sent it called it: never to be taken for HTML."""

    state: Literal["absent", "uploading", "checking", "ready", "refused"]
    name: str | None
    size: int | None
    received: int
    facts: Facts | None
    posters: list[str]
    problem: Problem | None
    upload: str | None


class Result(TypedDict):
    """The masked video: `current` if it is what the verdicts ask for, else `stale` says why."""

    job: str
    verdicts_digest: str
    made_at: float
    current: bool
    stale: Literal["job-active", "verdicts-changed", "job-failed", "job-cancelled"] | None


class Project(TypedDict):
    """Times are seconds since the epoch."""

    id: str
    created: float
    expires: float
    video: Video
    photos: int
    keep: list[str]
    mask: list[str]
    edits: int
    verdicts_digest: str | None
    result: Result | None
    job: JobState | None
    shared: bool


class Shared(TypedDict):
    """What a link shows; times are seconds since the epoch."""

    name: str
    video: str
    made_at: float
    expires: float


class Face(TypedDict):
    """`box`: x0, y0, x1, y1 in pixels of the photo."""

    box: tuple[float, float, float, float]
    quality: float


class Photo(TypedDict):
    id: str
    person: str
    width: int
    height: int
    faces: list[Face]
    chosen: int | None
    problem: Problem | None
    picture: str


class Progress(TypedDict):
    """`share` is of the whole job, 0 to 1; `eta` in seconds."""

    stage: Literal["analyze", "decide", "follow", "render", "audit"]
    done: int
    total: int
    fps: float
    share: float
    eta: float | None


class JobEffect(TypedDict):
    name: EffectName
    shape: ShapeName
    color: str
    strength: float


class SoundSpan(TypedDict):
    """`start` and `end` in seconds; None for the whole video's."""

    treatment: Sound
    start: float | None
    end: float | None


class Job(TypedDict):
    id: str
    kind: JobKind
    state: JobState
    effect: JobEffect
    sound: list[SoundSpan]
    audit: bool
    created: float
    expected: float | None
    queue_position: int | None
    starts_in: float | None
    resumed: int
    cancelling: bool
    keep: list[str]
    mask: list[str]
    progress: Progress | None
    preview: str | None
    problem: Problem | None
    summary: dict[str, float] | None


Verdict = Literal["keep", "mask", "mixed"]


class Span(TypedDict):
    """A stretch of one appearance with one verdict; seconds."""

    tracklet: str
    start: float
    end: float
    verdict: Literal["keep", "mask"]
    kind: str
    similarity: float
    samples: int
    doubtful: bool


class Person(TypedDict):
    """`review` is the order in which to look at people, from 1. `analysis` is the verdict
    without decisions by hand."""

    id: str
    name: str | None
    verdict: Verdict
    analysis: Verdict
    kind: str
    similarity: float
    samples: int
    seconds: float
    first: float
    doubtful: bool
    review: int
    picture: str | None
    clip: str
    pointed_at: list[dict[str, float]]
    spans: list[Span]


class Estimate(TypedDict):
    """Seconds; it will probably take between `low` and `high`, and begin in `starts_in`.
    `sampled`: this very video was measured."""

    seconds: float
    low: float
    high: float
    sampled: bool
    queue_position: int
    starts_in: float


class Moment(TypedDict):
    """Of a video: seconds from its first frame, and names of those of the kept who are seen."""

    seconds: float
    people: int
    kept: list[str]


class Finding(TypedDict):
    """Of an audit: `severity` is "leak" or "note"; seconds, as a player of the result shows
    them."""

    kind: str
    severity: Literal["leak", "note"]
    start: float
    end: float
    seconds: float
    frame: int | None


class Audit(TypedDict):
    passed: bool
    frames: int
    seconds: float
    findings: list[Finding]


class Limits(TypedDict):
    """What the service accepts: bytes, seconds, and how many hours it keeps things."""

    video_bytes: int
    photo_bytes: int
    photo_suffixes: list[str]
    photos: int
    max_duration: float
    hours: float
