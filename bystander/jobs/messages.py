"""What a worker says on its standard output: one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LONGEST: Final = 64 * 1024
"""Bytes of a line; a longer one is junk."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ProgressMessage(_Message):
    """Frames done of one stage, frames per second, and seconds left in it."""

    event: Literal["progress"] = "progress"
    stage: str = Field(max_length=40)
    done: int = Field(ge=0)
    total: int = Field(ge=0)
    fps: float = Field(0.0, ge=0)
    eta: float = Field(0.0, ge=0)


class ResumedMessage(_Message):
    """It went on from a checkpoint."""

    event: Literal["resumed"] = "resumed"
    stage: str = Field(max_length=40)
    frame: int = Field(ge=0)


class PreviewMessage(_Message):
    """There is a new preview picture."""

    event: Literal["preview"] = "preview"


CodecName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]


class SoundStream(_Message):
    """An audio stream of the source, its codec, and what it becomes if it isn't copied."""

    stream: int = Field(ge=0, lt=2**31)
    codec: CodecName | None
    becomes: CodecName | None = None


class SoundSummary(_Message):
    """What `media.sound.SoundPlan.summary` gives, in nobody's words: without the reasons."""

    kept: list[SoundStream] = Field(max_length=64)
    transcoded: list[SoundStream] = Field(max_length=64)
    left_out: list[SoundStream] = Field(max_length=64)


class DoneMessage(_Message):
    """Every output is written.

    Attributes:
        summary: as in `Job.summary`.
    """

    event: Literal["done"] = "done"
    summary: dict[str, Any] = {}


class FailedMessage(_Message):
    """It can't be done, and trying again would not help: the parts of a BystanderError."""

    event: Literal["failed"] = "failed"
    type: str = Field(max_length=100)
    what: str
    advice: str = ""


Message = ProgressMessage | ResumedMessage | PreviewMessage | DoneMessage | FailedMessage

_MESSAGE: Final[TypeAdapter[Message]] = TypeAdapter(
    Annotated[Message, Field(discriminator="event")]
)


def parse(line: bytes) -> Message | None:
    """None: junk, such as what a library prints."""
    try:
        return _MESSAGE.validate_json(line)
    except ValidationError:
        return None


class Lines:
    """Cuts a stream of bytes into lines of bounded length.

    Attributes:
        dropped: how many were longer than `longest` and left out.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.dropped = 0
        self._longest = longest
        self._rest = b""
        self._dropping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        lines = []
        for line in ended:
            if self._dropping:
                self._dropping = False
            elif len(line) > self._longest:
                self.dropped += 1
            else:
                lines.append(line)
        if self._dropping:
            self._rest = b""
        elif len(self._rest) > self._longest:
            self.dropped += 1
            self._rest = b""
            self._dropping = True
        return lines
