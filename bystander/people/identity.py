"""Who is who, and who may be seen.

Keep only on positive evidence; everything else is masked. In order:

1. *Face*: a stretch is recognised when several face samples, spread in time, agree
   with a cast member, and so does the mean of all that are good enough to count.
2. *Click*: a person pointed at it.
3. *Carry*: from a recognised stretch to others by looks - within a shot, over a doubtful
   crossing or behind somebody, by the clothes' colours, over a cut by body embedding -
   but never where someone else looks alike, nor against the testimony of a face.
4. *Exclusion*: a cast member is in one place at a time. Of two tracklets visible
   together only the clearly better one is kept, and neither when both are as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bystander.instances import shared
from bystander.people.cast import CastMember
from bystander.people.dossier import Archive, Dossier, FaceSample, Stretch
from bystander.people.vocabulary import (
    Decision,
    Evidence,
    EvidenceKind,
    Person,
    Tracklet,
    Verdict,
)

HANDOVER: Final = 0.2
"""Seconds that two tracklets of one person may overlap, the old one ending as the new begins."""
HIDING: Final = 0.4
"""The same where the two touch: of someone half hidden, two parts can pass for two people."""
TOUCHING: Final = 0.3
"""Share of the smaller box within the other from which two boxes touch."""
JOINT: Final = 0.6
"""The same with the continuations that both have got by then (`filling`)."""


class IdentitySettings(BaseModel):
    """How much evidence it takes to keep someone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(
        3, ge=1, le=20, description="Face samples that must agree. More is safer and keeps less."
    )
    spread: float = Field(
        0.3, ge=0, le=10, description="Seconds between the first and the last agreeing sample."
    )
    support: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A sample agrees when its similarity lies this far from 'different' (0) to "
        "'same' (1), the face model's two thresholds.",
    )
    mean: float = Field(
        0.7,
        ge=0,
        le=1,
        description="... and all samples together agree when their mean lies this far. Higher "
        "is safer and keeps less: on five clips with 71 strangers' photos, means of three and "
        "more samples of ArcFace reached 0.21 at most, this asks for 0.35.",
    )
    quality: float = Field(
        0.15, ge=0, le=1, description="Face samples below this quality say nothing."
    )
    carry_colours: float = Field(
        0.88,
        ge=0,
        le=1,
        description="Least colour similarity (Bhattacharyya) to carry a verdict within a shot: "
        "parts of one tracklet have 0.92 and more, people in other clothes 0.85 at most.",
    )
    carry_at_once: float = Field(
        0.84,
        ge=0,
        le=1,
        description="The same where one tracklet ends and the other begins at the same time and "
        "place.",
    )
    carry_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Longest absence, in seconds, over which colours carry a verdict.",
    )
    carry_reach: float = Field(
        1.0,
        ge=0,
        le=10,
        description="How far away, in body heights, somebody may come back who was hidden; and as "
        "much again for every second.",
    )
    carry_body: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Least body similarity (cosine) to carry a verdict over a cut. OSNet gives "
        "strangers side by side more than 0.6 in every fifth pair and more.",
    )
    carry_margin: float = Field(
        0.08,
        ge=0,
        le=1,
        description="How much better than anybody else's the carried similarity must be.",
    )
    exclusion_margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="How much better one of two simultaneous candidates must be to be kept.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One stretch up for judgement."""

    dossier: Dossier
    stretch: Stretch
    start: int
    end: int

    def together(self, other: _Case) -> int:
        """For how many frames both were seen at the same time, as two tracklets."""
        if self.dossier.id == other.dossier.id:
            return 0
        start = max(self.start, other.start, self.dossier.first_seen, other.dossier.first_seen)
        end = min(self.end, other.end, self.dossier.last_seen + 1, other.dossier.last_seen + 1)
        return max(0, end - start)

    def hands_over(self, other: _Case) -> bool:
        """Whether one ends where and when the other begins, touching it."""
        if self.end < other.start or other.end < self.start:
            return False
        earlier, later = (self, other) if self.start <= other.start else (other, self)
        if earlier.stretch.last is None or later.stretch.first is None:
            return False
        return shared(earlier.stretch.last[1], later.stretch.first[1]) >= TOUCHING


