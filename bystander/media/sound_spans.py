"""What is asked for of the sound, and when: `--sound` as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self

from pydantic import Field, ValidationError, model_validator

from bystander.choices import SoundTreatment
from bystander.config import Settings, describe
from bystander.errors import ConfigError

MAX_SOUND_SPANS: Final = 1000
_FORM: Final = (
    f"Write one of {', '.join(SoundTreatment)}, and :FROM-TO in seconds if need be, "
    "for example mute:12.4-15."
)


class SoundSpan(Settings):
    """A treatment of the sound, for a while.

    Attributes:
        treatment: what becomes of it.
        start, end: seconds from the video's first frame; None for its very beginning or end,
            sound that lies beside the pictures with it.
    """

    treatment: SoundTreatment
    start: float | None = Field(None, ge=0, allow_inf_nan=False, description="seconds")
    end: float | None = Field(None, gt=0, allow_inf_nan=False, description="seconds")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("it ends before it begins")
        return self

    @classmethod
    def parse(cls, text: str) -> SoundSpan:
        """Read "mute", or "mute:12.4-15", of which either time may be left out.

        Raises:
            ConfigError: it can't be read.
        """
        name, colon, when = text.partition(":")
        start, dash, end = when.partition("-")
        try:
            if colon and not dash:
                raise ValueError("two times are needed")
            return cls(
                treatment=SoundTreatment(name),
                start=float(start) if start else None,
                end=float(end) if end else None,
            )
        except ValidationError as error:
            raise ConfigError(f"--sound {text}: {describe(error)}", _FORM) from error
        except ValueError as error:
            raise ConfigError(f"--sound {text} can't be read", _FORM) from error

    def __str__(self) -> str:
        """As `parse` takes it."""
        if self.start is None and self.end is None:
            return str(self.treatment)
        start, end = ("" if at is None else f"{at:.6g}" for at in (self.start, self.end))
        return f"{self.treatment}:{start}-{end}"


def described(spans: Sequence[SoundSpan]) -> list[str]:
    """What is done to the sound, in the words of --sound."""
    return [str(span) for span in spans] or [str(SoundTreatment.KEEP)]


def sound_spans(given: Iterable[SoundSpan | str] | str) -> tuple[SoundSpan, ...]:
    """What was asked for, as spans of which no two overlap and none is 'keep', in order.

    Where several were asked for, the last of them counts: "mute", "keep:3-5" mutes all but that.

    Raises:
        ConfigError: one can't be read, or there are more than `MAX_SOUND_SPANS`.
    """
    given = [given] if isinstance(given, str) else given
    asked = [SoundSpan.parse(one) if isinstance(one, str) else one for one in given]
    if len(asked) > MAX_SOUND_SPANS:
        raise ConfigError(
            f"{len(asked)} spans of sound are asked for",
            f"Give {MAX_SOUND_SPANS} at most, longer ones.",
        )
    found: list[SoundSpan] = []
    for span in asked:
        found = [rest for before in found for rest in _beside(before, span)]
        if span.treatment is not SoundTreatment.KEEP:
            found.append(span)
    return tuple(sorted(found, key=lambda span: span.start or 0.0))


def _beside(span: SoundSpan, other: SoundSpan) -> Iterable[SoundSpan]:
    """What of `span` lies before and after `other`."""
    if other.start is not None and (span.start is None or span.start < other.start):
        end = other.start if span.end is None else min(span.end, other.start)
        yield span.model_copy(update={"end": end})
    if other.end is not None and (span.end is None or span.end > other.end):
        start = other.end if span.start is None else max(span.start, other.end)
        yield span.model_copy(update={"start": start})


def sound_within(
    spans: Sequence[SoundSpan], offset: float, seconds: float
) -> tuple[SoundSpan, ...]:
    """Spans of a whole video as ones of a part; those of other times are left out.

    Args:
        spans: in seconds of the whole video.
        offset: seconds from its first frame to the part's.
        seconds: how long the part is.
    """
    return tuple(
        span.model_copy(
            update={
                "start": None if (span.start or 0.0) <= offset else span.start - offset,  # type: ignore[operator]
                "end": None if span.end is None else span.end - offset,
            }
        )
        for span in spans
        if (span.start or 0.0) < offset + seconds and (span.end is None or span.end > offset)
    )
