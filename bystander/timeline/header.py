"""What a timeline says of the whole video: its facts, shots, tracklets, persons and verdicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from bystander.errors import InvalidTimeline, SelectionError
from bystander.geometry.coordinates import DisplaySize
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    Look,
    Origin,
    Person,
    PointedAt,
    Shot,
    Tracklet,
    Verdict,
)

FORMAT: Final = "bystander-timeline"
VERSION: Final = 3
ORIGINS: Final = frozenset(Origin)
MAX_GRID: Final = 4096


@dataclass(frozen=True, slots=True)
class SourceVideo:
    """The video that a timeline was made from.

    Attributes:
        width: display pixels.
        height: display pixels.
        time_base: numerator and denominator of one tick, seconds.
        frames: number of frames.
        rate: average frames per second.
        fingerprint: see `bystander.media.demux`.
        origin_pts: the tick at which players start the clock, often before the first frame.
    """

    width: int
    height: int
    time_base: tuple[int, int]
    frames: int
    rate: float
    fingerprint: str
    origin_pts: int = 0

    @property
    def display_size(self) -> DisplaySize:
        return DisplaySize((self.width, self.height))


@dataclass(frozen=True, slots=True)
class Header:
    """Everything but the frames. `models` maps role to name and checksum; `looks` are those that
    tracklets name by number."""

    video: SourceVideo
    grid: tuple[int, int]
    shots: tuple[Shot, ...]
    tracklets: tuple[Tracklet, ...]
    persons: tuple[Person, ...]
    models: dict[str, str]
    pointed_at: tuple[PointedAt, ...] = ()
    looks: tuple[Look, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    def even_times(self) -> NDArray[np.float64]:
        """As `Timeline.times`, of frames that are evenly spaced from 0 on."""
        return np.arange(self.video.frames + 1) / self.video.rate

    def is_kept(self, person: Person) -> bool:
        """Whether they may be seen anywhere."""
        return any(verdict.decision is Decision.KEEP for _, verdict in self.verdicts_of(person))

    def verdicts_of(self, person: Person) -> list[tuple[Tracklet, Verdict]]:
        """The verdicts on a person, in the order of their appearances and of time.

        Of a tracklet that shows two people one after the other only the parts that are theirs
        count; parts that follow on each other with the same verdict are one.
        """
        theirs = {*person.tracklets, *(tracklet for tracklet, _, _ in person.spans)}
        owned = {tracklet.id: tracklet for tracklet in self.tracklets if tracklet.id in theirs}
        spans = person.spans or [(t, owned[t].start, owned[t].end) for t in person.tracklets]
        found: list[tuple[Tracklet, Verdict]] = []
        for number, start, end in sorted(spans):
            for verdict in owned[number].verdicts:
                here = replace(verdict, start=max(verdict.start, start), end=min(verdict.end, end))
                if here.start >= here.end:
                    continue
                before = found[-1] if found else None
                if before and before[0].id == number and before[1].joins(here):
                    found[-1] = owned[number], replace(before[1], end=here.end)
                else:
                    found.append((owned[number], here))
        return found

    def tracklets_of(self, person: Person) -> list[Tracklet]:
        """Every appearance of theirs, in order."""
        owned = set(person.tracklets)
        return [tracklet for tracklet in self.tracklets if tracklet.id in owned]

    def tracklet(self, tracklet_id: int) -> Tracklet:
        """Raises KeyError for an id that isn't in this timeline."""
        for tracklet in self.tracklets:
            if tracklet.id == tracklet_id:
                return tracklet
        raise KeyError(tracklet_id)


_HEADER: Final = TypeAdapter(Header)


def dump_header(header: Header) -> bytes:
    return _HEADER.dump_json(header)


def parse_header(path: Path, raw: bytes) -> Header:
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise InvalidTimeline(f"{path} is damaged ({error})", "Analyse the video again.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidTimeline(
            f"{path} is not a timeline", "Make one with 'bystander analyze VIDEO -o TIMELINE'."
        )
    if document.get("version") != VERSION:
        raise InvalidTimeline(
            f"{path} is a timeline of version {document.get('version')}, this program reads "
            f"version {VERSION}",
            "Analyse the video again.",
        )
    try:
        header = _HEADER.validate_json(raw)
        check_header(header)
    except (ValidationError, ValueError) as error:
        first = str(error).splitlines()
        raise InvalidTimeline(
            f"{path} doesn't fit the timeline format ({'; '.join(first[:3])})",
            "Analyse the video again.",
        ) from error
    return header


