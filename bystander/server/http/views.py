"""What answers hold: the base of their types, and those that no single route owns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bystander.auditing.findings import FindingKind, Severity


class ApiView(BaseModel):
    """Base of what the API answers with: immutable. A field that is empty isn't left out."""

    model_config = ConfigDict(frozen=True)


class FileView(ApiView):
    """A file that an audit looked at."""

    name: str = Field(examples=["holiday.mp4"])
    sha256: str = Field(description="of its bytes, hexadecimal")


class KeptView(ApiView):
    """Somebody who may be seen."""

    who: str = Field(description="name, or id of a person", examples=["Anna"])
    why: str = Field(examples=["6 faces agree"])


class FindingView(ApiView):
    """Something that an audit found, in one frame or over a span. Times are seconds, as a player
    of the masked video shows them."""

    kind: FindingKind
    severity: Severity
    start: float = Field(description="when the first such frame appears")
    end: float = Field(description="when the last such frame appears")
    seconds: float = Field(description="when the worst frame appears")
    frame: int | None = Field(description="the worst one, from 0; null for the file as a whole")
    frames: int = Field(description="in how many of the frames looked at")
    box: tuple[float, float, float, float] | None = Field(
        description="x0, y0, x1, y1 in the worst frame, pixels of the masked video"
    )
    share: float = Field(description="of what could be seen, how much is seen, 0 to 1")
    who: str = Field(description="the appearance (t7), or what in the file; may be empty")
    detail: str = Field(description="one plain sentence")
    accepted: bool = Field(description="somebody looked at it and found it fine")
    advice: str


class AuditView(ApiView):
    """What an audit found in the masked video."""

    format: Literal["bystander-audit"]
    version: Literal[1]
    passed: bool = Field(description="there is no leak but what was accepted")
    source: FileView
    output: FileView
    frames: int = Field(description="of the source")
    seconds: float = Field(description="of the source")
    timeline: bool = Field(description="it was told who is to be masked")
    networks: dict[str, str] = Field(description="file name to SHA-256")
    kept: tuple[KeptView, ...]
    stripped: tuple[str, ...] = Field(
        description="what the source carries beside picture and sound, and the output doesn't"
    )
    findings: tuple[FindingView, ...] = Field(description="the worst first")
    basis: dict[str, Any] = Field(description="what a later audit goes on from")
