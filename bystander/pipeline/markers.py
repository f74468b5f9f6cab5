"""A timeline, and an audit's findings -> markers in an editor: where somebody should look."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from bystander.auditing.earlier import read_finding
from bystander.choices import ExportFormat
from bystander.errors import ConfigError
from bystander.files import replacing
from bystander.timeline.archive import Timeline
from bystander.timeline.header import SourceVideo
from bystander.timeline.types import EvidenceKind

_NTSC: Final = Fraction(1000, 1001)
_RATE_TOLERANCE: Final = 0.005  # of frames a second, which the timeline has as a float
EDITING_RATES: Final = (
    *(24 * _NTSC, Fraction(24), Fraction(25), 30 * _NTSC),
    *(Fraction(30), Fraction(50), 60 * _NTSC, Fraction(60)),
)
"""Frames a second that editors have sequences of, the slowest first."""
_NOT_IN_XML: Final = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, and the halves by which Python writes file names that aren't UTF-8."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Something to look at.

    Attributes:
        start, end: frames of the video, `end` not among them.
        seconds, until: when the first appears and the last is gone, from the first frame.
        kind: "doubtful", or what the audit calls it.
        severity: "doubt", "leak" or "note".
        who: a person's id (p2), a tracklet's (t7), or nothing.
        text: one plain sentence.
    """

    start: int
    end: int
    seconds: float
    until: float
    kind: str
    severity: str
    who: str
    text: str


def markers_of(timeline: Timeline, audit: Path | None) -> list[Marker]:
    """What is doubtful in a timeline, and what an audit found and nobody accepted, in order.

    Args:
        audit: the JSON of its report.

    Raises:
        ConfigError: it can't be read.
        InvalidTimeline: the timeline is damaged.
    """
    times = timeline.times()
    found = [*_doubtful(timeline, times), *(_findings(audit, times) if audit else ())]
    return sorted(found, key=lambda one: (one.start, one.end))


def _marker(
    times: NDArray[np.float64], start: int, end: int, kind: str, severity: str, who: str, text: str
) -> Marker:
    last = len(times) - 1
    start = min(max(0, start), max(0, last - 1))
    end = min(max(start + 1, end), max(1, last))
    at, until = float(times[start] - times[0]), float(times[min(end, last)] - times[0])
    return Marker(start, end, at, until, *map(_one_line, (kind, severity, who, text)))


def _one_line(text: str) -> str:
    """What fits on a line of an edit decision list, and into an attribute of XML."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def _doubtful(timeline: Timeline, times: NDArray[np.float64]) -> Iterator[Marker]:
    for person in timeline.header.persons:
        for _, verdict in timeline.header.verdicts_of(person):
            if verdict.evidence.kind is EvidenceKind.DOUBT:
                yield _marker(
                    times,
                    *(verdict.start, verdict.end, "doubtful", "doubt", person.id),
                    verdict.evidence.reason,
                )


def _findings(audit: Path, times: NDArray[np.float64]) -> Iterator[Marker]:
    try:
        report = json.loads(audit.read_text(encoding="utf-8"))
        told = [(one.get("accepted", False), read_finding(one)) for one in report["findings"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the audit {audit} can't be read ({error})", "Give the .json beside the report."
        ) from error
    for accepted, finding in told:
        if accepted:
            continue
        if finding.frame is None:
            start, end = 0, 1
        else:  # the clock of the file that was audited may begin elsewhere
            place = times[min(finding.frame, len(times) - 1)]
            half = (times[-1] - times[0]) / max(1, len(times) - 1) / 2
            start = int(np.searchsorted(times, place - finding.seconds + finding.start - half))
            end = int(np.searchsorted(times, place - finding.seconds + finding.end + half))
        yield _marker(
            times, start, end, finding.kind, finding.severity, finding.who, finding.detail
        )


def write_markers(
    markers: Sequence[Marker], video: SourceVideo, wanted: ExportFormat, path: Path
) -> None:
    """Write markers as `edl`, `fcpxml` or `csv`.

    Raises:
        OSError: the file can't be written.
    """
    rate, name = editing_rate(video.rate), _one_line(path.stem)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        match wanted:
            case ExportFormat.EDL:
                _write_edl(markers, rate, name, file)
            case ExportFormat.FCPXML:
                file.write(_fcpxml(markers, video, rate, name))
            case _:
                _write_csv(markers, rate, file)


def frame_rate(rate: float) -> Fraction:
    """The rate that a float stands for: a whole one, one of NTSC's, or what is next to it."""
    for known in (Fraction(round(rate)), round(rate / _NTSC) * _NTSC):
        if known and abs(rate - known) < _RATE_TOLERANCE:
            return known
    return Fraction(rate).limit_denominator(1001)


