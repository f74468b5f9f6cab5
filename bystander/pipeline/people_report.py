"""Who was found: rows for a table, and a contact sheet to look at."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bystander.errors import OutputUnwritable
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, Evidence, Person, PointedAt, Verdict

CELL: Final = (220, 300)
PICTURE: Final = (204, 200)
COLUMNS: Final = 5
GREEN, RED, INK, PAPER = (22, 128, 60), (176, 32, 48), (32, 32, 36), (248, 248, 246)


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """Somebody in a timeline, in short.

    Attributes:
        id: "p1".
        name: of a cast member, or the click that meant them; empty for a bystander.
        seconds: in the picture.
        first: when they are first there, seconds as a player shows them.
        verdict: "mixed" where it isn't the same all the time.
        evidence: what the leading verdict rests on: one that keeps if there is one, else the
            longest.
        tracklets: ids, "t3".
        pointed_at: clicks that meant them.
    """

    id: str
    name: str
    seconds: float
    first: float
    verdict: Literal["keep", "mask", "mixed"]
    evidence: Evidence
    tracklets: tuple[str, ...]
    pointed_at: tuple[PointedAt, ...]

    def as_row(self) -> dict[str, object]:
        """For a table or JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "seconds": self.seconds,
            "from": self.first,
            "verdict": self.verdict,
            "evidence": self.evidence.kind.value,
            "similarity": self.evidence.similarity,
            "samples": self.evidence.samples,
            "reason": self.evidence.reason,
            "tracklets": " ".join(self.tracklets),
            "pointed_at": [{"seconds": at.seconds, "x": at.x, "y": at.y} for at in self.pointed_at],
        }


def describe_people(
    header: Header, times: NDArray[np.float64] | None = None
) -> list[PersonSummary]:
    """Everyone in a timeline, in its order: who is longest in the picture first.

    Args:
        times: `Timeline.times`, of which `first` is told; by default frames are evenly spaced
            from 0 on.
    """
    times = header.even_times() if times is None else times
    summaries = []
    for person in header.persons:
        tracklets = header.tracklets_of(person)
        verdicts = [verdict for _, verdict in header.verdicts_of(person)]
        summaries.append(
            PersonSummary(
                person.id,
                person.name or "",
                person.seconds,
                round(float(times[min(verdict.start for verdict in verdicts)]), 2),
                _verdict(verdicts),
                _leading(verdicts).evidence,
                tuple(f"t{t.id}" for t in tracklets),
                tuple(at for at in header.pointed_at if at.tracklet in person.tracklets),
            )
        )
    return summaries


@dataclass(frozen=True, slots=True)
class Pointed:
    """Whom a click meant, for the one who clicked.

    Attributes:
        seconds: of the click, from the first frame.
        x: of the click, display pixels.
        y: of the click, display pixels.
        person: its id, "p1".
        tracklet: its id, "t3".
        first: when that person appears, seconds as a player shows them.
        last: when that person is seen last.
        picture: of them in the click's frame, as a data URI (JPEG).
    """

    seconds: float
    x: float
    y: float
    person: str
    tracklet: str
    first: float
    last: float
    picture: str | None

    def __str__(self) -> str:
        between = f"{_clock(self.first)}-{_clock(self.last)}"
        return f"{self.seconds:g} s at {self.x:g},{self.y:g}: {self.person}, seen {between}"


def pointed_people(timeline: Timeline) -> list[Pointed]:
    """Whom each click of an analysis meant, in the order of time."""
    header, rows = timeline.header, []
    times = timeline.times() if header.pointed_at else header.even_times()
    for number, at in enumerate(header.pointed_at):
        person = next(p for p in header.persons if at.tracklet in p.tracklets)
        tracklets = header.tracklets_of(person)
        jpeg = timeline.pointed_picture(number)
        rows.append(
            Pointed(
                at.seconds,
                at.x,
                at.y,
                person.id,
                f"t{at.tracklet}",
                round(float(times[min(t.start for t in tracklets)]), 2),
                round(float(times[max(t.end for t in tracklets)]), 2),
                None if jpeg is None else _data_uri(jpeg),
            )
        )
    return rows


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def contact_sheet(timeline: Timeline, path: Path) -> None:
    """Draw everyone who was found: picture, id, seconds, verdict (PNG by `path`'s suffix).

    Raises:
        OutputUnwritable: the picture can't be written.
    """
    rows = describe_people(timeline.header)
    lines = max(1, -(-len(rows) // COLUMNS))
    sheet = Image.new("RGB", (CELL[0] * COLUMNS, CELL[1] * lines), PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(18), ImageFont.load_default(13)
    for position, (person, row) in enumerate(zip(timeline.header.persons, rows, strict=True)):
        x, y = position % COLUMNS * CELL[0] + 8, position // COLUMNS * CELL[1] + 8
        picture = _picture(timeline, person)
        if picture is not None:
            sheet.paste(picture, (x + (PICTURE[0] - picture.width) // 2, y))
        colour = GREEN if row.verdict == "keep" else RED
        draw.rectangle((x, y, x + PICTURE[0], y + PICTURE[1]), outline=colour, width=3)
        draw.text((x, y + 206), f"{person.id} {person.name or ''}"[:22], INK, font)
        draw.text((x, y + 230), f"{row.verdict}, {person.seconds:.1f} s", colour, font)
        draw.text((x, y + 256), row.evidence.reason[:34], INK, small)
        draw.text((x, y + 272), row.evidence.reason[34:68], INK, small)
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise OutputUnwritable(
            f"the contact sheet can't be written to {path} ({error})",
            "Give a name that ends in .png, in a folder that exists.",
        ) from error


def _picture(timeline: Timeline, person: Person) -> Image.Image | None:
    tracklets = sorted(timeline.header.tracklets_of(person), key=lambda t: -t.height)
    for tracklet in tracklets:
        jpeg = timeline.picture(tracklet.id)
        if jpeg is not None:
            image = Image.open(io.BytesIO(jpeg), formats=("JPEG",)).convert("RGB")
            image.thumbnail(PICTURE)
            return image
    return None


def _leading(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict to show: one that keeps if there is one, else the longest."""
    return max(verdicts, key=lambda v: (v.decision is Decision.KEEP, v.end - v.start))


def _verdict(verdicts: Sequence[Verdict]) -> Literal["keep", "mask", "mixed"]:
    decisions = {verdict.decision for verdict in verdicts}
    if len(decisions) > 1:
        return "mixed"
    return "keep" if decisions == {Decision.KEEP} else "mask"
