"""An earlier audit, and which frames changed since -> what has to be looked at again.

What an audit says of a frame depends on the frame, on who was kept up to `MEMORY_SECONDS` before
it, and on signs of the same thing up to `JOIN_SECONDS` away; where cuts are, and so at which frames
the networks look, on the source alone. So a report holds the cuts, and an audit of the frames
around a change comes to what an audit of the whole video would.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bystander import __version__
from bystander.auditing.findings import JOIN_SECONDS, AuditSettings, Finding, FindingKind, Severity
from bystander.auditing.kept import memory_frames
from bystander.auditing.pairs import close_to
from bystander.geometry.masks import Bits
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import digest_of_look
from bystander.timeline.types import Sighting, Tracklet

Span = tuple[int, int]
"""A frame, and the one after the last."""
FRAME_DIGEST_BYTES: Final = 16
_SIGHTING: Final = struct.Struct("<qq?qqqqdd4d")
_WITHOUT_EFFECT: Final = frozenset({"sessions", "workers", "pictures"})
"""Settings by which no finding comes about or not."""


@dataclass(frozen=True, slots=True)
class EarlierAudit:
    """What was found before, and where it may be otherwise now.

    Attributes:
        report: the JSON that an audit wrote, of another rendering of the same video.
        changed: frames that look otherwise in this rendering, or that somebody else may be seen
            in.
    """

    report: Mapping[str, Any]
    changed: Sequence[Span]


@dataclass(slots=True)
class Basis:
    """What a later audit has to know of one, to go on from it.

    Attributes:
        effect: that the output was found to be drawn with.
        settings: by which it was looked at.
        cuts: frames with which shots begin, by the source.
        in_frames: what the source's frames carry beside their pixels.
    """

    effect: EffectSettings | None
    settings: AuditSettings
    cuts: list[int] = field(default_factory=list)
    in_frames: set[str] = field(default_factory=set)

    def as_json(self) -> dict[str, object]:
        return {
            "version": __version__,
            "effect": self.effect and _described(self.effect),
            "settings": self.settings.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT)),
            "cuts": self.cuts,
            "in_frames": sorted(self.in_frames),
        }


def _described(effect: EffectSettings) -> dict[str, object]:
    """The settings, a picture by its checksum."""
    picture = effect.picture and hashlib.sha256(effect.picture.encode()).hexdigest()
    return effect.model_dump(mode="json") | {"picture": picture}


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """What is looked at once more, and what is taken over.

    Attributes:
        spans: of frames, in order.
        warm_up: frames before each span that tell who was kept a moment ago.
        close: bool [F], see `Pair.close`.
        looks: int64 [F], at how many frames the networks looked up to each, it included.
        findings: of other frames, which stay.
    """

    spans: tuple[Span, ...]
    warm_up: int
    close: NDArray[np.bool_]
    looks: NDArray[np.int64]
    findings: tuple[Finding, ...]

    @property
    def frames(self) -> int:
        """How many are looked at."""
        return sum(stop - start for start, stop in self.spans)


def looked_at_again(
    earlier: EarlierAudit,
    basis: Basis,
    source_sha256: str,
    networks: Mapping[str, str],
    times: NDArray[np.float64],
    rate: float,
) -> Again | None:
    """What an audit has to look at, given an earlier one; None where that says too little.

    Args:
        earlier: of another rendering of the same video.
        basis: of the audit that begins; gets the cuts and what frames carry from the earlier one.
        source_sha256: checksum of the source.
        networks: file name to SHA-256 of those that look.
        times: float64 [F], when a player of the output shows each frame, seconds.
        rate: frames per second.
    """
    report, frames = earlier.report, len(times)
    try:
        before = dict(report["basis"])
        cuts, in_frames = before.pop("cuts"), before.pop("in_frames")
        now = basis.as_json()
        same = (
            before == {key: now[key] for key in before}
            and {"version", "effect", "settings"} == set(before)
            and report["source"]["sha256"] == source_sha256
            and dict(report["networks"]) == dict(networks)
            and report["frames"] == frames
            and report["timeline"]
        )
        findings = [read_finding(one) for one in report["findings"]]
        basis_cuts = [int(cut) for cut in cuts]
        carried = {str(what) for what in in_frames}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    found = [finding for finding in findings if finding.frame is not None]
    # Out of step, a frame's number in one of the files is none in the other.
    if not same or any(finding.kind is FindingKind.OUT_OF_STEP for finding in found):
        return None
    basis.cuts, basis.in_frames = basis_cuts, carried
    memory = memory_frames(rate)
    looked = _widened(earlier.changed, found, times, memory)
    stay = [one for one in found if not looked[slice(*_frames_of(one, times))].any()]
    close = close_to(basis_cuts, frames)
    due = close | (np.arange(frames) % basis.settings.every == 0)
    return Again(_spans(looked, memory), memory, close, np.cumsum(due, dtype=np.int64), tuple(stay))


def _widened(
    changed: Sequence[Span], found: Sequence[Finding], times: NDArray[np.float64], memory: int
) -> Bits:
    """The frames to look at, bool [F]: changed ones, what they tell on, and whole findings."""
    looked = np.zeros(len(times), dtype=bool)
    for start, stop in changed:
        if start >= min(stop, len(times)):
            continue
        last = min(stop + memory, len(times)) - 1
        span = times[max(0, start)] - JOIN_SECONDS, times[last] + JOIN_SECONDS
        looked[slice(*_between(*span, times))] = True
    grows = True
    while grows:
        grows = False
        for one in found:
            part = looked[slice(*_frames_of(one, times))]
            if part.any() and not part.all():
                part[:] = True
                grows = True
    return looked


def _frames_of(finding: Finding, times: NDArray[np.float64]) -> Span:
    return _between(finding.start, finding.end, times)


def _between(start: float, end: float, times: NDArray[np.float64]) -> Span:
    """The frames shown from `start` to `end`, both included."""
    first, stop = np.searchsorted(times, [start - 1e-6, end + 1e-6])
    return int(first), int(stop)


def _spans(looked: Bits, gap: int) -> tuple[Span, ...]:
    """Runs of frames; those between which no more than `gap` lie are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], looked, [False]])))
    spans: list[Span] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and start - spans[-1][1] <= gap:
            spans[-1] = spans[-1][0], stop
        else:
            spans.append((start, stop))
    return tuple(spans)


