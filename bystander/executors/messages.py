"""What a confined process may say to who started it, and the answers that it gets.

Nothing of it is believed: JSON of a known form, bounded in length; names are checked before a
workspace sees them, and what the process made is copied from an ordinary file in its folder.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bystander.pipeline.tasks import Workspace
from bystander.tracing import TRACEPARENT_PATTERN

MAX_MESSAGE_BYTES: Final = 2**20
COPY_BYTES: Final = 2**20
MAX_TEXT_CHARACTERS: Final = 2000
"""Of a sentence."""
_FRAMES: Final = 2**31  # of one step


class WorkerDied(Exception):
    """The process ended over a task, or had to be ended; another may do it."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stepped(Message):
    event: Literal["step"]
    frames: int = Field(gt=-_FRAMES, lt=_FRAMES)


class Warned(Message):
    event: Literal["warning"]
    text: str = Field(max_length=MAX_TEXT_CHARACTERS)


class Done(Message):
    event: Literal["done"]


class Failed(Message):
    event: Literal["failed"]
    type: str = Field(max_length=100)
    what: str = Field(max_length=MAX_TEXT_CHARACTERS)
    advice: str = Field("", max_length=MAX_TEXT_CHARACTERS)


class Broken(Message):
    event: Literal["broken"]
    text: str = Field(max_length=MAX_TEXT_CHARACTERS)


class FetchVideo(Message):
    event: Literal["video"]
    spans: list[tuple[int, int]] = Field(max_length=20_000)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9-][A-Za-z0-9.-]{0,199}$")]


class Find(Message):
    event: Literal["find"]
    name: Name


class Has(Message):
    event: Literal["has"]
    name: Name


class Store(Message):
    event: Literal["store"]
    name: Name
    part: str = Field(pattern=r"^[0-9a-f]{32}\.part$")


class Sealed(Message):
    """A task that is to be handed on; `content` in base64."""

    event: Literal["task"]
    name: Name
    frames: int = Field(ge=0, lt=_FRAMES)
    networks: bool
    content: str = Field(max_length=MAX_MESSAGE_BYTES)


class RunTasks(Message):
    """Have the tasks done that were told, for the span `traceparent` (`bystander.tracing`)."""

    event: Literal["run"]
    traceparent: str | None = Field(None, pattern=TRACEPARENT_PATTERN)


Question = FetchVideo | Find | Has | Store
Said = Stepped | Warned | Done | Failed | Broken | Question | Sealed | RunTasks
_SAID: Final[TypeAdapter[Said]] = TypeAdapter(Annotated[Said, Field(discriminator="event")])


def receive(connection: Connection) -> Said:
    """The next message.

    Raises:
        EOFError, OSError: the process has ended.
        WorkerDied: it is none.
    """
    content = connection.recv_bytes(MAX_MESSAGE_BYTES)
    try:
        return _SAID.validate_json(content)
    except ValidationError:
        raise WorkerDied("it says what makes no sense") from None


def answer(workspace: Workspace, question: Question, folder: Path) -> str | bool | None:
    """What the workspace says; `folder` is the process's own.

    Raises:
        BystanderError: see `Workspace`.
        WorkerDied: there is no such file to be stored.
    """
    match question:
        case FetchVideo(spans=spans):
            return str(workspace.video(spans).resolve())
        case Find(name=name):
            found = workspace.find(name)
            return None if found is None else str(found.resolve())
        case Has(name=name):
            return workspace.has(name)
        case Store(name=name, part=part):
            with (
                _ordinary_file(folder / part) as made,
                workspace.storing(name) as path,
                path.open("wb") as copy,
            ):
                shutil.copyfileobj(made, copy, COPY_BYTES)
    return None


@contextmanager
def _ordinary_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that the process has made, open; no link to another."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise WorkerDied(f"it stores a file that it hasn't made ({error.strerror})") from None
    with os.fdopen(opened, "rb") as made:
        facts = os.fstat(opened)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise WorkerDied("it stores what is no ordinary file")
        yield made
