"""How an audit looks, and what it finds, joined to spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pydantic import Field

from bystander.choices import LicenceUse
from bystander.config import Settings
from bystander.editing.document import AcceptedFinding, AcceptEdit, Edits
from bystander.geometry.coordinates import DisplayBox
from bystander.geometry.instances import box_iou
from bystander.models.sessions import SessionSettings
from bystander.tracking.shots import ShotSettings

JOIN_SECONDS: Final = 1.0
"""Signs of the same thing no further apart than this are one finding."""
ACCEPTED_SECONDS: Final = 0.5
MIN_ACCEPTED_IOU: Final = 0.3
"""A finding that is found once more may be so late, and have moved so far."""
MIN_SAME_PLACE_IOU: Final = 0.2
"""IoU from which two signs without a name are about the same person."""


class AuditSettings(Settings):
    """How thoroughly a masked video is attacked."""

    sessions: SessionSettings = Field(
        default=SessionSettings(), description="how the networks that look are run"
    )
    licence: LicenceUse = Field(
        default=LicenceUse.ANY, description="commercial: only networks that may be used so"
    )
    compare_long_side: int = Field(
        default=960,
        ge=256,
        le=2048,
        description="longer side at which source and output are compared, never above their own",
    )
    people_long_side: int = Field(
        default=960,
        ge=256,
        le=2048,
        description="longer side at which people are looked for in the output",
    )
    source_long_side: int = Field(
        default=1280,
        ge=256,
        le=2048,
        description="the same in the source, mirrored; of seven people of a street whom no look of "
        "the analysis' size saw this one sees three",
    )
    face_long_side: int = Field(
        default=1920,
        ge=256,
        le=4096,
        description="longer side at which faces are looked for, never above the output's own",
    )
    every: int = Field(
        default=5,
        ge=1,
        le=100,
        description="networks look at every so manieth frame, and at those around each cut and "
        "at both ends; masks are compared in every frame",
    )
    confidence: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="least mean of a person's scores in output and mirrored source; a bag before a "
        "wall had 0.65 and 0.23",
    )
    face_confidence: float = Field(
        default=0.6, gt=0, lt=1, description="least score of a face in the output"
    )
    workers: int = Field(
        default=0, ge=0, le=64, description="frames looked at at once; 0 is one a core"
    )
    pictures: int = Field(default=12, ge=0, le=100, description="seconds shown in the report")
    shots: ShotSettings = ShotSettings()


class FindingKind(StrEnum):
    """What can be wrong with a masked video."""

    UNMASKED = "unmasked"  # the timeline masks someone, the video doesn't
    VISIBLE_PERSON = "visible person"
    VISIBLE_FACE = "visible face"
    WEAK_MASK = "weak mask"
    RECOGNISABLE = "recognisable"
    OUT_OF_STEP = "out of step"
    UNKNOWN_EFFECT = "unknown effect"
    METADATA = "metadata"
    STREAM = "stream"
    HIDDEN = "hidden"  # in the file, though players skip it


class Severity(StrEnum):
    LEAK = "leak"  # the audit isn't passed
    NOTE = "note"  # to be looked at


ADVICE: Final = {
    FindingKind.UNMASKED: "Render again from this timeline; if it stays, analyse with --profile "
    "thorough.",
    FindingKind.VISIBLE_PERSON: "Analyse with --profile thorough, or cut these seconds out.",
    FindingKind.VISIBLE_FACE: "Analyse with --profile thorough, or cut these seconds out.",
    FindingKind.WEAK_MASK: "Render again with the default strength, or with --effect solid.",
    FindingKind.RECOGNISABLE: "Render again with --effect solid.",
    FindingKind.OUT_OF_STEP: "Publish the file as 'bystander render' wrote it, without editing it.",
    FindingKind.UNKNOWN_EFFECT: "Look at the masks yourself, or render again with a default "
    "effect.",
    FindingKind.METADATA: "Publish the file as 'bystander render' wrote it: it carries no such "
    "entry.",
    FindingKind.STREAM: "Publish the file as 'bystander render' wrote it: picture and sound only.",
    FindingKind.HIDDEN: "Publish the file as 'bystander render' wrote it: what is cut off "
    "isn't in it.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found, in one frame or over a span.

    Attributes:
        start: seconds as a player of the output shows them: its clock may have begun before
            the first frame, with the sound.
        end: when the last such frame appears, by the same clock.
        seconds: when the worst frame appears, by the same clock.
        frame: the worst one, counted from 0; None for the file as a whole.
        frames: in how many of the frames looked at.
        box: in that frame, of the output.
        share: how bad it is, 0 to 1: of what could be seen, how much is seen.
        who: the tracklet it is about ("t7"), or what in the file; may be empty.
        detail: one plain sentence.
        certain: this one frame is enough; otherwise another one has to say the same.
        accepted: somebody looked at it and found it fine.
    """

    kind: FindingKind
    severity: Severity
    start: float
    end: float
    seconds: float
    frame: int | None
    frames: int
    box: DisplayBox | None
    share: float
    who: str
    detail: str
    certain: bool = True
    accepted: bool = False

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


