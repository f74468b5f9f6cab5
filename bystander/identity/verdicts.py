"""Tracklets, their segments, links and the cast -> verdicts and persons.

Keep only on positive evidence; everything else is masked.

1. *Face*: a cluster is recognised when several face samples, spread in time, agree with a cast
   member, and so does the mean of all that are good enough to count.
2. *Click*: a person pointed at one of its segments.
3. The other segments of a cluster share its verdict, but for those whose own faces speak
   against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from bystander.identity.cast import CastMember
from bystander.identity.graph import Cluster, IdentityGraph
from bystander.identity.segments import Continuity, FaceSample, IdentitySettings, Segment, comebacks
from bystander.progress import Advance, part_of, unheard
from bystander.timeline.types import Decision, Evidence, EvidenceKind, Person, Tracklet, Verdict

BRIEF_SECONDS: Final = 0.4
"""Who was seen for less, and for less than half of a video, resembling nobody, isn't listed."""
COMPARING_SHARE: Final = 0.25
"""Of the time that verdicts take: to compare segments with each other ..."""
JOINING_SHARE: Final = 0.7
"""... and to join those that are one person with a margin."""


@dataclass(frozen=True, slots=True)
class FaceRule:
    """Whether faces are a cast member's.

    Attributes:
        same, different: cosine similarities, from the face model's calibration: one good photo
            at `same` is the same person, at `different` it is not.
        fps: frames per second.
    """

    settings: IdentitySettings
    same: float
    different: float
    fps: float

    def usable(self, faces: Iterable[FaceSample], member: CastMember) -> list[FaceSample]:
        """Those that can be compared with a member's photos.

        Two poor faces are alike whoever they show; a poor one and a good one are so only if
        they show one person.
        """
        good = member.quality >= self.settings.quality
        least = self.settings.faint_quality if good else self.settings.quality
        return [face for face in faces if face.quality >= least]

    def several(self, faces: Iterable[FaceSample]) -> bool:
        """Whether there are enough good faces for testimony."""
        good = sum(face.quality >= self.settings.quality for face in faces)
        return good >= self.settings.samples

    def recognise(self, faces: Sequence[FaceSample], member: CastMember) -> float | None:
        """The mean similarity of usable faces if they are the member's; None otherwise."""
        usable = self.usable(faces, member)
        if not usable:
            return None
        found = self.evidence(usable, member)
        return found.similarity if found.kind is EvidenceKind.FACE else None

    def best(self, faces: Iterable[FaceSample], cast: Sequence[CastMember]) -> Evidence:
        """What faces say by themselves."""
        known = list(faces)
        told = [
            self.evidence(usable, member)
            for member in cast
            if (usable := self.usable(known, member))
        ]
        if not told:
            reason = "no cast was given" if not cast else "no usable face was seen"
            return Evidence(EvidenceKind.NONE, reason=reason)
        return max(told, key=lambda e: (e.kind is EvidenceKind.FACE, e.similarity))

    def evidence(self, faces: Sequence[FaceSample], member: CastMember) -> Evidence:
        """How well usable faces, in the order of time, agree with one cast member.

        One sample proves little in video: on a street the similarities of the same and of
        different people overlap. Several, spread in time, don't.
        """
        similarity = member.similarity(np.stack([face.embedding for face in faces]))
        quality = np.array([face.quality for face in faces])
        mean = float(np.average(similarity, weights=quality))
        support = self._between(self.settings.support)
        agreeing = [face for face, s in zip(faces, similarity, strict=True) if s >= support]
        found = Evidence(EvidenceKind.FACE, member.name, round(mean, 3), len(agreeing))
        if not agreeing or mean < support:
            return replace(found, kind=EvidenceKind.NONE, reason="the face is another one")
        seconds = (agreeing[-1].frame - agreeing[0].frame) / self.fps
        told = f"{len(agreeing)} of {len(faces)} face samples over {seconds:.1f} s match"
        enough = len(agreeing) >= self.settings.samples and seconds >= self.settings.spread
        if enough and mean >= self._between(self.settings.mean):
            return replace(found, reason=f"{told} {member.name}")
        return replace(
            found, kind=EvidenceKind.DOUBT, reason=f"only {told} {member.name}, not enough"
        )

    def _between(self, share: float) -> float:
        """A similarity between the face model's 'different' (0) and 'same' (1)."""
        return self.different + share * (self.same - self.different)


