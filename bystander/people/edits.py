"""Changing verdicts by hand: a person decides, and only that person changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from bystander.errors import SelectionError
from bystander.people.timeline import Header
from bystander.people.vocabulary import Decision, Evidence, EvidenceKind, Tracklet, Verdict


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
        decisions += [(*span, decision) for span in _spans(header, given)]
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    for number, start, end, decision in decisions:
        tracklets[number] = _decided(tracklets[number], start, end, decision)
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


def _spans(header: Header, given: str) -> list[tuple[int, int, int]]:
    """Tracklet, first frame and one past the last of everything that an id names."""
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


def _decided(tracklet: Tracklet, start: int, end: int, decision: Decision) -> Tracklet:
    """The tracklet with the verdicts of some of its frames replaced."""
    by_hand = Verdict(start, end, decision, Evidence(EvidenceKind.USER, reason="decided by hand"))
    verdicts = [by_hand]
    for old in tracklet.verdicts:
        if old.start < start:
            verdicts.append(replace(old, end=min(old.end, start)))
        if old.end > end:
            verdicts.append(replace(old, start=max(old.start, end)))
    return replace(tracklet, verdicts=tuple(sorted(verdicts, key=lambda verdict: verdict.start)))
