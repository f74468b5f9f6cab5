"""Edits by hand, one document beside the timeline: versioned JSON, applied in order.

    {"format": "bystander-edits", "version": 1, "edits": [
      {"kind": "verdict", "who": "p2", "decision": "keep", "start": 2, "end": 6},
      {"kind": "mask", "keys": [{"seconds": 12.4, "shape": {"kind": "box", "x": 40, "y": 20,
                                                             "width": 60, "height": 80}}]},
      {"kind": "zone", "decision": "mask", "shape": {...}, "start": 3},
      {"kind": "erase", "who": "t17"},
      {"kind": "own", "who": "p2", "keys": [{"seconds": 3, "shape": {...}}]},
      {"kind": "look", "who": "p5", "color": "#ffcc00", "picture": "iVBORw0KGgo..."},
      {"kind": "merge", "persons": ["p1", "p4"]},
      {"kind": "split", "who": "p2", "tracklets": ["t17"]},
      {"kind": "accept", "finding": {"kind": "visible person", "seconds": 3, "box": null}}]}

Seconds are from the video's first frame, places display pixels. Undoing takes the last one away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from bystander.choices import DEFAULT_COLOR
from bystander.config import Settings, describe
from bystander.errors import InvalidEdits
from bystander.redaction.pictures import MAX_PICTURE_BYTES, check_picture
from bystander.timeline.types import Decision

FORMAT: Final = "bystander-edits"
VERSION: Final = 1
MAX_BYTES: Final = 4 * 2**20
MAX_PICTURES_CHARACTERS: Final = 3 * 2**20
"""Of all pictures together, in base64."""
MAX_POINTS: Final = 500
MAX_EDITS: Final = 1000
MAX_KEYS: Final = 500
_FAR: Final = 1e5

Seconds = Annotated[float, Field(ge=0, le=1e6)]
Pixels = Annotated[float, Field(ge=-_FAR, le=_FAR)]
Length = Annotated[float, Field(gt=0, le=_FAR)]
Who = Annotated[str, Field(pattern=r"^[pt][0-9]{1,9}$")]
PersonId = Annotated[str, Field(pattern=r"^p[0-9]{1,9}$")]
TrackletId = Annotated[str, Field(pattern=r"^t[0-9]{1,9}$")]


class _Part(Settings):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Box(_Part):
    """An upright rectangle: left, top, width and height, display pixels."""

    kind: Literal["box"] = "box"
    x: Pixels
    y: Pixels
    width: Length
    height: Length


class Ellipse(_Part):
    """The ellipse within a rectangle: left, top, width and height, display pixels."""

    kind: Literal["ellipse"] = "ellipse"
    x: Pixels
    y: Pixels
    width: Length
    height: Length


class Polygon(_Part):
    """Its corners in order, display pixels; where its lines cross, the even-odd rule holds."""

    kind: Literal["polygon"] = "polygon"
    points: tuple[tuple[Pixels, Pixels], ...] = Field(min_length=3, max_length=MAX_POINTS)


Shape = Annotated[Box | Ellipse | Polygon, Field(discriminator="kind")]


class _During(_Part):
    """From `start` to before `end`; the video's own where there is none."""

    start: Seconds | None = None
    end: Seconds | None = None

    @model_validator(mode="after")
    def _is_a_while(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("it ends before it begins")
        return self


class VerdictEdit(_During):
    """Keep or mask a person (p2) or a tracklet (t17)."""

    kind: Literal["verdict"] = "verdict"
    who: Who
    decision: Decision


class Key(_Part):
    """Where a drawn mask is at a time."""

    seconds: Seconds
    shape: Shape


class _Drawn(_During):
    """A shape drawn at one time or several.

    It is followed both ways through the shot, to `start` and `end` if there are any, and passes
    through each of its keys; not `follow`ed, it stands still between them.
    """

    keys: tuple[Key, ...] = Field(min_length=1, max_length=MAX_KEYS)
    follow: bool = True

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if any(one.seconds >= other.seconds for one, other in pairwise(self.keys)):
            raise ValueError("its keys aren't in the order of time")
        return self


class MaskEdit(_Drawn):
    """Mask what nobody has found."""

    kind: Literal["mask"] = "mask"


class OwnEdit(_Drawn):
    """These pixels are a person's (p2) or a tracklet's (t17), whosever silhouette they lie in.

    They are masked or shown as that person is, in each frame; drawn masks and zones over them
    stay.
    """

    kind: Literal["own"] = "own"
    who: Who


class ZoneEdit(_During):
    """A part of the picture that is masked whoever is there, or clear whoever is there."""

    kind: Literal["zone"] = "zone"
    decision: Decision
    shape: Shape


class EraseEdit(_During):
    """This silhouette is nobody: a tracklet (t17) or a person (p2) is taken out."""

    kind: Literal["erase"] = "erase"
    who: Who


class LookEdit(_During):
    """A person (p2) or a tracklet (t17) is drawn over in their own way, where they are masked.

    All of them in a colour, and over it, in the middle of their box, a picture. Nothing of them
    is seen through either, so that nobody is masked less than before; who is kept stays kept.
    """

    kind: Literal["look"] = "look"
    who: Who
    color: str = Field(DEFAULT_COLOR, pattern="^#[0-9a-fA-F]{6}$", description="#rrggbb")
    picture: str | None = Field(
        None,
        max_length=4 * (MAX_PICTURE_BYTES + 2) // 3,
        description="a PNG file in base64, at most 512 KiB and 1024 pixels a side",
    )

    @field_validator("picture")
    @classmethod
    def _is_a_picture(cls, value: str | None) -> str | None:
        if value is not None:
            check_picture(value)
        return value


class MergeEdit(_Part):
    """These are one person, known by the id of the first."""

    kind: Literal["merge"] = "merge"
    persons: tuple[PersonId, ...] = Field(min_length=2, max_length=1000)


class SplitEdit(_Part):
    """These appearances of a person are somebody else, whose id is the next unused number.

    What was decided of them stays until it is decided anew.
    """

    kind: Literal["split"] = "split"
    who: PersonId
    tracklets: tuple[TrackletId, ...] = Field(min_length=1, max_length=10_000)


class AcceptedFinding(_Part):
    """A finding of the audit, told from others by what, when and where it is.

    Attributes:
        kind: of the finding, as in the report.
        seconds: of its worst frame, from the video's first frame.
        box: x0, y0, x1, y1, display pixels; None for one without a place.
    """

    kind: str = Field(pattern=r"^[a-z][a-z -]{0,39}$")
    seconds: Seconds
    box: tuple[Pixels, Pixels, Pixels, Pixels] | None = None

    @model_validator(mode="after")
    def _is_a_box(self) -> Self:
        if self.box is not None and (self.box[0] >= self.box[2] or self.box[1] >= self.box[3]):
            raise ValueError("its box has no area")
        return self


class AcceptEdit(_Part):
    """Somebody looked at a finding of the audit and found it fine; the picture stays."""

    kind: Literal["accept"] = "accept"
    finding: AcceptedFinding


DrawnEdit = MaskEdit | OwnEdit
Edit = Annotated[
    VerdictEdit
    | MaskEdit
    | OwnEdit
    | ZoneEdit
    | EraseEdit
    | LookEdit
    | MergeEdit
    | SplitEdit
    | AcceptEdit,
    Field(discriminator="kind"),
]


class Edits(_Part):
    """All that was mended by hand, in the order in which it was."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"edits": [{"kind": "verdict", "who": "p2", "decision": "keep"}]}]
        }
    )

    format: Literal["bystander-edits"] = FORMAT
    version: Literal[1] = VERSION
    edits: tuple[Edit, ...] = Field((), max_length=MAX_EDITS)

    @model_validator(mode="after")
    def _has_room_for_its_pictures(self) -> Self:
        pictures = (edit.picture for edit in self.edits if isinstance(edit, LookEdit))
        if sum(len(picture) for picture in pictures if picture) > MAX_PICTURES_CHARACTERS:
            raise ValueError(
                f"its pictures have more than {MAX_PICTURES_CHARACTERS // 2**20} MiB together"
            )
        return self

    @classmethod
    def load(cls, path: Path) -> Edits:
        """Read a document.

        Raises:
            InvalidEdits: there is none, or something in it is wrong; the message says what.
        """
        try:
            with path.open("rb") as file:  # which may be a pipe, or without an end
                raw = file.read(MAX_BYTES + 1)
            if len(raw) > MAX_BYTES:
                raise InvalidEdits(
                    f"{path} is larger than {MAX_BYTES:,} bytes", "Leave out what isn't needed."
                )
            return cls.parsed(raw.decode("utf-8-sig"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidEdits(
                f"the edits {path} can't be read ({error})", "Name a file of edits."
            ) from error

    @classmethod
    def parsed(cls, text: str, name: str = "the document of edits") -> Edits:
        """Read the text of a document.

        Raises:
            InvalidEdits: something in it is wrong.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise InvalidEdits(
                f"{name}: {describe(error)}", "'bystander edit --schema' prints what edits are."
            ) from error

    def save_text(self) -> str:
        """The document as JSON."""
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"

    def with_one(self, edit: Edit) -> Edits:
        """This, and one more.

        Raises:
            InvalidEdits: that is one too many.
        """
        try:
            return Edits(edits=(*self.edits, edit))
        except ValidationError as error:
            raise InvalidEdits(
                f"the edits: {describe(error)}", "Leave out what isn't needed."
            ) from error

    def accepted(self) -> Edits:
        """What of this is about an audit's findings, and not about the picture."""
        return Edits(edits=tuple(edit for edit in self.edits if isinstance(edit, AcceptEdit)))

    def undone(self) -> Edits:
        """This without the last one."""
        return Edits(edits=self.edits[:-1])


def schema() -> Mapping[str, Any]:
    """The document's JSON Schema."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Edits.model_json_schema()}


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"
