"""What clients ask of a job, and the order that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bystander import tracing
from bystander.choices import Codec, Deinterlace, EffectName, ProfileName, ShapeName, SmartRender
from bystander.editing.document import Edits
from bystander.media.sound_spans import MAX_SOUND_SPANS, SoundSpan
from bystander.redaction.effects import EffectSettings
from bystander.redaction.pictures import MAX_PICTURE_BYTES, check_picture
from bystander.server.http.analysis import edits_of
from bystander.server.jobs.outbound import MAX_URL_CHARACTERS
from bystander.server.jobs.spec import ClickSpec, JobSpec
from bystander.server.models import (
    JobKind,
    Photo,
    Project,
)
from bystander.server.settings import ServiceSettings

MAX_CLICKS: Final = 1000
MAX_PICTURE_CHARACTERS: Final = 4 * (MAX_PICTURE_BYTES // 3 + 1)


class EffectRequest(BaseModel):
    """What is drawn over the people who are masked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: EffectName = Field(
        EffectName.BLUR,
        description="fill: what is behind people, where other frames of the shot show it, else the "
        "blur; shadows and reflections stay",
    )
    shape: ShapeName = Field(
        ShapeName.SILHOUETTE,
        description="what of a person is drawn over; blob and box hide the outline, too",
    )
    color: str = Field(
        "#202020", pattern="^#[0-9a-fA-F]{6}$", description="of the solid effect, #rrggbb"
    )
    picture: str | None = Field(
        None,
        max_length=MAX_PICTURE_CHARACTERS,
        description="of the picture effect: a PNG of at most 512 KiB and 1024 pixels a side, in "
        "base64, drawn over people's boxes; the colour lies beneath it. Answers leave it out",
    )
    strength: float = Field(
        1.0,
        ge=1.0,
        le=8.0,
        strict=True,
        description="how many times larger the cells of blur and mosaic, and of the blur where "
        "fill knows no background, are than they must be; "
        "below 1 people could be recognised, so that isn't offered",
    )

    @field_validator("picture")
    @classmethod
    def _is_a_picture(cls, value: str | None) -> str | None:
        if value is not None:
            check_picture(value)
        return value

    @classmethod
    def of(cls, effect: EffectSettings) -> EffectRequest:
        """What asked for these settings, but for a picture."""
        return cls(
            name=effect.name, shape=effect.shape, color=effect.color, strength=effect.strength
        )

    @property
    def settings(self) -> EffectSettings:
        return EffectSettings(
            name=self.name,
            shape=self.shape,
            color=self.color,
            strength=self.strength,
            picture=self.picture,
        )


class JobRequest(BaseModel):
    """What is to be done with the project's video."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "mask", "effect": {"name": "blur"}}]},
    )

    kind: JobKind = Field(
        description="mask: everything; analyze: find everyone, to choose from; render: once more "
        "from the last analysis, with other verdicts or another effect"
    )
    profile: ProfileName | None = Field(None, description="null: as the service is set up")
    effect: EffectRequest = EffectRequest()
    codec: Codec | None = Field(
        None,
        description="of the result. auto: h264 for 8 bits a colour, hevc for 10 bits and HDR; "
        "h264 always has 8 bits, and is refused for HDR; null: as the service is set up",
    )
    deinterlace: Deinterlace | None = Field(
        None,
        description="auto: interlaced pictures stay interlaced as h264, and are deinterlaced for "
        "the other codecs, which can't hold them; on: all pictures are; off: none are, and the "
        "job fails where the codec can't hold them; null: as the service is set up",
    )
    smart_render: SmartRender | None = Field(
        None,
        description="auto: groups of pictures in which nothing is masked are copied, bit for bit, "
        "where video and result are H.264 and alike; off: everything is encoded; null: as the "
        "service is set up",
    )
    sound: tuple[SoundSpan, ...] = Field(
        (),
        max_length=MAX_SOUND_SPANS,
        description="what becomes of the result's sound: keep, mute, low-pass (words can't be made "
        "out) or pitch (lower voices), of all of it or from `start` to `end`, seconds; where "
        "several are asked for, the last counts; without any it is kept",
    )
    audit: bool = Field(
        False, strict=True, description="look at the result and report what could be wrong"
    )
    webhook: str | None = Field(
        None,
        max_length=MAX_URL_CHARACTERS,
        description="an https address that is told by a signed POST when the job has ended, see "
        "/webhook-secret; 409 where the operator has set webhooks up for nobody",
        examples=["https://example.com/bystander"],
    )
    clicks: tuple[ClickSpec, ...] = Field(
        (),
        max_length=MAX_CLICKS,
        description="people to keep who were pointed at in the video: seconds from its first "
        "frame, and display pixels, as the video's facts give its width and height",
    )

    @model_validator(mode="after")
    def _refuse_what_would_be_ignored(self) -> Self:
        if self.kind is JobKind.RENDER and self.clicks:
            raise ValueError(
                "a render job looks for nobody: use the project's verdicts instead of clicks"
            )
        if self.kind is JobKind.ANALYZE and self.audit:
            raise ValueError("an analyze job has no result that could be audited")
        encoded = self.codec or self.deinterlace or self.smart_render or self.sound
        if self.kind is JobKind.ANALYZE and encoded:
            raise ValueError("an analyze job has no result that could be encoded")
        return self


def order_for(request: JobRequest, project: Project, settings: ServiceSettings) -> JobSpec:
    """The order without its cast; the photos are put to it when the job begins."""
    # The ids in decisions are of the last timeline, and an analysis makes a new one.
    decided = request.kind is JobKind.RENDER
    return JobSpec(
        kind=request.kind,
        profile=request.profile or settings.profile,
        clicks=request.clicks,
        keep=project.keep if decided else (),
        mask=project.mask if decided else (),
        edits=edits_of(project) if decided else Edits(),
        effect=request.effect.settings,
        codec=request.codec,
        deinterlace=request.deinterlace,
        smart_render=request.smart_render,
        sound=request.sound,
        audit=request.audit,
        in_flight=settings.models.in_flight,
        checkpoint_seconds=settings.jobs.checkpoint_seconds,
        segment_frames=settings.jobs.segment_frames,
        traceparent=tracing.traceparent(),
    )


def clicks_outside(clicks: Sequence[ClickSpec], project: Project) -> int | None:
    """Which click, from 0, lies beside the video; None if none does."""
    facts = project.video.ready_facts
    for number, click in enumerate(clicks):
        beside = click.x >= facts.width or click.y >= facts.height
        if beside or click.seconds > facts.duration:
            return number
    return None


def is_hdr_as_h264(codec: Codec | None, project: Project) -> bool:
    """Whether the job could only fail: see `encoding_of`."""
    return codec is Codec.H264 and project.video.ready_facts.hdr


def warnings_for(request: JobRequest, photos: Sequence[Photo]) -> list[str]:
    """What the client may not have meant, though it can be done."""
    if request.kind is JobKind.RENDER:
        return []
    warnings = []
    unused = [photo for photo in photos if photo.chosen is None]
    if unused:
        warnings.append(f"{len(unused)} of {len(photos)} photos can't be used, see their problems")
    without = {photo.person for photo in unused} - {
        photo.person for photo in photos if photo.chosen is not None
    }
    warnings += [f"{person} has no usable photo and will be masked" for person in sorted(without)]
    if len(unused) == len(photos) and not request.clicks:
        warnings.append("nobody is to be kept: everyone will be masked")
    return warnings
