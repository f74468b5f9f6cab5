"""What cleaning found, and the file it is kept in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bystander.config import Settings, describe
from bystander.errors import OutputUnwritable
from bystander.geometry.types import Box
from training.cleaning.settings import CleaningSettings
from training.errors import DataError

Check = Literal[
    "broken file",
    "leak",
    "duplicate",
    "crowd",
    "degenerate",
    "outside",
    "twin",
    "box",
    "unlabelled person",
]
Action = Literal["remove picture", "remove annotation", "grey out", "clip annotation", "look"]
"""From the strongest to the weakest. "grey out" makes an annotation a region of which nothing
is learned, see `training.cleaning.crowds`; "look" is left to a person."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A person whom the segmenter sees and no annotation covers, in pixels of the picture.

    Attributes:
        outline: x, y of the corners of the silhouette's largest part.
    """

    box: Box
    score: float
    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        picture, annotation: keys; no annotation if it is about the whole picture.
        reason: a sentence with figures.
        other: key of the picture, or of the annotation of this picture, that is kept instead.
    """

    check: Check
    action: Action
    picture: str
    reason: str
    annotation: str | None = None
    other: str | None = None
    sighting: Sighting | None = None


class Findings(Settings):
    """Everything found in one mix of pictures.

    Attributes:
        pictures: how many were looked at.
        settings: the limits it was found with.
    """

    version: Literal[1] = 1
    pictures: int
    settings: CleaningSettings
    found: tuple[Finding, ...]


def write_findings(findings: Findings, path: Path) -> None:
    """Write `findings` to `path` as JSON, atomically.

    Raises:
        OutputUnwritable: the folder is missing, not writable, or full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(findings.model_dump_json(indent=1), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OutputUnwritable(
            f"the findings can't be written to {path} ({error.strerror})",
            "Choose a folder that exists and may be written to.",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def read_findings(path: Path) -> Findings:
    """The findings that `write_findings` wrote.

    Raises:
        DataError: they can't be read, or are damaged or of another version.
    """
    try:
        return Findings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"can't read the findings {path}: {error.strerror}", "Run the cleaning first."
        ) from error
    except ValidationError as error:
        raise DataError(
            f"{path} holds no findings of this version: {describe(error)}",
            "Run the cleaning again.",
        ) from error
