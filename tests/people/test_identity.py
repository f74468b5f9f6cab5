"""Verdicts from made evidence: embeddings are axes, so similarities are exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.people.cast import CastMember
from bystander.people.dossier import Archive, FaceSample
from bystander.people.identity import IdentitySettings, Judge
from bystander.people.vocabulary import (
    Decision,
    EvidenceKind,
    FrameRecord,
    Person,
    Sighting,
    Tracklet,
)

from .figures import colours, figure

Vector = NDArray[np.float32]


def axis(number: int, towards: int = 0, cosine: float = 0.0) -> Vector:
    """A unit vector with the given cosine to the axis `towards`."""
    vector = np.zeros(16, dtype=np.float32)
    vector[number] = np.sqrt(1 - cosine**2)
    vector[towards] += cosine
    return vector


MINJI = CastMember("minji", axis(0)[np.newaxis])


class Scene:
    """Tracklets with evidence, at 10 frames a second."""

    def __init__(self) -> None:
        self.archive = Archive(1.0)

    def seen(self, tracklet: int, start: int, end: int, shot: int = 0, kind: int = 0) -> Scene:
        self.archive.open(tracklet, shot, start)
        for frame in range(start, end):
            person = figure(10 * tracklet)
            sighting = Sighting(tracklet, person.box, 0.9, person.mask)
            self.archive.count(FrameRecord(frame, frame, (sighting,)))
            self.archive.dossiers[tracklet].stretch(frame).add_colours(colours(kind))
        return self

    def face(self, tracklet: int, frames: range, cosine: float, quality: float = 0.8) -> Scene:
        for frame in frames:
            sample = FaceSample(frame, axis(3 + tracklet, 0, cosine), quality, 60.0)
            self.archive.dossiers[tracklet].stretch(frame).add_face(sample)
        return self

    def body(self, tracklet: int, vector: Vector) -> Scene:
        for stretch in self.archive.dossiers[tracklet].stretches:
            stretch.add_body(vector)
        return self

    def judge(
        self, cast: tuple[CastMember, ...] = (MINJI,), across: bool = True
    ) -> tuple[dict[int, Tracklet], tuple[Person, ...]]:
        judge = Judge(
            cast, IdentitySettings(), same=0.4, different=0.2, fps=10, bodies_across_shots=across
        )
        tracklets, persons = judge.judge(self.archive)
        return {t.id: t for t in tracklets}, persons


def decision(tracklet: Tracklet, frame: int) -> Decision:
    return tracklet.decision_at(frame)


def test_someone_recognised_at_the_end_is_kept_from_the_start() -> None:
    scene = Scene().seen(1, 0, 200).face(1, range(180, 200, 4), 0.6)
    found, persons = scene.judge()
    assert decision(found[1], 0) is Decision.KEEP
    assert persons[0].name == "minji"


def test_someone_never_recognised_is_masked_from_the_first_frame() -> None:
    found, _ = Scene().seen(1, 0, 50).judge()
    assert decision(found[1], 0) is Decision.MASK
    assert found[1].verdicts[0].evidence.kind is EvidenceKind.NONE


def test_without_a_cast_everyone_is_masked() -> None:
    found, _ = Scene().seen(1, 0, 50).face(1, range(0, 50, 2), 0.9).judge(cast=())
    assert decision(found[1], 25) is Decision.MASK


def test_one_lucky_sample_is_not_enough() -> None:
    scene = Scene().seen(1, 0, 50).face(1, range(10, 11), 0.7).face(1, range(20, 40, 2), 0.05)
    assert decision(scene.judge()[0][1], 20) is Decision.MASK


def test_samples_of_a_single_moment_are_not_enough() -> None:
    found, _ = Scene().seen(1, 0, 50).face(1, range(10, 13), 0.7).judge()
    assert decision(found[1], 20) is Decision.MASK
    assert found[1].verdicts[0].evidence.kind is EvidenceKind.DOUBT


def test_useless_samples_say_nothing() -> None:
    found, _ = Scene().seen(1, 0, 50).face(1, range(0, 50, 5), 0.7, quality=0.01).judge()
    assert decision(found[1], 20) is Decision.MASK


def test_of_two_at_once_only_the_clearly_better_one_is_kept() -> None:
    scene = Scene().seen(1, 0, 50).seen(2, 0, 50)
    scene.face(1, range(0, 50, 5), 0.7).face(2, range(0, 50, 5), 0.45)
    found, _ = scene.judge()
    assert (decision(found[1], 9), decision(found[2], 9)) == (Decision.KEEP, Decision.MASK)


def test_of_two_at_once_who_match_alike_neither_is_kept() -> None:
    scene = Scene().seen(1, 0, 50).seen(2, 0, 50)
    scene.face(1, range(0, 50, 5), 0.6).face(2, range(0, 50, 5), 0.57)
    found, _ = scene.judge()
    assert (decision(found[1], 9), decision(found[2], 9)) == (Decision.MASK, Decision.MASK)


def test_after_a_possible_swap_the_verdict_does_not_hold_any_more() -> None:
    scene = Scene().seen(2, 0, 60, kind=0).seen(1, 0, 30, kind=0)
    scene.archive.doubt(1, 2, 30)
    scene.seen(1, 30, 60, kind=0).face(1, range(0, 30, 4), 0.7)
    found, _ = scene.judge()
    assert decision(found[1], 10) is Decision.KEEP
    assert decision(found[1], 45) is Decision.MASK


def test_clothes_carry_the_verdict_over_a_crossing_when_the_other_wears_different_ones() -> None:
    scene = Scene().seen(2, 0, 60, kind=1).seen(1, 0, 30, kind=0)
    scene.archive.doubt(1, 2, 30)
    scene.seen(1, 30, 60, kind=0).face(1, range(0, 30, 4), 0.7)
    found, _ = scene.judge()
    assert decision(found[1], 45) is Decision.KEEP
    assert found[1].verdicts[1].evidence.kind is EvidenceKind.BODY


def test_a_verdict_is_carried_over_a_cut_by_body() -> None:
    scene = Scene().seen(1, 0, 50).face(1, range(0, 50, 5), 0.7).body(1, axis(9))
    scene.seen(2, 50, 90, shot=1).body(2, axis(10, 9, 0.9))
    found, persons = scene.judge()
    assert decision(found[2], 60) is Decision.KEEP
    assert persons[0].tracklets == (1, 2)


def test_histograms_are_not_trusted_over_a_cut() -> None:
    scene = Scene().seen(1, 0, 50).face(1, range(0, 50, 5), 0.7).body(1, axis(9))
    scene.seen(2, 50, 90, shot=1).body(2, axis(10, 9, 0.9))
    assert decision(scene.judge(across=False)[0][2], 60) is Decision.MASK


def test_a_look_alike_beside_the_kept_person_stops_the_carrying() -> None:
    scene = Scene().seen(1, 0, 50).face(1, range(0, 50, 5), 0.7).body(1, axis(9))
    scene.seen(3, 0, 50).body(3, axis(11, 9, 0.88))
    scene.seen(2, 50, 90, shot=1).body(2, axis(10, 9, 0.9))
    assert decision(scene.judge()[0][2], 60) is Decision.MASK


def test_a_strange_face_outweighs_the_same_clothes() -> None:
    scene = Scene().seen(1, 0, 50).face(1, range(0, 50, 5), 0.7).body(1, axis(9))
    scene.seen(2, 50, 90, shot=1).body(2, axis(10, 9, 0.95)).face(2, range(50, 90, 5), 0.05)
    assert decision(scene.judge()[0][2], 60) is Decision.MASK


def test_two_people_seen_together_are_never_one_person() -> None:
    scene = Scene().seen(1, 0, 50).seen(2, 20, 70)
    for tracklet in (1, 2):
        scene.archive.dossiers[tracklet].stretches[0].clicks.append("click")
    _, persons = scene.judge()
    assert len(persons) == 2


@pytest.mark.parametrize("frames", [range(0, 50, 5)])
def test_the_nearest_cast_member_gives_the_name(frames: range) -> None:
    other = CastMember("jun", axis(1)[np.newaxis])
    found, _ = Scene().seen(1, 0, 50).face(1, frames, 0.7).judge(cast=(other, MINJI))
    assert found[1].verdicts[0].evidence.name == "minji"


def test_a_long_tracklet_keeps_a_bounded_number_of_samples_spread_over_it() -> None:
    scene = Scene().seen(1, 0, 500).face(1, range(0, 500), 0.7)
    faces = scene.archive.dossiers[1].stretches[0].faces
    assert len(faces) <= 24
    assert faces[-1].frame - faces[0].frame > 400


def test_a_moment_in_which_one_body_passes_for_two_costs_nobody_their_verdict() -> None:
    scene = Scene().seen(1, 0, 31).seen(2, 30, 60)
    scene.face(1, range(0, 30, 5), 0.7).face(2, range(32, 60, 5), 0.68)
    found, _ = scene.judge()
    assert (decision(found[1], 9), decision(found[2], 50)) == (Decision.KEEP, Decision.KEEP)