class Judge:
    """Passes the verdicts once the whole video is known.

    Args:
        cast: the people to keep; may be empty.
        settings: how much evidence it takes.
        same, different: cosine similarities of faces, from the face model's
            calibration: one good photo at `same` is the same person, at `different` it
            is not.
        fps: frames per second.
        bodies_across_shots: whether the body embedding can be trusted over a cut
            (a network can, colour histograms can't).
    """

    def __init__(
        self,
        cast: Sequence[CastMember],
        settings: IdentitySettings,
        *,
        same: float,
        different: float,
        fps: float,
        bodies_across_shots: bool,
    ) -> None:
        self._cast = cast
        self._settings = settings
        self._same, self._different = same, different
        self._fps = fps
        self._across = bodies_across_shots

    def judge(self, archive: Archive) -> tuple[tuple[Tracklet, ...], tuple[Person, ...]]:
        """Verdicts for every tracklet, and the tracklets grouped into persons."""
        shown = [d for d in archive.dossiers.values() if d.end > d.start]
        by_dossier = [[_Case(d, *span) for span in d.spans()] for d in shown]
        cases = [case for those in by_dossier for case in those]
        evidence = {id(case): self._direct(case) for case in cases}
        self._exclude(cases, evidence)
        self._carry(cases, evidence)
        tracklets = tuple(
            _tracklet(dossier, [(case, evidence[id(case)]) for case in those])
            for dossier, those in zip(shown, by_dossier, strict=True)
        )
        return tracklets, self._persons(tracklets, archive)

    def _direct(self, case: _Case) -> Evidence:
        """What faces and clicks say about a stretch by itself."""
        if case.stretch.clicks:
            return Evidence(
                EvidenceKind.CLICK, case.stretch.clicks[0], 1.0, 0, "pointed at in the video"
            )
        samples = [s for s in case.stretch.faces if s.quality >= self._settings.quality]
        if not samples or not self._cast:
            reason = "no cast was given" if not self._cast else "no usable face was seen"
            return Evidence(EvidenceKind.NONE, reason=reason)
        return max((self._face(samples, member) for member in self._cast), key=_rank)

    def _face(self, samples: list[FaceSample], member: CastMember) -> Evidence:
        """How well all usable face samples of a stretch agree with one cast member.

        One sample proves little in video: on a street the similarities of the same and of
        different people overlap. Several, spread in time, don't.
        """
        similarity = member.similarity(np.stack([sample.embedding for sample in samples]))
        quality = np.array([sample.quality for sample in samples])
        mean = float(np.average(similarity, weights=quality))
        agreeing = [
            sample
            for sample, value in zip(samples, similarity, strict=True)
            if value >= self._between(self._settings.support)
        ]
        found = Evidence(EvidenceKind.FACE, member.name, round(mean, 3), len(agreeing))
        if not agreeing or mean < self._between(self._settings.support):
            return replace(found, kind=EvidenceKind.NONE, reason="the face is another one")
        seconds = (agreeing[-1].frame - agreeing[0].frame) / self._fps
        told = f"{len(agreeing)} of {len(samples)} face samples over {seconds:.1f} s match"
        enough = len(agreeing) >= self._settings.samples and seconds >= self._settings.spread
        if enough and mean >= self._between(self._settings.mean):
            return replace(found, reason=f"{told} {member.name}")
        return replace(
            found, kind=EvidenceKind.DOUBT, reason=f"only {told} {member.name}, not enough"
        )

    def _between(self, share: float) -> float:
        """A similarity between the face model's 'different' (0) and 'same' (1)."""
        return self._different + share * (self._same - self._different)

    def _exclude(self, cases: list[_Case], evidence: dict[int, Evidence]) -> None:
        """Of two kept at the same time under one name, keep the clearly better one."""
        kept = [case for case in cases if evidence[id(case)].kind is EvidenceKind.FACE]
        losers: dict[int, str] = {}
        for i, a in enumerate(kept):
            for b in kept[i + 1 :]:
                mine, theirs = evidence[id(a)], evidence[id(b)]
                # One body half hidden can pass for two for a moment, two people don't.
                if mine.name != theirs.name or a.together(b) <= HANDOVER * self._fps:
                    continue
                gap = mine.similarity - theirs.similarity
                for case, lead in ((a, gap), (b, -gap)):
                    if lead < self._settings.exclusion_margin:
                        losers[id(case)] = f"somebody beside them resembles {mine.name} too"
        for key, reason in losers.items():
            evidence[key] = replace(evidence[key], kind=EvidenceKind.DOUBT, reason=reason)

    def _carry(self, cases: list[_Case], evidence: dict[int, Evidence]) -> None:
        """Spread verdicts by looks.

        Always compared with what was recognised, never with what was itself carried:
        likeness wears off.
        """
        sources: dict[str, list[_Case]] = {}
        for case in cases:
            found = evidence[id(case)]
            if _keeps(found) and found.name:
                sources.setdefault(found.name, []).append(case)
        strangers = {id(case) for case in cases if self._face_speaks_against(case, evidence)}
        kept = {name: list(of) for name, of in sources.items()}
        self._carry_within_shots(cases, evidence, sources, kept, strangers)
        others = {
            name: strangers | {id(c) for c in cases if any(c.together(s) for s in of)}
            for name, of in sources.items()
        }
        for case in cases:
            if _keeps(evidence[id(case)]) or id(case) in strangers:
                continue
            for name, of in sources.items():
                if any(other.together(case) for other in kept[name]):
                    continue
                faces = [source for source in of if not source.stretch.clicks]
                carried = self._over_cut(case, faces, cases, others[name], name)
                if carried is not None:
                    evidence[id(case)] = carried
                    kept[name].append(case)
                    break

    def _carry_within_shots(
        self,
        cases: list[_Case],
        evidence: dict[int, Evidence],
        sources: dict[str, list[_Case]],
        kept: dict[str, list[_Case]],
        strangers: set[int],
    ) -> None:
        """From stretch to stretch, as long as each begins where and when another ends."""
        for name, of in sources.items():
            for shot in {source.dossier.shot for source in of}:
                here = [case for case in cases if case.dossier.shot == shot]
                known = [source for source in of if source.dossier.shot == shot]
                grows = True
                while grows:
                    grows = False
                    for case in here:
                        if _keeps(evidence[id(case)]) or id(case) in strangers:
                            continue
                        family = [c for c in kept[name] if c.dossier.shot == shot]
                        found = self._within_shot(case, known, family, here, name)
                        if found is not None:
                            evidence[id(case)] = found
                            kept[name].append(case)
                            grows = True

    def _within_shot(
        self,
        case: _Case,
        sources: list[_Case],
        family: list[_Case],
        cases: list[_Case],
        name: str,
    ) -> Evidence | None:
        """By the clothes: whether `case` goes on where one of `family` ended, or the reverse.

        Args:
            sources: recognised stretches of the shot, whose looks count.
            family: these, and all that was carried from them.
            cases: all stretches of the shot.
        """
        own = max(_colours(s.stretch.colours, case.stretch.colours) for s in sources)
        if own < self._settings.carry_colours:
            at_once = own >= self._settings.carry_at_once and any(map(case.hands_over, family))
            if not at_once:
                return None
        if not any(self._follows(case, one) for one in family):
            return None
        if any(self._two_people(case, one) for one in family):
            return None
        # Not only at this doubt: who was swapped in at one may still be here after the next.
        so_far = (s for s in case.dossier.stretches if s.start <= case.stretch.start)
        swapped = set().union(*(stretch.rivals for stretch in so_far))
        for other in cases:
            if other is case or other in family:
                continue
            # Who is seen beside both is neither of them; who is seen beside the family and
            # not beside this one may be this one.
            suspect = not self._two_people(case, other) and any(
                self._two_people(other, one) for one in family
            )
            if other.dossier.id not in swapped and not suspect:
                continue
            alike = _colours(other.stretch.colours, case.stretch.colours)
            if own - alike < self._settings.carry_margin and 1 - own >= (1 - alike) / 2:
                return None
        return Evidence(
            EvidenceKind.BODY, name, round(own, 3), 0, f"same clothes as {name} a moment before"
        )

    def _follows(self, case: _Case, one: _Case) -> bool:
        """Whether one of two stretches begins where and when the other ended."""
        if case.dossier is one.dossier:
            return True
        earlier, later = (case, one) if case.start <= one.start else (one, case)
        if earlier.stretch.last is None or later.stretch.first is None:
            return False
        (end, a), (start, b) = earlier.stretch.last, later.stretch.first
        absence = max(0, start - end) / self._fps
        if absence > self._settings.carry_seconds:
            return False
        reach = self._settings.carry_reach * max(a[3] - a[1], b[3] - b[1]) * (1 + absence)
        apart = np.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2
        return bool(apart <= reach)

    def _two_people(self, a: _Case, b: _Case) -> bool:
        """Whether two stretches were seen together for too long to be one person."""
        allowed = HIDING if a.hands_over(b) else HANDOVER
        return a.together(b) > allowed * self._fps

    def _over_cut(
        self,
        case: _Case,
        sources: list[_Case],
        cases: list[_Case],
        others: set[int],
        name: str,
    ) -> Evidence | None:
        """Between tracklets: body embeddings, if nobody else looks like that."""
        recognised = [b for s in sources for b in s.stretch.bodies]
        if not self._across or not recognised or not case.stretch.bodies:
            return None
        own = _bodies(recognised, case.stretch.bodies)
        if own < self._settings.carry_body:
            return None
        source_ids = {s.dossier.id for s in sources}
        for other in cases:
            if other.dossier.id in source_ids or other.dossier.id == case.dossier.id:
                continue
            apart = id(other) in others or other.together(case)
            if apart and other.stretch.bodies:
                alike = max(
                    _bodies(recognised, other.stretch.bodies),
                    _bodies(other.stretch.bodies, case.stretch.bodies),
                )
                if own - alike < self._settings.carry_margin:
                    return None
        return Evidence(
            EvidenceKind.BODY, name, round(own, 3), 0, f"looks like {name}, recognised elsewhere"
        )

    def _face_speaks_against(self, case: _Case, evidence: dict[int, Evidence]) -> bool:
        """A face that was seen well and wasn't recognised outweighs any likeness of clothes."""
        good = [s for s in case.stretch.faces if s.quality >= self._settings.quality]
        seen = len(good) >= self._settings.samples or evidence[id(case)].kind is EvidenceKind.NONE
        return bool(self._cast and good) and seen and not _keeps(evidence[id(case)])

    def _persons(self, tracklets: Sequence[Tracklet], archive: Archive) -> tuple[Person, ...]:
        """One person for each cast member seen, bystanders grouped by their faces."""
        vectors = {
            t.id: _face_vectors(archive.dossiers[t.id], self._settings.quality) for t in tracklets
        }
        groups: list[list[Tracklet]] = []
        names: list[str | None] = []
        for tracklet in sorted(tracklets, key=lambda t: t.start - t.end):
            name = _kept_name(tracklet)
            nobody = name is None and vectors[tracklet.id] is None
            for group, group_name in () if nobody else zip(groups, names, strict=True):
                if name != group_name or any(
                    _overlap(tracklet, member) > JOINT * self._fps for member in group
                ):
                    continue
                if name is not None or self._same_face(tracklet, group, vectors):
                    group.append(tracklet)
                    break
            else:
                groups.append([tracklet])
                names.append(name)
        order = sorted(range(len(groups)), key=lambda i: (names[i] is None, -_frames(groups[i])))
        return tuple(
            Person(
                f"p{rank}",
                names[i],
                tuple(sorted(t.id for t in groups[i])),
                round(_frames(groups[i]) / self._fps, 2),
            )
            for rank, i in enumerate(order, start=1)
        )

    def _same_face(
        self,
        tracklet: Tracklet,
        group: list[Tracklet],
        vectors: dict[int, NDArray[np.float32] | None],
    ) -> bool:
        mine = vectors[tracklet.id]
        if mine is None:
            return False
        for member in group:
            theirs = vectors[member.id]
            if theirs is not None and float((mine @ theirs.T).mean()) >= self._same:
                return True
        return False


