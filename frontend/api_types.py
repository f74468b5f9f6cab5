"""What the service answers with, as far as the pages use it. Every field is there.

Made of the service's OpenAPI document by `make api-types`: not to be changed by hand.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Codec = Literal["auto", "h264", "hevc", "av1"]
Decision = Literal["keep", "mask"]
Deinterlace = Literal["auto", "on", "off"]
EffectName = Literal["blur", "mosaic", "solid", "picture", "fill"]
EvidenceKind = Literal["none", "face", "body", "click", "user", "doubt"]
FindingKind = Literal[
    "unmasked",
    "visible person",
    "visible face",
    "weak mask",
    "recognisable",
    "out of step",
    "unknown effect",
    "metadata",
    "stream",
    "hidden",
]
JobKind = Literal["mask", "analyze", "render"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
ProfileName = Literal["fast", "balanced", "thorough"]
Severity = Literal["leak", "note"]
ShapeName = Literal["silhouette", "blob", "box"]
SmartRender = Literal["auto", "off"]
SoundTreatment = Literal["keep", "mute", "low-pass", "pitch"]
StaleReason = Literal["job-active", "verdicts-changed", "job-failed", "job-cancelled"]
VideoState = Literal["absent", "uploading", "checking", "ready", "refused"]


class AudioFacts(TypedDict):
    """One audio stream."""

    codec: str
    """FFmpeg's name"""
    channels: int
    sample_rate: int
    """Hz"""


class AuditView(TypedDict):
    """What an audit found in the masked video."""

    format: Literal["bystander-audit"]
    version: Literal[1]
    passed: bool
    """there is no leak but what was accepted"""
    source: FileView
    output: FileView
    frames: int
    """of the source"""
    seconds: float
    """of the source"""
    timeline: bool
    """it was told who is to be masked"""
    networks: dict[str, str]
    """file name to SHA-256"""
    kept: list[KeptView]
    stripped: list[str]
    """what the source carries beside picture and sound, and the output doesn't"""
    findings: list[FindingView]
    """the worst first"""
    basis: dict[str, Any]
    """what a later audit goes on from"""


class EffectRequest(TypedDict):
    """What is drawn over the people who are masked."""

    name: EffectName
    """fill: what is behind people, where other frames of the shot show it, else the blur; shadows
    and reflections stay"""
    shape: ShapeName
    """what of a person is drawn over; blob and box hide the outline, too"""
    color: str
    """of the solid effect, #rrggbb"""
    picture: str | None
    """of the picture effect: a PNG of at most 512 KiB and 1024 pixels a side, in base64, drawn over
    people's boxes; the colour lies beneath it. Answers leave it out"""
    strength: float
    """how many times larger the cells of blur and mosaic, and of the blur where fill knows no
    background, are than they must be; below 1 people could be recognised, so that isn't offered"""


class EstimateView(TypedDict):
    """Seconds that a job will take once it runs."""

    kind: JobKind
    audit: bool
    profile: ProfileName
    seconds: float
    low: float
    """it will probably not be faster"""
    high: float
    """it will probably not be slower"""
    sampled: bool
    """a few frames of this very video were measured"""
    queue_position: int
    """how many jobs would probably begin before it"""
    starts_in: float
    """seconds until it would probably begin"""
    people: float | None
    """in a frame, on average; null where not measured"""


class FileView(TypedDict):
    """A file that an audit looked at."""

    name: str
    sha256: str
    """of its bytes, hexadecimal"""


class FindingView(TypedDict):
    """Something that an audit found, in one frame or over a span. Times are seconds, as a player
    of the masked video shows them.
    """

    kind: FindingKind
    severity: Severity
    start: float
    """when the first such frame appears"""
    end: float
    """when the last such frame appears"""
    seconds: float
    """when the worst frame appears"""
    frame: int | None
    """the worst one, from 0; null for the file as a whole"""
    frames: int
    """in how many of the frames looked at"""
    box: tuple[float, float, float, float] | None
    """x0, y0, x1, y1 in the worst frame, pixels of the masked video"""
    share: float
    """of what could be seen, how much is seen, 0 to 1"""
    who: str
    """the appearance (t7), or what in the file; may be empty"""
    detail: str
    """one plain sentence"""
    accepted: bool
    """somebody looked at it and found it fine"""
    advice: str


class JobProgress(TypedDict):
    """How far a job has come.

    Attributes:
        stage: "analyze", "decide" (who is who), "follow" (what was drawn), "render" or "audit".
        done, total: frames of this stage; of "decide" its share, told in frames.
        fps: frames per second of this stage.
        share: 0 to 1, of the whole job.
        eta: seconds until the whole job is done; None before it can be told.
    """

    stage: Literal["analyze", "decide", "follow", "render", "audit"]
    done: int
    total: int
    fps: float
    share: float
    eta: float | None