def in_file(
    kind: FindingKind, who: str, detail: str, severity: Severity = Severity.LEAK
) -> Finding:
    """A finding about the file as a whole."""
    return Finding(kind, severity, 0.0, 0.0, 0.0, None, 0, None, 1.0, who, detail)


def in_frame(
    kind: FindingKind,
    severity: Severity,
    at: tuple[int, float],
    box: DisplayBox | None,
    share: float,
    detail: str,
    who: str = "",
    certain: bool = True,
) -> Finding:
    """A finding in one frame: `at` is its number and second."""
    index, time = at
    return Finding(kind, severity, time, time, time, index, 1, box, share, who, detail, certain)


class FindingMerger:
    """Joins single frames' findings to spans, as they come; what it holds is the spans.

    A span of a single frame that isn't certain is chance, and dropped.
    """

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._open: list[tuple[Finding, DisplayBox | None]] = []

    def add(self, signs: Iterable[Finding]) -> None:
        """Take the findings of a frame, the frames in order."""
        for sign in signs:
            self._close_before(sign.start - JOIN_SECONDS)
            for position, (span, last) in enumerate(self._open):
                if _same(span, last, sign):
                    self._open[position] = (_joined(span, sign), sign.box)
                    break
            else:
                self._open.append((sign, sign.box))

    def findings(self) -> list[Finding]:
        """Everything found: leaks first, then by how long and how bad."""
        self._close_before(float("inf"))
        return ordered(self._findings)

    def _close_before(self, seconds: float) -> None:
        ended = [span for span, _ in self._open if span.end < seconds]
        self._findings += [span for span in ended if span.certain or span.frames > 1]
        self._open = [pair for pair in self._open if pair[0].end >= seconds]


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Leaks first, then by how long and how bad."""
    return sorted(
        findings,
        key=lambda f: (f.severity is not Severity.LEAK, -f.share * max(f.frames, 1), f.start),
    )


def with_accepted(
    findings: Iterable[Finding], edits: Edits | None, first_seconds: float
) -> Iterator[Finding]:
    """The findings, of which those are marked that somebody accepted.

    Args:
        edits: a finding is accepted by one of the same kind, within `ACCEPTED_SECONDS`, in the same
            place by `MIN_ACCEPTED_IOU`.
        first_seconds: when a player of the output shows the first frame, where edits count from.
    """
    fine = [one.finding for one in edits.edits if isinstance(one, AcceptEdit)] if edits else []
    for finding in findings:
        found = any(_is_about(one, finding, finding.seconds - first_seconds) for one in fine)
        yield replace(finding, accepted=True) if found else finding


def _is_about(one: AcceptedFinding, finding: Finding, seconds: float) -> bool:
    if one.kind != finding.kind or abs(one.seconds - seconds) > ACCEPTED_SECONDS + 1e-6:
        return False
    if one.box is None or finding.box is None:
        return one.box is finding.box
    return box_iou(one.box, finding.box) >= MIN_ACCEPTED_IOU


def _same(span: Finding, last: DisplayBox | None, sign: Finding) -> bool:
    if (span.kind, span.severity, span.who) != (sign.kind, sign.severity, sign.who):
        return False
    if span.who or last is None or sign.box is None:
        return True
    return box_iou(last, sign.box) >= MIN_SAME_PLACE_IOU


def _joined(span: Finding, sign: Finding) -> Finding:
    worse = sign if sign.share > span.share else span
    return replace(
        worse,
        start=span.start,
        end=sign.end,
        frames=span.frames + sign.frames,
        certain=span.certain or sign.certain,
    )