def resolve(
    tracklets: Sequence[Tracklet],
    segments: Sequence[Segment],
    continuities: Iterable[Continuity],
    cast: Sequence[CastMember],
    settings: IdentitySettings,
    *,
    same: float,
    different: float,
    fps: float,
    bodies_across_shots: bool,
    advance: Advance = unheard,
) -> tuple[tuple[Tracklet, ...], tuple[Person, ...]]:
    """Decide who may be seen, once the whole video is known.

    Args:
        tracklets: everyone followed; their verdicts are replaced.
        segments: of the tracklets' tracks, with ids of their own.
        continuities: links between segments, from the tracker; who comes back near where
            somebody was lost is linked here.
        cast: the people to keep; may be empty.
        settings: how much evidence it takes.
        same, different: of faces (see `FaceRule`).
        fps: frames per second.
        bodies_across_shots: whether the body embedding can be trusted over a cut (a network
            can, colour histograms can't).
        advance: told how much is done, several times a second; what it raises ends the work.

    Returns:
        The tracklets with verdicts, and the persons: cast members first, then who is longest
        in the picture. A tracklet that nobody would call a person belongs to none.
    """
    rule = FaceRule(settings, same, different, fps)
    graph = IdentityGraph(
        segments,
        continuities,
        comebacks(segments, fps),
        cast,
        rule.recognise,
        same=same,
        different=different,
        fps=fps,
        across=bodies_across_shots,
        quality=settings.quality,
        advance=part_of(advance, 0, COMPARING_SHARE),
    )
    compared = COMPARING_SHARE + JOINING_SHARE
    by_id = {segment.id: segment for segment in segments}
    evidence: dict[int, Evidence] = {}
    for cluster in graph.join(settings.margin, part_of(advance, COMPARING_SHARE, compared)):
        evidence |= _judged(cluster, [by_id[i] for i in sorted(cluster.members)], cast, rule)
    people = graph.join(0.0, part_of(advance, compared, 1))
    for cluster in people:
        _note_doubts(cluster, evidence)
    of_track: dict[int, list[Segment]] = {}
    for segment in sorted(segments, key=lambda segment: segment.start):
        of_track.setdefault(segment.track, []).append(segment)
    judged = tuple(_with_verdicts(t, of_track.get(t.id, ()), evidence) for t in tracklets)
    return judged, _persons(judged, people, of_track, evidence, fps)


def keeps(evidence: Evidence) -> bool:
    """Whether such evidence speaks for keeping."""
    return evidence.kind in (EvidenceKind.FACE, EvidenceKind.CLICK, EvidenceKind.BODY)


def _judged(
    cluster: Cluster, segments: Sequence[Segment], cast: Sequence[CastMember], rule: FaceRule
) -> dict[int, Evidence]:
    """What speaks for each segment of one person."""
    clicks = [click for segment in segments for click in segment.clicks]
    name = cluster.cast.name if cluster.cast else next(iter(clicks), None)
    found = {}
    for segment in segments:
        own = rule.best(segment.faces, [cluster.cast] if cluster.cast else cast)
        strange = own.kind is EvidenceKind.NONE and own.name is not None
        if segment.clicks:
            who = name if cluster.cast else segment.clicks[0]
            told = Evidence(EvidenceKind.CLICK, who, 1.0, 0, "pointed at in the video")
        elif name is None:
            told = _doubted(own) if own.kind is EvidenceKind.FACE else own
        elif cluster.cast and own.kind is EvidenceKind.FACE:
            told = own
        elif cluster.cast and strange and rule.several(segment.faces):
            told = own  # whatever else speaks for it
        else:
            reason = f"the same person as {name} by place, looks or face"
            told = Evidence(EvidenceKind.BODY, name, 0.0, 0, reason)
        found[segment.id] = told
    return found


def _doubted(evidence: Evidence) -> Evidence:
    reason = f"somebody beside them resembles {evidence.name} too"
    return replace(evidence, kind=EvidenceKind.DOUBT, reason=reason)