class JobView(TypedDict):
    """A job as its owner sees it. Times are seconds since the epoch."""

    id: str
    project: str
    kind: JobKind
    state: JobState
    profile: ProfileName
    effect: EffectRequest
    codec: Codec | None
    deinterlace: Deinterlace | None
    smart_render: SmartRender | None
    sound: list[SoundSpan]
    audit: bool
    keep: list[str]
    """the decisions by hand that it renders with"""
    mask: list[str]
    edits: int
    """how many edits by hand it renders with"""
    created: float
    started: float | None
    finished: float | None
    expected: float | None
    """seconds that it was estimated to take"""
    queue_position: int | None
    """how many jobs will probably begin before it; null when it doesn't wait"""
    starts_in: float | None
    """seconds until it will probably begin, or null"""
    attempts: int
    """how often a worker was started for it"""
    resumed: int
    """how often one went on where another one had stopped"""
    cancelling: bool
    """a cancel was asked for, and is being carried out"""
    progress: JobProgress | None
    preview: str | None
    """where the newest preview picture is"""
    problem: Problem | None
    """why it failed"""
    summary: dict[str, Any] | None
    """of a finished job: people found, kept and masked; `sound`: which audio streams were kept,
    transcoded and left out; `filled`, of the effect fill: the share of what is masked that shows
    the background, 0 to 1, the rest is blurred"""
    warnings: list[str]
    """only in the answer that creates it"""


class JobsView(TypedDict):
    """The jobs of a project, the oldest first."""

    jobs: list[JobView]


class KeptView(TypedDict):
    """Somebody who may be seen."""

    who: str
    """name, or id of a person"""
    why: str


class LimitsView(TypedDict):
    """What may be sent, and until when it stays."""

    video_bytes: int
    """of one video"""
    max_duration: float
    """seconds of one video"""
    photo_bytes: int
    """of one photo's file"""
    photo_suffixes: list[str]
    """of the names of photos that can be read"""
    photos: int
    """of one project"""
    hours: float
    """after its last use a project is deleted"""


class MomentView(TypedDict):
    """A moment of the video that shows people."""

    seconds: float
    """from the first frame"""
    people: int
    """how many are in the picture then"""
    kept: list[str]
    """names of those among them who look like people to keep"""


class PeopleView(TypedDict):
    """Everyone in the video, as they would be rendered now: who is longest there first."""

    people: list[PersonView]


class PersonView(TypedDict):
    """Somebody in the video."""

    id: str
    name: str | None
    """of whom the photos show; null for a bystander"""
    verdict: Literal["keep", "mask", "mixed"]
    analysis: Literal["keep", "mask", "mixed"]
    """the verdict of the analysis, without decisions by hand"""
    kind: EvidenceKind
    """what the leading verdict rests on"""
    reason: str
    """in plain words"""
    similarity: float
    """of the deciding faces, cosine, -1 to 1; 0 without any"""
    samples: int
    """how many faces agree"""
    seconds: float
    """time in the picture"""
    first: float
    """when they are first there: seconds, as a player shows them"""
    doubtful: bool
    """a part of their time should be looked at by a person"""
    review: int
    """in which order to look at people, from 1"""
    figure: Literal["large", "small"]
    """small: never taller than an eighth of the picture, or there for less than a second"""
    picture: str | None
    """where a small picture is"""
    clip: str
    """where a short video of them is"""
    pointed_at: list[PointView]
    """clicks that meant them"""
    spans: list[SpanView]
    tracklets: list[TrackletView]


class PhotoFace(TypedDict):
    """One face in a photo.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the stored picture.
        quality: 0 (useless) to 1 (frontal, sharp, large).
    """

    box: tuple[float, float, float, float]
    quality: float


class PhotoView(TypedDict):
    """A photo as its owner sees it."""

    id: str
    person: str
    width: int
    """pixels of the stored picture"""
    height: int
    """pixels of the stored picture"""
    faces: list[PhotoFace]
    """the largest first"""
    chosen: int | None
    """number of the face that will be used"""
    problem: Problem | None
    """why none can be, or what would be better"""
    picture: str
    """where it is"""


class PhotosView(TypedDict):
    """The photos of a project."""

    photos: list[PhotoView]


class PointView(TypedDict):
    """A click of the analysis that meant this person."""

    seconds: float
    """from the video's first frame, as the click gave them"""
    x: float
    """display pixels"""
    y: float
    """display pixels"""


