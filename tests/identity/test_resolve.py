"""Verdicts and persons from made evidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from bystander.errors import Cancelled
from bystander.identity.cast import CastMember
from bystander.identity.segments import IdentitySettings, Segment
from bystander.timeline.types import Decision, EvidenceKind

from .scenes import MINJI, Scene, axis, clothes, crossing, like

OFTEN = range(0, 50, 5)


# Faces


def test_someone_recognised_at_the_end_is_kept_from_the_start() -> None:
    scene = Scene().seen(1, 0, 200, face=(0.6, range(180, 200, 4)))
    assert scene.kept(1, 0)
    assert scene.resolve()[1][0].name == "minji"


def test_someone_never_recognised_is_masked_from_the_first_frame() -> None:
    scene = Scene().seen(1, 0, 50)
    assert not scene.kept(1, 0)
    assert scene.evidence(1).kind is EvidenceKind.NONE


def test_without_a_cast_everyone_is_masked() -> None:
    assert not Scene(cast=()).seen(1, 0, 50, face=(0.9, OFTEN)).kept(1, 25)


def test_one_lucky_sample_is_not_enough() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.05, range(20, 40, 2)))
    lucky = replace(scene.segments[0].faces[0], frame=10, embedding=axis(5, 0, 0.7))
    scene.segments[0] = replace(scene.segments[0], faces=(lucky, *scene.segments[0].faces))
    assert not scene.kept(1, 20)


def test_samples_of_a_single_moment_are_not_enough() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.7, range(10, 13)))
    assert not scene.kept(1, 20)
    assert scene.evidence(1).kind is EvidenceKind.DOUBT


def test_useless_samples_say_nothing() -> None:
    assert not Scene().seen(1, 0, 50, face=(0.7, OFTEN), quality=0.01).kept(1, 20)


@pytest.mark.parametrize(
    ("photo", "sample", "kept"),
    [(0.8, 0.1, True), (0.8, 0.03, False), (0.1, 0.1, False), (0.1, 0.3, True)],
)
def test_poor_samples_count_beside_good_photos_only(
    photo: float, sample: float, kept: bool
) -> None:
    minji = CastMember("minji", axis(0)[None], photo)
    scene = Scene(cast=(minji,)).seen(1, 0, 50, face=(0.7, OFTEN), quality=sample)
    assert scene.kept(1, 9) is kept


def test_poor_samples_speak_for_somebody_not_against_them() -> None:
    minji = CastMember("minji", axis(0)[None], 0.8)
    scene = Scene(cast=(minji,)).seen(1, 0, 50, face=(0.7, OFTEN), look=clothes(0), x=0.0)
    scene.seen(2, 52, 99, face=(0.1, range(52, 99, 5)), quality=0.1, look=clothes(0), x=0.0)
    assert scene.kept(2, 60)


def test_faces_of_two_segments_of_one_person_add_up() -> None:
    """Two samples each: alone neither would do."""
    scene = Scene().seen(1, 0, 30, x=100, look=clothes(0), face=(0.7, range(10, 20, 8)))
    scene.seen(2, 32, 60, x=102, look=clothes(0), face=(0.7, range(40, 50, 8)), face_axis=4)
    assert scene.kept(1, 0)
    assert scene.kept(2, 50)


def test_of_two_at_once_only_the_clearly_better_one_is_kept() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.7, OFTEN)).seen(2, 0, 50, face=(0.45, OFTEN))
    assert (scene.kept(1, 9), scene.kept(2, 9)) == (True, False)


def test_twins_seen_together_are_both_masked() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.6, OFTEN)).seen(2, 0, 50, face=(0.57, OFTEN))
    assert (scene.kept(1, 9), scene.kept(2, 9)) == (False, False)
    assert scene.evidence(1).kind is EvidenceKind.DOUBT
    assert "beside them" in scene.evidence(1).reason


def test_the_nearest_cast_member_gives_the_name() -> None:
    scene = Scene(cast=(CastMember("jun", axis(1)[None]), MINJI)).seen(1, 0, 50, face=(0.7, OFTEN))
    assert scene.evidence(1).name == "minji"


def test_somebody_recognised_in_two_shots_is_one_person() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.7, OFTEN))
    scene.seen(2, 50, 99, shot=1, face=(0.6, range(50, 99, 5)))
    (minji,) = scene.resolve()[1]
    assert minji.tracklets == (1, 2)


# Crossings


def test_clothes_tell_who_is_who_after_a_crossing() -> None:
    scene = crossing(clothes(0), clothes(1))
    assert scene.kept(1, 45)
    assert not scene.kept(2, 45)
    assert scene.resolve()[0][1].verdicts[1].evidence.kind is EvidenceKind.BODY


def test_clothes_tell_of_a_swap() -> None:
    scene = crossing(clothes(0), clothes(1))
    scene.segments[2:] = [
        replace(after, colours=clothes(kind))
        for after, kind in zip(scene.segments[2:], (1, 0), strict=True)
    ]
    assert (scene.kept(1, 45), scene.kept(2, 45)) == (False, True)


def test_after_a_crossing_of_two_dressed_alike_nobody_is_kept() -> None:
    scene = crossing(clothes(0), clothes(0))
    assert scene.kept(1, 10)
    assert not scene.kept(1, 45)
    assert not scene.kept(2, 45)
    found, _ = scene.resolve()
    assert EvidenceKind.DOUBT in {found[track].verdicts[1].evidence.kind for track in (1, 2)}


@pytest.mark.parametrize("swapped", [False, True])
def test_faces_afterwards_tell_who_is_who_of_two_dressed_alike(swapped: bool) -> None:
    scene = crossing(clothes(0), clothes(0))
    minji, other = (3, 2) if swapped else (2, 3)
    for i, cosine in ((minji, 0.7), (other, 0.05)):
        faces = Scene().seen(i, 0, 30, face=(cosine, range(36, 60, 4))).segments[0].faces
        scene.segments[i] = replace(scene.segments[i], faces=faces)
    assert scene.kept(scene.segments[minji].track, 45)
    assert not scene.kept(scene.segments[other].track, 45)


def test_the_others_face_alone_tells_who_is_who() -> None:
    """She turned away; he, seen before and after, is surely he, and so she is she."""
    scene = crossing(clothes(0), clothes(0))
    for i in (1, 3):
        start = scene.segments[i].start
        shown = Scene().seen(9, 0, 30, face=(0.0, range(start, start + 28, 4))).segments[0].faces
        scene.segments[i] = replace(scene.segments[i], faces=shown)
    assert scene.kept(1, 45)


def test_a_face_does_not_tell_from_a_look_alike_whose_face_was_never_seen() -> None:
    """Twins: the clicked one turned away before they met, and one of them looks up afterwards."""
    scene = Scene(cast=()).seen(1, 0, 30, look=clothes(0), x=100, face=(0.0, range(0, 30, 4)))
    scene.seen(2, 0, 30, look=clothes(0), x=140, click="click")
    scene.seen(1, 30, 60, look=clothes(0), x=140)
    scene.seen(2, 30, 60, look=clothes(0), x=100, face=(0.0, range(32, 60, 4)), face_axis=4)
    for before, after in ((0, 2), (1, 3), (0, 3), (1, 2)):
        scene.link(before, after, 0.48)
    assert (scene.kept(1, 45), scene.kept(2, 45)) == (False, False)


def test_who_may_have_been_swapped_in_may_still_be_there_after_the_next_crossing() -> None:
    scene = crossing(clothes(0), clothes(0)).seen(1, 60, 90, look=clothes(0))
    scene.link(2, 4, 0.9)
    assert [scene.kept(1, frame) for frame in (10, 45, 75)] == [True, False, False]


def test_a_gap_without_a_rival_costs_nobody_their_verdict() -> None:
    scene = Scene().seen(1, 0, 30, look=clothes(0), click="click")
    scene.seen(1, 40, 90, look=like(0.9)).link(0, 1, 0.95)
    assert scene.kept(1, 80)


# Coming back


def minji_until(end: int = 30) -> Scene:
    """Minji, track 1, recognised at x = 100 from the start to `end`."""
    return Scene().seen(1, 0, end, x=100, look=clothes(0), face=(0.7, range(0, end, 4)))


@pytest.mark.parametrize(
    ("start", "x", "likeness", "expected"),
    [
        (38, 110, 1.0, True),
        (45, 110, 0.97, True),
        (55, 110, 0.97, False),  # 2.5 s later
        (33, 290, 0.97, False),  # 2.4 body heights away after 0.3 s
        (38, 110, 0.8, False),  # in other clothes
    ],
    ids=["near and soon", "somewhat later", "too late", "too far", "other clothes"],
)
def test_somebody_comes_back_where_and_when_they_can(
    start: int, x: float, likeness: float, expected: bool
) -> None:
    scene = minji_until(30).seen(2, start, start + 30, x=x, look=like(likeness))
    assert scene.kept(2, start) is expected


def test_a_verdict_goes_back_in_time_as_well() -> None:
    scene = Scene().seen(1, 0, 30, x=100, look=clothes(0))
    assert scene.seen(2, 35, 70, x=105, look=clothes(0), face=(0.7, range(40, 70, 4))).kept(1, 0)


def test_a_verdict_goes_from_segment_to_segment() -> None:
    scene = minji_until(30)
    for number, start in enumerate((35, 65, 95, 125), 2):
        scene.seen(number, start, start + 25, x=100, look=clothes(0))
    assert scene.kept(5, 140)


def test_likeness_does_not_wear_off_along_the_way() -> None:
    """Each looks like the one before it, the last no more like the first."""
    scene = minji_until(30)
    for number, share in enumerate((0.8, 0.5, 0.2, 0.0), 2):
        look = share * clothes(0) + (1 - share) * clothes(1)
        scene.seen(number, 35 * (number - 1), 35 * (number - 1) + 25, x=100, look=look)
    assert not scene.kept(5, 145)


def test_a_strange_face_outweighs_the_same_clothes() -> None:
    scene = minji_until(30)
    scene.seen(2, 35, 60, x=110, look=clothes(0), face=(0.05, range(35, 60, 5)))
    assert not scene.kept(2, 40)
    one = minji_until(30).seen(2, 35, 60, x=110, look=clothes(0), face=(0.05, range(35, 36)))
    assert not one.kept(2, 40)


def test_a_look_alike_who_was_beside_may_be_who_comes_back() -> None:
    scene = minji_until(30).seen(2, 0, 30, x=140, look=like(0.98))
    assert not scene.seen(3, 35, 60, x=110, look=like(0.97)).kept(3, 40)


def test_who_was_beside_in_other_clothes_is_not_who_comes_back() -> None:
    scene = minji_until(30).seen(2, 0, 30, x=140, look=clothes(2))
    assert scene.seen(3, 35, 60, x=110, look=like(0.97)).kept(3, 40)


def test_a_look_alike_who_is_still_seen_is_not_who_comes_back() -> None:
    scene = minji_until(30).seen(2, 0, 60, x=140, look=like(0.98))
    assert scene.seen(3, 35, 60, x=110, look=like(0.97)).kept(3, 40)


def test_likeness_is_no_chain_past_whom_somebody_was_seen_beside() -> None:
    """A looks like B and B like C, but C was seen beside A."""
    scene = Scene().seen(1, 0, 60, x=100, look=clothes(0), click="click")
    scene.seen(2, 62, 90, x=110, look=like(0.95)).seen(3, 30, 100, x=180, look=like(0.9))
    assert scene.kept(2, 70)
    assert not scene.kept(3, 70)
    assert len(scene.resolve()[1]) == 2


def test_a_body_that_passes_for_two_for_a_moment_costs_nobody_their_verdict() -> None:
    scene = Scene().seen(1, 0, 31, face=(0.7, range(0, 30, 5)), x=100, look=clothes(0))
    scene.seen(2, 30, 60, face=(0.68, range(32, 60, 5)), x=100, look=clothes(0))
    assert (scene.kept(1, 9), scene.kept(2, 50)) == (True, True)


# Clicks


def test_a_click_holds_in_profile() -> None:
    """Her face turns away, and one sample of it resembles nobody: the track goes on."""
    scene = Scene(cast=()).seen(1, 0, 30, look=clothes(0), click="click", face=(0.0, OFTEN[:6]))
    scene.seen(1, 30, 60, look=clothes(0), face=(0.0, range(31, 32)), face_axis=9)
    assert scene.link(0, 1, 0.98).kept(1, 50)


@pytest.mark.parametrize(("samples", "expected"), [(1, True), (4, False)])
def test_one_odd_sample_of_a_face_is_no_testimony_several_are(samples: int, expected: bool) -> None:
    scene = Scene().seen(1, 0, 30, look=clothes(0), face=(0.7, OFTEN[:6]))
    odd = range(31, 31 + 5 * samples, 5)
    scene.seen(1, 30, 60, look=clothes(0), face=(0.1, odd)).link(0, 1, 0.98)
    assert scene.kept(1, 50) is expected


def test_a_click_holds_beside_a_twin_of_a_cast_member() -> None:
    """The photo is of both alike; the click is not."""
    scene = Scene().seen(1, 0, 50, face=(0.6, OFTEN), look=clothes(0), click="click")
    scene.seen(1, 50, 90, face=(0.6, range(52, 90, 5)), look=clothes(0)).link(0, 1, 0.95)
    scene.seen(2, 0, 90, face=(0.6, OFTEN))
    assert (scene.kept(1, 9), scene.kept(1, 70), scene.kept(2, 9)) == (True, True, False)


def test_a_click_does_not_hold_against_the_testimony_of_a_face() -> None:
    scene = Scene(cast=()).seen(1, 0, 30, look=clothes(0), click="click", face=(0.0, OFTEN[:6]))
    scene.seen(1, 30, 60, look=clothes(0), face=(0.0, range(31, 60, 4)), face_axis=9)
    assert not scene.link(0, 1, 0.98).kept(1, 50)


def test_a_click_goes_over_a_cut_by_the_face() -> None:
    scene = Scene(cast=()).seen(1, 0, 50, click="click", face=(0.0, OFTEN))
    scene.seen(2, 50, 99, shot=1, face=(0.0, range(50, 99, 5)), face_axis=4)
    scene.seen(3, 50, 99, shot=1, face=(0.0, range(50, 99, 5)))
    assert (scene.kept(2, 60), scene.kept(3, 60)) == (True, False)


def test_a_click_goes_over_a_cut_by_the_body() -> None:
    scene = Scene(cast=()).seen(1, 0, 50, click="click", body=axis(9))
    scene.seen(2, 50, 90, shot=1, body=axis(10, 9, 0.95)).seen(3, 50, 90, shot=1, body=axis(11))
    found, persons = scene.resolve()
    assert found[2].decision_at(60) is Decision.KEEP
    assert found[3].decision_at(60) is Decision.MASK
    assert persons[0].tracklets == (1, 2)


def test_histograms_are_not_trusted_over_a_cut() -> None:
    scene = Scene(cast=()).seen(1, 0, 50, click="click", body=axis(9))
    found, _ = scene.seen(2, 50, 90, shot=1, body=axis(9)).resolve(across=False)
    assert found[2].decision_at(60) is Decision.MASK


@pytest.mark.parametrize("shot", [0, 1], ids=["beside the kept one", "in the other shot"])
def test_a_look_alike_stops_what_goes_over_a_cut(shot: int) -> None:
    scene = Scene().seen(1, 0, 50, face=(0.7, OFTEN), body=axis(9))
    scene.seen(2, 50, 90, shot=1, body=axis(10, 9, 0.95))
    start = 50 * shot
    scene.seen(3, start, start + 40, shot=shot, body=axis(11, 9, 0.94) + axis(10, 9, 0.0) * 0.2)
    assert not scene.kept(2, 60)


def test_who_is_clicked_on_is_told_so() -> None:
    scene = Scene(cast=()).seen(1, 0, 50, click="1 s at 3,4")
    assert (scene.evidence(1).kind, scene.evidence(1).name) == (EvidenceKind.CLICK, "1 s at 3,4")


# Persons


def test_two_people_seen_together_are_never_one_person() -> None:
    scene = Scene().seen(1, 0, 50, click="click").seen(2, 20, 70, click="click")
    assert len(scene.resolve()[1]) == 2


def test_a_bystander_met_again_is_one_person() -> None:
    scene = Scene().seen(1, 0, 50, face=(0.0, OFTEN), look=clothes(0))
    scene.seen(2, 90, 140, face=(0.0, range(90, 140, 5)), face_axis=4, look=clothes(0))
    assert [person.tracklets for person in scene.resolve()[1]] == [(1, 2)]


@pytest.mark.parametrize(("left", "people"), [(1, 1), (12, 13)])
def test_of_a_crowd_that_has_left_hardly_one_comes_back(left: int, people: int) -> None:
    """The last to come looks just like the first; nobody else does."""
    scene = Scene(cast=())
    for track in range(left):
        look, body = clothes(track % 12), axis(20 + track)
        scene.seen(track, 20 * track, 20 * track + 18, look=look, body=body)
    scene.seen(left, 600, 640, look=clothes(0), body=axis(20))
    _, persons = scene.resolve()
    assert len(persons) == people


def test_a_fragment_is_listed_with_the_person_it_belongs_to() -> None:
    scene = Scene().seen(1, 0, 50, x=100, look=clothes(0)).seen(2, 51, 53, x=104, look=like(0.9))
    assert [person.tracklets for person in scene.resolve()[1]] == [(1, 2)]


def test_a_fragment_that_belongs_to_nobody_is_masked_and_not_listed() -> None:
    scene = Scene().seen(1, 0, 50).seen(2, 20, 22)
    assert [person.tracklets for person in scene.resolve()[1]] == [(1,)]
    assert not scene.kept(2, 21)


def test_a_brief_person_who_was_clicked_on_is_listed() -> None:
    assert len(Scene().seen(1, 0, 2, click="click").resolve()[1]) == 1


def test_a_tracklet_belongs_to_whom_most_of_it_shows() -> None:
    scene = Scene().seen(1, 0, 10, face=(0.7, range(0, 10, 2))).seen(1, 10, 90, look=clothes(9))
    found, persons = scene.link(0, 1, 0.5).resolve()
    assert [v.decision for v in found[1].verdicts] == [Decision.KEEP, Decision.MASK]
    assert [person.name for person in persons] == [None]


def test_a_swap_gives_each_person_their_parts_of_both_tracklets() -> None:
    scene = crossing(clothes(0), clothes(1))
    scene.segments[2:] = [
        replace(after, colours=clothes(kind), runs=((30, 55),))
        for after, kind in zip(scene.segments[2:], (1, 0), strict=True)
    ]
    minji, other = scene.resolve()[1]
    assert (minji.tracklets, other.tracklets) == ((1,), (2,))
    assert minji.spans == ((1, 0, 30), (2, 30, 55))
    assert other.spans == ((1, 30, 55), (2, 0, 30))


def test_somebody_alone_on_their_tracklets_has_no_spans() -> None:
    scene = Scene().seen(1, 0, 30, look=clothes(0)).seen(1, 40, 70, look=clothes(0))
    (person,) = scene.link(0, 1, 0.95).resolve()[1]
    assert (person.tracklets, person.spans) == ((1,), ())


def test_spans_cover_a_tracklet_with_its_continuations() -> None:
    scene = Scene().seen(1, 5, 20).seen(1, 30, 40).link(0, 1, 0.9)
    found, _ = scene.resolve()
    assert [(v.start, v.end) for v in found[1].verdicts] == [(5, 30), (30, 40)]


@pytest.mark.parametrize(
    ("clicked", "expected"),
    [(0, [(0, 20, True), (20, 60, False)]), (1, [(0, 40, False), (40, 60, True)])],
)
def test_what_nobody_saw_between_a_kept_and_a_masked_part_is_masked(
    clicked: int, expected: list[tuple[int, int, bool]]
) -> None:
    scene = Scene(cast=()).seen(1, 0, 20, look=clothes(0)).seen(1, 40, 60, look=clothes(1))
    scene.segments[clicked] = replace(scene.segments[clicked], clicks=("click",))
    verdicts = scene.resolve()[0][1].verdicts
    assert [(v.start, v.end, v.decision is Decision.KEEP) for v in verdicts] == expected


def test_a_cast_member_who_was_clicked_on_keeps_the_name() -> None:
    (person,) = Scene().seen(1, 0, 50, face=(0.7, OFTEN), click="click").resolve()[1]
    assert person.name == "minji"


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.0, 6.0])
def test_a_greater_margin_never_keeps_more(margin: float) -> None:
    scene = minji_until(30).seen(2, 38, 60, x=110, look=like(0.93))
    scene.seen(3, 60, 90, x=120, look=like(0.88)).seen(4, 36, 70, x=150, look=like(0.9))

    def kept(at: float) -> set[int]:
        found, _ = scene.resolve(IdentitySettings(margin=at))
        return {t for t in found if found[t].verdicts[0].decision is Decision.KEEP}

    assert kept(margin + 1.0) <= kept(margin)


def test_thousands_of_segments_are_resolved() -> None:
    """A street: a new person every ten frames, each there for two seconds."""
    segments: list[Segment] = []
    for number in range(1500):
        scene = Scene().seen(number % 30, 10 * number, 10 * number + 20, x=50 * (number % 20))
        body = axis(number % 60, (7 * number) % 60, 0.3)
        segments.append(
            replace(scene.segments[0], id=number, track=number, bodies=body[None], colours=None)
        )
    many = Scene(segments)
    found, persons = many.resolve()
    assert len(found) == 1500
    assert all(t.verdicts[0].decision is Decision.MASK for t in found.values())
    assert persons


# Progress


def crowd(shots: int = 12) -> Scene:
    """The same four people in every shot, seen together and recognised by their bodies."""
    scene = Scene()
    for track in range(4 * shots):
        shot, person = divmod(track, 4)
        scene.seen(track, 30 * shot, 30 * shot + 30, shot=shot, body=axis(20 + person))
    return scene


def test_it_tells_how_far_it_is_and_never_goes_back() -> None:
    told: list[float] = []
    crowd().resolve(advance=told.append)
    assert told == sorted(told)
    assert told[0] < 0.1
    assert 0.9 < told[-1] <= 1
    assert max(after - before for before, after in pairwise(told)) < 0.3


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_it_can_be_cancelled_all_along(share: float) -> None:
    told: list[float] = []

    def advance(now: float) -> None:
        told.append(now)
        if now >= share:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        crowd().resolve(advance=advance)
    assert told[-1] < share + 0.3