def _note_doubts(cluster: Cluster, evidence: dict[int, Evidence]) -> None:
    """Tell of whom is probably a kept person, but may be another as well."""
    kept = next((e.name for i in cluster.members if keeps(e := evidence[i])), None)
    if kept is None:
        return
    for i in cluster.members:
        if evidence[i].kind is EvidenceKind.NONE and evidence[i].name is None:
            reason = f"may be {kept}, or somebody else"
            evidence[i] = Evidence(EvidenceKind.DOUBT, kept, 0.0, 0, reason)


def _with_verdicts(
    tracklet: Tracklet, own: Sequence[Segment], evidence: Mapping[int, Evidence]
) -> Tracklet:
    verdicts = tuple(
        Verdict(start, end, Decision.KEEP if keeps(found) else Decision.MASK, found)
        for (start, end), segment in zip(_shares(tracklet, own, evidence), own, strict=True)
        for found in (evidence[segment.id],)
        if end > start
    )
    nothing = Evidence(EvidenceKind.NONE, reason="never seen clearly")
    unseen = (Verdict(tracklet.start, tracklet.end, Decision.MASK, nothing),)
    return replace(tracklet, verdicts=verdicts or unseen)


def _persons(
    tracklets: Sequence[Tracklet],
    people: Sequence[Cluster],
    of_track: Mapping[int, Sequence[Segment]],
    evidence: Mapping[int, Evidence],
    fps: float,
) -> tuple[Person, ...]:
    """Each tracklet goes to whom most of it shows; brief ones without evidence to nobody."""
    cluster_of = {i: number for number, cluster in enumerate(people) for i in cluster.members}
    owned: dict[int, list[Tracklet]] = {}
    owner: dict[int, int] = {}
    for tracklet in tracklets:
        seen = Counter[int]()
        for segment in of_track.get(tracklet.id, ()):
            seen[cluster_of[segment.id]] += segment.seen
        if seen:
            owner[tracklet.id] = seen.most_common(1)[0][0]
            owned.setdefault(owner[tracklet.id], []).append(tracklet)
    spans: dict[int, list[tuple[int, int, int]]] = {}
    shared: set[int] = set()
    for tracklet in tracklets:
        own = of_track.get(tracklet.id, ())
        # A part that no listed person has goes with the rest of its tracklet.
        who = [c if (c := cluster_of[s.id]) in owned else owner[tracklet.id] for s in own]
        for (start, end), number in zip(_shares(tracklet, own, evidence), who, strict=True):
            spans.setdefault(number, []).append((tracklet.id, start, end))
        if len(set(who)) > 1:
            shared.update(who)
    length = max((t.end for t in tracklets), default=0) - min(
        (t.start for t in tracklets), default=0
    )
    brief_frames = min(BRIEF_SECONDS * fps, length / 2)
    found: list[tuple[str | None, float, tuple[int, ...], tuple[tuple[int, int, int], ...]]] = []
    for number, group in owned.items():
        told = [evidence[i] for i in people[number].members]
        name = next((e.name for e in told if keeps(e)), None)
        seen_there = [evidence[s.id] for t in group for s in of_track[t.id]]
        brief = sum(t.seen for t in group) < brief_frames
        if brief and all(e.kind is EvidenceKind.NONE and e.name is None for e in seen_there):
            continue
        seconds = round(sum(t.end - t.start for t in group) / fps, 2)
        parts = tuple(spans[number]) if number in shared else ()
        found.append((name, seconds, tuple(sorted(t.id for t in group)), parts))
    found.sort(key=lambda person: (person[0] is None, -person[1]))
    return tuple(
        Person(f"p{rank}", name, ids, seconds, parts)
        for rank, (name, seconds, ids, parts) in enumerate(found, start=1)
    )


def _shares(
    tracklet: Tracklet, own: Sequence[Segment], evidence: Mapping[int, Evidence]
) -> list[tuple[int, int]]:
    """The tracklet's frames shared out among its segments, continuations with both ends.

    What nobody saw between two segments, one kept and one masked, goes with the masked one.
    """
    if not own:
        return []
    bounds = [tracklet.start]
    for before, after in pairwise(own):
        kept_until = keeps(evidence[before.id]) and not keeps(evidence[after.id])
        bounds.append(before.end if kept_until else after.start)
    return list(pairwise([*bounds, tracklet.end]))