class Problem(TypedDict):
    """Why something was refused or failed.

    Attributes:
        type: name of the error's class, e.g. "NoFaceFound".
        what: what happened, without a path of this machine.
        advice: what to do.
    """

    type: str
    what: str
    advice: str


class ProjectView(TypedDict):
    """A project as its owner sees it. Times are seconds since the epoch."""

    id: str
    url: str
    """where it is, from the server's root"""
    created: float
    expires: float
    """when all of it is deleted, unless it is used before"""
    video: VideoView
    photos: int
    """of people to keep; they are deleted when a job is done, and with the project"""
    keep: list[str]
    """people to keep by hand, after an analysis"""
    mask: list[str]
    """people to mask by hand, after an analysis"""
    edits: int
    """how many edits by hand there are, see /edits"""
    verdicts_digest: str | None
    """of the verdicts and edits that a render job would go by now; null before an analysis"""
    result: ResultView | None
    """null before a mask or render job is done"""
    job: JobState | None
    """of the newest job; null before the first"""
    shared: bool
    """whether there is a link that shows the result"""


class ResultView(TypedDict):
    """The masked video of a project, and whether it is what the verdicts ask for."""

    job: str
    """that made it"""
    verdicts_digest: str
    """SHA-256 of the verdicts that it was made by: who is shown, and when; compare it with the
    project's"""
    made_at: float
    current: bool
    """whether GET `result` sends it"""
    stale: StaleReason | None
    """why it doesn't"""


class ShareView(TypedDict):
    """A link to a result, told this once."""

    token: str
    url: str
    """where it is, from the server's root"""
    expires: float
    """when the project goes, unless it is used before"""


class SharedView(TypedDict):
    """What whoever has the link gets to know."""

    name: str
    """under which it is saved"""
    video: str
    """where the masked video is, from the server's root"""
    made_at: float
    expires: float


class SoundSpan(TypedDict):
    """A treatment of the sound, for a while.

    Attributes:
        treatment: what becomes of it.
        start, end: seconds from the video's first frame; None for its very beginning or end,
            sound that lies beside the pictures with it.
    """

    treatment: SoundTreatment
    start: float | None
    """seconds"""
    end: float | None
    """seconds"""


class SpanView(TypedDict):
    """A stretch of time with one verdict, and why."""

    tracklet: str
    """the appearance that it is a part of"""
    start: float
    """seconds, as a player shows them"""
    end: float
    """seconds, as a player shows them"""
    verdict: Decision
    kind: EvidenceKind
    """what the verdict rests on"""
    reason: str
    """in plain words"""
    similarity: float
    """of the deciding faces, cosine, -1 to 1; 0 without any"""
    samples: int
    """how many faces agree"""
    doubtful: bool
    """something spoke for keeping, but not clearly enough"""


class TrackletView(TypedDict):
    """One appearance of a person, within one shot."""

    id: str
    start: float
    """seconds, as a player shows them"""
    end: float
    """seconds, as a player shows them"""
    height: float
    """where they are tallest, display pixels"""
    picture: str | None
    """where a small picture is"""


class VideoFacts(TypedDict):
    """What a video holds."""

    container: str
    """FFmpeg's name"""
    codec: str
    """FFmpeg's name"""
    width: int
    """display pixels: turned upright, pixels made square"""
    height: int
    """display pixels"""
    duration: float
    """seconds"""
    frame_count: int
    average_rate: float
    """frames per second"""
    variable_frame_rate: bool
    """the frames are not evenly spaced"""
    rotation: int
    """clockwise degrees from the stored to the displayed picture"""
    mirrored: bool
    """left and right of the stored picture are swapped, then turned"""
    pixel_format: str
    """FFmpeg's name; empty where it wasn't looked for"""
    hdr: bool
    """perceptual quantiser or hybrid log-gamma"""
    bit_depth: int
    """bits per colour component"""
    audio: list[AudioFacts]
    posters: int
    """pictures 0.jpg, 1.jpg, ..."""


class VideoView(TypedDict):
    """The video of a project."""

    state: VideoState
    name: str | None
    """of its file, where the upload said it (`filename` of tus); to be shown, and what downloads
    are named after"""
    size: int | None
    """bytes"""
    received: int
    """bytes that have arrived"""
    facts: VideoFacts | None
    """what it holds, once it is ready"""
    posters: list[str]
    """where pictures of it are"""
    problem: Problem | None
    """why it was refused"""
    upload: str | None
    """where tus asks how far it is, and goes on"""
