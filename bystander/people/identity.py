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
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.people.carrying import Carrier
from bystander.people.cases import HANDOVER, Case, IdentitySettings, keeps
from bystander.people.cast import CastMember
from bystander.people.dossier import Archive, Dossier, FaceSample
from bystander.people.vocabulary import (
    Decision,
    Evidence,
    EvidenceKind,
    Person,
    Tracklet,
    Verdict,
)

__all__ = ["IdentitySettings", "Judge"]

JOINT: Final = 0.6
"""Seconds that two tracklets of one person may overlap, continuations included (`filling`)."""


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
        self._carrier = Carrier(settings, fps, bodies_across_shots)

    def judge(self, archive: Archive) -> tuple[tuple[Tracklet, ...], tuple[Person, ...]]:
        """Verdicts for every tracklet, and the tracklets grouped into persons."""
        shown = [d for d in archive.dossiers.values() if d.end > d.start]
        by_dossier = [[Case(d, *span) for span in d.spans()] for d in shown]
        cases = [case for those in by_dossier for case in those]
        evidence = {id(case): self._direct(case) for case in cases}
        self._exclude(cases, evidence)
        strangers = {id(case) for case in cases if self._face_speaks_against(case, evidence)}
        self._carrier.carry(cases, evidence, strangers)
        tracklets = tuple(
            _tracklet(dossier, [(case, evidence[id(case)]) for case in those])
            for dossier, those in zip(shown, by_dossier, strict=True)
        )
        return tracklets, self._persons(tracklets, archive)

    def _direct(self, case: Case) -> Evidence:
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

    def _exclude(self, cases: list[Case], evidence: dict[int, Evidence]) -> None:
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

    def _face_speaks_against(self, case: Case, evidence: dict[int, Evidence]) -> bool:
        """A face that was seen well and wasn't recognised outweighs any likeness of clothes."""
        good = [s for s in case.stretch.faces if s.quality >= self._settings.quality]
        seen = len(good) >= self._settings.samples or evidence[id(case)].kind is EvidenceKind.NONE
        return bool(self._cast and good) and seen and not keeps(evidence[id(case)])

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


def _tracklet(dossier: Dossier, judged: list[tuple[Case, Evidence]]) -> Tracklet:
    verdicts = tuple(
        Verdict(case.start, case.end, Decision.KEEP if keeps(found) else Decision.MASK, found)
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


def _face_vectors(dossier: Dossier, quality: float) -> NDArray[np.float32] | None:
    vectors = [s.embedding for st in dossier.stretches for s in st.faces if s.quality >= quality]
    return np.stack(vectors) if vectors else None