def _tracklet(dossier: Dossier, judged: list[tuple[_Case, Evidence]]) -> Tracklet:
    verdicts = tuple(
        Verdict(case.start, case.end, Decision.KEEP if _keeps(found) else Decision.MASK, found)
        for case, found in judged
        if case.end > case.start
    )
    return Tracklet(
        id=dossier.id,
        shot=dossier.shot,
        start=dossier.start,
        end=dossier.end,
        seen=dossier.seen,
        height=round(dossier.height, 1),
        face=None if dossier.face is None else round(dossier.face, 1),
        verdicts=verdicts,
    )


def _keeps(evidence: Evidence) -> bool:
    return evidence.kind in (EvidenceKind.FACE, EvidenceKind.CLICK, EvidenceKind.BODY)


def _rank(evidence: Evidence) -> tuple[bool, float]:
    return evidence.kind is EvidenceKind.FACE, evidence.similarity


def _kept_name(tracklet: Tracklet) -> str | None:
    """The name under which most of the tracklet is kept."""
    frames: dict[str, int] = {}
    for verdict in tracklet.verdicts:
        if verdict.decision is Decision.KEEP and verdict.evidence.name:
            name = verdict.evidence.name
            frames[name] = frames.get(name, 0) + verdict.end - verdict.start
    return max(frames, key=lambda name: frames[name]) if frames else None


def _overlap(a: Tracklet, b: Tracklet) -> int:
    """Frames that both tracklets cover, continuations included."""
    return min(a.end, b.end) - max(a.start, b.start)


def _frames(group: Sequence[Tracklet]) -> int:
    return sum(t.end - t.start for t in group)


def _colours(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    return 0.0 if a is None or b is None else float(np.sqrt(a * b).sum())


def _bodies(a: list[NDArray[np.float32]], b: list[NDArray[np.float32]]) -> float:
    """Mean of each body's best match: robust to one bad crop."""
    similarity = np.stack(b) @ np.stack(a).T
    return float(similarity.max(axis=1).mean())


def _face_vectors(dossier: Dossier, quality: float) -> NDArray[np.float32] | None:
    vectors = [s.embedding for st in dossier.stretches for s in st.faces if s.quality >= quality]
    return np.stack(vectors) if vectors else None