def check_header(header: Header) -> None:
    width, height = header.grid
    if not (0 < width <= MAX_GRID and 0 < height <= MAX_GRID):
        raise ValueError(f"grid {width}x{height} is out of bounds")
    if header.video.time_base[0] <= 0 or header.video.time_base[1] <= 0:
        raise ValueError(f"time base {header.video.time_base} is not positive")
    ids = [tracklet.id for tracklet in header.tracklets]
    if len(set(ids)) != len(ids):
        raise ValueError("two tracklets have the same id")
    if any(not 0 <= look < len(header.looks) for t in header.tracklets for _, _, look in t.looks):
        raise ValueError("tracklets have looks that aren't there")
    owned = [tracklet for person in header.persons for tracklet in person.tracklets]
    if len(set(owned)) != len(owned) or not set(owned) <= set(ids):
        raise ValueError("persons own tracklets that aren't there, or one twice")
    if any(tracklet not in ids for p in header.persons for tracklet, _, _ in p.spans):
        raise ValueError("persons have parts of tracklets that aren't there")


def with_decisions(header: Header, keep: Iterable[str], mask: Iterable[str]) -> Header:
    """The header with the verdicts of some persons or tracklets replaced.

    Args:
        header: of the timeline.
        keep, mask: ids as `bystander people` shows them: "p2" for a person, "t17" for
            a single tracklet. A tracklet's own decision outweighs its person's.

    Raises:
        SelectionError: an id is unknown, or is to be kept and masked at once.
    """
    decisions: list[tuple[int, int, int, Decision]] = []
    chosen: dict[str, Decision] = {}
    for ids, decision in ((keep, Decision.KEEP), (mask, Decision.MASK)):
        for given in ids:
            if chosen.setdefault(given, decision) is not decision:
                raise SelectionError(f"{given} is to be kept and masked", "Choose one of the two.")
    # Persons first, so that tracklets named by themselves have the last word.
    for given, decision in sorted(chosen.items(), key=lambda item: not item[0].startswith("p")):
        decisions += [(*span, decision) for span in spans_of(header, given)]
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    for number, start, end, decision in decisions:
        tracklets[number] = decided(tracklets[number], start, end, decision)
    return replace(header, tracklets=tuple(tracklets.values()))


def verdicts_digest(header: Header) -> str:
    """Names the verdicts of a timeline: SHA-256, hexadecimal, of what is shown and masked when.

    Two sets of decisions that come to the same have the same digest: of each tracklet only its
    frames count, not why, nor in how many pieces they were judged. Names are not in it.
    """
    effective: dict[str, list[list[int | str]]] = {}
    for tracklet in header.tracklets:
        spans: list[list[int | str]] = []
        for verdict in sorted(tracklet.verdicts, key=lambda verdict: verdict.start):
            if spans and spans[-1][1:] == [verdict.start, verdict.decision.value]:
                spans[-1][1] = verdict.end
            else:
                spans.append([verdict.start, verdict.end, verdict.decision.value])
        effective[f"t{tracklet.id}"] = spans
    canonical = json.dumps(effective, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_of_look(look: Look) -> bytes:
    """What tells a look from others: SHA-256."""
    return hashlib.sha256(f"{look.color} {look.picture or ''}".encode()).digest()


def spans_of(header: Header, given: str) -> list[tuple[int, int, int]]:
    """Tracklet, first frame and one past the last of everything that an id names.

    Raises:
        SelectionError: it names nobody.
    """
    whole = {t.id: (t.id, t.start, t.end) for t in header.tracklets}
    for person in header.persons:
        if person.id == given:
            return list(person.spans) or [whole[tracklet] for tracklet in person.tracklets]
    for tracklet in header.tracklets:
        if f"t{tracklet.id}" == given:
            return [whole[tracklet.id]]
    raise SelectionError(
        f"{given} is nobody in this timeline",
        "See who is with 'bystander people TIMELINE'; ids look like p2 or t17.",
    )


def decided(tracklet: Tracklet, start: int, end: int, decision: Decision) -> Tracklet:
    """The tracklet with the verdicts of some of its frames replaced."""
    by_hand = Verdict(start, end, decision, Evidence(EvidenceKind.USER, reason="decided by hand"))
    verdicts = [by_hand]
    for old in tracklet.verdicts:
        if old.start < start:
            verdicts.append(replace(old, end=min(old.end, start)))
        if old.end > end:
            verdicts.append(replace(old, start=max(old.start, end)))
    return replace(tracklet, verdicts=tuple(sorted(verdicts, key=lambda verdict: verdict.start)))