def read_finding(fields: Mapping[str, Any]) -> Finding:
    """A finding as a report's JSON has it.

    Raises:
        KeyError, TypeError, ValueError: it isn't one.
    """
    box = fields["box"]
    return Finding(
        kind=FindingKind(fields["kind"]),
        severity=Severity(fields["severity"]),
        start=float(fields["start"]),
        end=float(fields["end"]),
        seconds=float(fields["seconds"]),
        frame=None if fields["frame"] is None else int(fields["frame"]),
        frames=int(fields["frames"]),
        box=None if box is None else tuple(map(float, box)),  # type: ignore[arg-type]
        share=float(fields["share"]),
        who=str(fields["who"]),
        detail=str(fields["detail"]),
    )


def read_report(path: Path) -> Mapping[str, Any] | None:
    """An audit's JSON; None if there is none that can be read."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def frame_digests(timeline: Timeline) -> list[bytes]:
    """Of each frame, a digest of all that an audit asks the timeline about it.

    Raises:
        InvalidTimeline: it is damaged.
    """
    tracklets = {tracklet.id: tracklet for tracklet in timeline.header.tracklets}
    looks = [digest_of_look(look) for look in timeline.header.looks]
    digests = []
    for record in timeline.frames():
        digest = hashlib.blake2b(str(record.pts).encode(), digest_size=FRAME_DIGEST_BYTES)
        for sighting in sorted(record.sightings, key=lambda sighting: sighting.tracklet):
            tracklet = tracklets[sighting.tracklet]
            _add(digest, sighting, tracklet, record.index)
            if (look := tracklet.look_at(record.index)) is not None:
                digest.update(looks[look])
        digests.append(digest.digest())
    return digests


def _add(digest: Any, sighting: Sighting, tracklet: Tracklet, frame: int) -> None:
    mask = sighting.mask
    digest.update(
        _SIGHTING.pack(
            tracklet.id,
            sighting.origin.value,
            tracklet.decision_at(frame) == "keep",
            mask.x,
            mask.y,
            *mask.bits.shape,
            tracklet.height,
            -1.0 if tracklet.face is None else tracklet.face,
            *sighting.box,
        )
    )
    digest.update(np.packbits(mask.bits).tobytes())


def runs_of(flags: Sequence[bool]) -> list[Span]:
    """Where flags are set: first, one past the last of each run."""
    return list(_spans(np.array(flags, dtype=bool), 0)) if len(flags) else []
