"""Verdicts from made evidence: embeddings are axes, so similarities are exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.people.cast import CastMember
from bystander.people.dossier import Archive, FaceSample, Stretch
from bystander.people.identity import IdentitySettings, Judge
from bystander.people.vocabulary import (
    Decision,
    EvidenceKind,
    FrameRecord,
    Origin,
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

    def seen(
        self,
        tracklet: int,
        start: int,
        end: int,
        shot: int = 0,
        kind: int = 0,
        *,
        x: float | None = None,
        look: Vector | None = None,
    ) -> Scene:
        self.archive.open(tracklet, shot, start)
        person = figure(10 * tracklet if x is None else x)
        for frame in range(start, end):
            self._record(Sighting(tracklet, person.box, 0.9, person.mask), frame)
            stretch = self.archive.dossiers[tracklet].stretch(frame)
            stretch.see(frame, person.box)
            stretch.add_colours(colours(kind) if look is None else look)
        return self

    def continued(self, tracklet: int, start: int, end: int) -> Scene:
        """Frames that nobody saw them in."""
        person = figure(10 * tracklet)
        for frame in range(start, end):
            sighting = Sighting(tracklet, person.box, 0.9, person.mask, Origin.EXTENDED)
            self._record(sighting, frame)
        return self

    def _record(self, sighting: Sighting, frame: int) -> None:
        self.archive.count(FrameRecord(frame, frame, (sighting,)))

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


def like(likeness: float, other: int = 1) -> Vector:
    """Clothes this much like kind 0's (Bhattacharyya), the rest of them kind `other`'s."""
    share = likeness**2
    return share * colours(0) + (1 - share) * colours(other)


def minji_until(end: int = 30) -> Scene:
    """Minji, tracklet 1, recognised at x = 100 from the start to `end`; others are far away."""
    return Scene().seen(1, 0, end, x=100).face(1, range(0, end, 4), 0.7)


def kept(scene: Scene, tracklet: int, frame: int) -> bool:
    return decision(scene.judge()[0][tracklet], frame) is Decision.KEEP


def test_clothes_carry_the_verdict_to_who_comes_where_a_recognised_one_was_lost() -> None:
    scene = minji_until(30).seen(2, 38, 60, x=110)
    found, persons = scene.judge()
    assert decision(found[2], 38) is Decision.KEEP
    assert found[2].verdicts[0].evidence.kind is EvidenceKind.BODY
    assert persons[0].tracklets == (1, 2)


def test_the_verdict_is_carried_back_in_time_as_well() -> None:
    scene = Scene().seen(1, 0, 30, x=100).seen(2, 35, 70, x=105).face(2, range(40, 70, 4), 0.7)
    assert kept(scene, 1, 0)
    scene = Scene().seen(1, 0, 30, x=100).seen(2, 55, 80, x=105).face(2, range(56, 80, 4), 0.7)
    assert not kept(scene, 1, 0), "2.5 s before"


@pytest.mark.parametrize(
    ("start", "x", "look", "expected"),
    [
        (45, 110, like(0.97), True),
        (55, 110, like(0.97), False),  # 2.5 s later
        (45, 290, like(0.97), True),  # 2.4 body heights away, after 1.5 s
        (33, 290, like(0.97), False),  # ... and after 0.3 s
        (45, 110, like(0.86), False),  # in other clothes
    ],
    ids=["near and soon", "too late", "time to walk there", "too far", "other clothes"],
)
def test_clothes_count_only_where_and_when_somebody_can_have_come_back(
    start: int, x: float, look: Vector, expected: bool
) -> None:
    assert kept(minji_until(30).seen(2, start, start + 30, x=x, look=look), 2, start) is expected


def test_clothes_do_not_count_in_another_shot() -> None:
    assert not kept(minji_until(30).seen(2, 33, 60, shot=1, x=100), 2, 40)


def test_a_strange_face_stops_the_clothes_within_a_shot() -> None:
    scene = minji_until(30).seen(2, 35, 60, x=110).face(2, range(35, 60, 5), 0.05)
    assert not kept(scene, 2, 40)
    assert not kept(minji_until(30).seen(2, 35, 60, x=110).face(2, range(35, 36), 0.05), 2, 40)


def test_the_verdict_goes_from_stretch_to_stretch() -> None:
    scene = minji_until(30).seen(2, 40, 60, x=110).seen(3, 70, 90, x=120)
    assert kept(scene, 3, 80), "4 s after she was recognised, 1 s after she was last kept"
    scene = Scene().seen(1, 0, 20, x=100).seen(2, 30, 50, x=110)
    scene.seen(3, 60, 90, x=120).face(3, range(60, 90, 4), 0.7)
    assert kept(scene, 1, 0), "and back"


def test_likeness_does_not_wear_off_along_the_way() -> None:
    """The third looks like the second, but not like whom a face told of."""
    scene = minji_until(30).seen(2, 40, 60, x=110, look=like(0.9))
    scene.seen(3, 70, 90, x=120, look=like(0.82))
    assert kept(scene, 2, 50)
    assert not kept(scene, 3, 80)


def test_who_was_beside_the_kept_one_in_the_same_clothes_may_be_who_comes_back() -> None:
    scene = minji_until(30).seen(2, 0, 30, x=140, look=like(0.98))
    assert not kept(scene.seen(3, 35, 60, x=110, look=like(0.97)), 3, 40)


def test_who_was_beside_the_kept_one_in_other_clothes_is_not_who_comes_back() -> None:
    scene = minji_until(30).seen(2, 0, 30, x=140, kind=2)
    assert kept(scene.seen(3, 35, 60, x=110, look=like(0.97)), 3, 40)


def test_who_is_seen_beside_both_is_neither_of_them() -> None:
    scene = minji_until(30).seen(2, 0, 60, x=140, look=like(0.98))
    assert kept(scene.seen(3, 35, 60, x=110, look=like(0.97)), 3, 40)


@pytest.mark.parametrize(("own", "expected"), [(1.0, True), (0.96, False)])
def test_against_somebody_much_alike_only_the_very_same_clothes_count(
    own: float, expected: bool
) -> None:
    """The one who comes back looks 0.93 like the other, and `own` like her."""
    back = like(own, other=2)
    other = 0.93**2 * back + (1 - 0.93**2) * colours(3)
    scene = minji_until(30).seen(2, 0, 30, x=140, look=other).seen(3, 35, 60, x=110, look=back)
    assert kept(scene, 3, 40) is expected


def test_who_was_swapped_in_at_one_doubt_may_still_be_there_after_the_next() -> None:
    scene = Scene().seen(2, 0, 90).seen(3, 0, 90, kind=1).seen(1, 0, 30)
    scene.archive.doubt(1, 2, 30)
    scene.seen(1, 30, 60)
    scene.archive.doubt(1, 3, 60)
    scene.seen(1, 60, 90).face(1, range(0, 30, 4), 0.7)
    assert [kept(scene, 1, frame) for frame in (10, 45, 75)] == [True, False, False]


def test_one_body_in_two_parts_for_a_moment_hands_its_verdict_over() -> None:
    """Longer than two tracklets of one person overlap otherwise, if the two parts touch."""
    for x, touching in ((105, True), (135, False)):
        scene = minji_until(34).seen(2, 30, 60, x=x)
        assert kept(scene, 2, 50) is touching, f"x = {x}"
    assert not kept(minji_until(36).seen(2, 30, 60, x=105), 2, 50), "that long are two people"


def test_where_one_ends_as_the_other_begins_clothes_may_differ_more() -> None:
    for x, start, expected in ((105, 30, True), (140, 30, False), (105, 33, False)):
        scene = minji_until(30).seen(2, start, 60, x=x, look=like(0.86))
        assert kept(scene, 2, 50) is expected, f"x = {x}, from {start}"
    assert not kept(minji_until(30).seen(2, 30, 60, x=105, look=like(0.8)), 2, 50)


def test_a_person_pointed_at_is_followed_by_their_clothes() -> None:
    scene = Scene().seen(1, 0, 30, x=100).seen(2, 35, 60, x=110)
    scene.archive.dossiers[1].stretches[0].clicks.append("click")
    assert decision(scene.judge(cast=())[0][2], 40) is Decision.KEEP


def test_a_doubt_about_somebody_hidden_and_never_seen_again_changes_no_verdict() -> None:
    scene = Scene().seen(2, 0, 60, kind=0).seen(1, 0, 30).face(1, range(0, 30, 4), 0.7)
    scene.archive.doubt(1, 2, 30)
    scene.continued(1, 30, 34)
    (verdict,) = scene.judge()[0][1].verdicts
    assert (verdict.start, verdict.end, verdict.decision) == (0, 34, Decision.KEEP)


def test_a_doubt_cuts_off_what_was_not_seen_before_it_too() -> None:
    """A gap belongs to the stretch before, until somebody is seen again."""
    scene = Scene().seen(1, 0, 20)
    scene.archive.doubt(1, None, 25)
    scene.continued(1, 20, 30).seen(1, 30, 40).continued(1, 40, 43)
    spans = scene.archive.dossiers[1].spans()
    assert [(start, end) for _, start, end in spans] == [(0, 25), (25, 43)]


def test_doubts_before_anything_is_seen_add_up() -> None:
    scene = Scene().seen(1, 0, 20)
    for frame, rival in ((20, 2), (22, 3)):
        scene.archive.doubt(1, rival, frame)
    assert [s.rivals for s in scene.archive.dossiers[1].stretches] == [set(), {2, 3}]


def test_a_stretch_looks_like_what_was_seen_of_it_apart_from_others() -> None:
    stretch = Stretch(0)
    stretch.add_colours(colours(1), apart=False)
    np.testing.assert_array_equal(stretch.colours, colours(1))
    stretch.add_colours(colours(0), apart=True)
    stretch.add_colours(colours(1), apart=False)
    np.testing.assert_array_equal(stretch.colours, colours(0))
    stretch.add_colours(colours(2), apart=True)
    assert stretch.colours is not None
    np.testing.assert_allclose(stretch.colours, 0.5 * colours(0) + 0.5 * colours(2))


def test_a_stretch_remembers_where_it_began_and_ended() -> None:
    stretch = Stretch(0)
    for frame in (3, 4, 7):
        stretch.see(frame, figure(frame).box)
    assert stretch.first == (3, figure(3).box)
    assert stretch.last == (7, figure(7).box)


def test_bodies_do_not_overrule_the_clothes_after_a_possible_swap() -> None:
    """Both wear the same: a body embedding can't tell them apart either."""
    scene = Scene().seen(2, 0, 60, kind=0).seen(1, 0, 30, kind=0)
    scene.archive.doubt(1, 2, 30)
    scene.seen(1, 30, 60, kind=0).face(1, range(0, 30, 4), 0.7).body(1, axis(9))
    found, _ = scene.judge()
    assert decision(found[1], 10) is Decision.KEEP
    assert decision(found[1], 45) is Decision.MASK