def editing_rate(rate: float) -> Fraction:
    """The rate at which an editor counts a video's frames; its own where there are sequences of it.

    Else the lowest of `EDITING_RATES` that has each of its frames (30 for 15 a second), the
    highest that has each second, third, ... (60 for 120), or the next higher one.
    """
    own = frame_rate(rate)
    multiples = [known for known in EDITING_RATES if (known / own).denominator == 1]
    parts = [known for known in EDITING_RATES if (own / known).denominator == 1]
    higher = [known for known in EDITING_RATES if known > own]
    return (multiples or parts[::-1] or higher or EDITING_RATES[-1:])[0]


def timecode(count: int, rate: Fraction) -> str:
    """Of the frame `count` at a rate: hours, minutes, seconds, frames; never drop frame."""
    base = max(1, round(rate))
    seconds, frames = divmod(count, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def _counts(marker: Marker, rate: Fraction) -> tuple[int, int]:
    """Its frames as an editor counts them, which takes all to be evenly spaced."""
    start = round(marker.seconds * rate)
    return start, max(start + 1, round(marker.until * rate))


def _write_edl(markers: Sequence[Marker], rate: Fraction, name: str, file: IO[str]) -> None:
    """CMX 3600, with a marker (Resolve) and locators (Avid) in the comments of its events.

    Events of a track may not overlap, as spans of several people do: so each is one frame long, as
    Resolve writes them, and there is one for all markers that begin with its frame.
    """
    file.write(f"TITLE: {name}\nFCM: NON-DROP FRAME\n")
    pairs = sorted(((_counts(m, rate), m) for m in markers), key=lambda pair: pair[0][0])
    for number, (start, group) in enumerate(groupby(pairs, lambda pair: pair[0][0]), 1):
        here = list(group)
        texts = [_told(marker) for _, marker in here]
        colours = ["RED" if marker.severity == "leak" else "YELLOW" for _, marker in here]
        colour = "RED" if "RED" in colours else "YELLOW"  # an event has one, that of the worst
        code, after = timecode(start, rate), timecode(start + 1, rate)
        file.write(
            f"\n{number:03d}  AX       V     C        {code} {after} {code} {after}\n"
            f" |C:ResolveColor{colour.capitalize()} |M:{'; '.join(texts)}"
            f" |D:{max(end for (_, end), _ in here) - start}\n"
        )
        for colour, text in zip(colours, texts, strict=True):
            file.write(f"* LOC: {code} {colour:7} {text}\n")


def _told(marker: Marker) -> str:
    title = f"{marker.kind} {marker.who}".strip()
    return f"{title}: {marker.text}".replace("|", "/")


def _fcpxml(markers: Sequence[Marker], video: SourceVideo, rate: Fraction, name: str) -> str:
    def at(count: int) -> str:
        span = count / rate
        return f"{span.numerator}/{span.denominator}s" if span.denominator > 1 else f"{span}s"

    frames = ceil(video.frames / frame_rate(video.rate) * rate)
    length = at(max([frames, *(_counts(one, rate)[1] for one in markers)]))
    root = ET.Element("fcpxml", version="1.9")
    resources = ET.SubElement(root, "resources")
    ET.SubElement(
        resources,
        "format",
        id="r1",
        frameDuration=at(1),
        width=str(video.width),
        height=str(video.height),
    )
    project = ET.SubElement(ET.SubElement(root, "event", name="Bystander"), "project", name=name)
    sequence = ET.SubElement(
        project, "sequence", format="r1", duration=length, tcStart="0s", tcFormat="NDF"
    )
    gap = ET.SubElement(
        ET.SubElement(sequence, "spine"), "gap", name=name, offset="0s", start="0s", duration=length
    )
    for marker in markers:
        start, end = _counts(marker, rate)
        title = f"{marker.kind} {marker.who}".strip()
        ET.SubElement(
            gap, "marker", start=at(start), duration=at(end - start), value=title, note=marker.text
        )
    ET.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
        + ET.tostring(root, encoding="unicode")
        + "\n"
    )


def _write_csv(markers: Sequence[Marker], rate: Fraction, file: IO[str]) -> None:
    rows = csv.writer(file)
    rows.writerow(
        ["first_frame", "frames", "start", "end", "timecode", "kind", "severity", "who", "text"]
    )
    for marker in markers:
        code = timecode(_counts(marker, rate)[0], rate)
        times = f"{marker.seconds:.3f}", f"{marker.until:.3f}"
        what = marker.kind, marker.severity, marker.who, marker.text
        rows.writerow([marker.start, marker.end - marker.start, *times, code, *what])
