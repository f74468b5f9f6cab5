from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.instances import Instance
from bystander.masks import Mask
from bystander.people.tracking import Doubt, IsPart, Step, Tracker, TrackerSettings

from .figures import colours, figure

Appearances = Sequence[NDArray[np.float32]]


def follow(
    frames: Sequence[Sequence[tuple[Instance, int]]], settings: TrackerSettings | None = None
) -> tuple[list[list[int | None]], list[Doubt]]:
    """Tracklet ids of each frame's instances, in their order, and all doubts."""
    tracker = Tracker(settings or TrackerSettings(), fps=10)
    ids: list[list[int | None]] = []
    doubts: list[Doubt] = []
    for number, people in enumerate(frames):
        step = tracker.step(number, [i for i, _ in people], [colours(k) for _, k in people])
        linked = {link.detection: link.tracklet for link in step.links}
        ids.append([linked.get(position) for position in range(len(people))])
        doubts += step.doubts
    return ids, doubts


def mixed(share: float, kind: int = 0, other: int = 1) -> NDArray[np.float32]:
    """Colours of `kind` with this share of `other`'s."""
    return (1 - share) * colours(kind) + share * colours(other)


def track(
    frames: Sequence[Sequence[tuple[Instance, NDArray[np.float32]]]], is_part: IsPart | None = None
) -> list[Step]:
    """What each frame of people and their colours brought."""
    tracker = Tracker(TrackerSettings(), fps=10)
    return [
        tracker.step(number, [i for i, _ in people], [look for _, look in people], is_part)
        for number, people in enumerate(frames)
    ]


def doubted(steps: Sequence[Step]) -> set[tuple[int, int | None]]:
    """Who may be showing whom."""
    return {(doubt.tracklet, doubt.other) for step in steps for doubt in step.doubts}


def test_someone_walking_stays_one_tracklet() -> None:
    ids, _ = follow([[(figure(5 * i), 0)] for i in range(20)])
    assert ids == [[1]] * 20


def test_two_people_keep_their_tracklets_whatever_order_they_come_in() -> None:
    frames = [[(figure(10), 0), (figure(200), 1)], [(figure(202), 1), (figure(12), 0)]]
    ids, _ = follow(frames)
    assert ids[1] == ids[0][::-1]


def test_a_weak_detection_is_taken_where_someone_is_expected_only() -> None:
    frames = [[(figure(10), 0)], [(figure(11, score=0.12), 0), (figure(200, score=0.12), 1)]]
    ids, _ = follow(frames)
    assert ids == [[1], [1, None]]


def test_someone_back_after_a_short_absence_is_the_same_tracklet() -> None:
    frames = [[(figure(4 * i), 0)] for i in range(5)] + [[]] * 4
    frames += [[(figure(4 * i), 0)] for i in range(9, 12)]
    ids, _ = follow(frames)
    assert ids[-1] == [1]


def test_someone_in_other_clothes_does_not_inherit_a_lost_tracklet() -> None:
    ids, _ = follow([[(figure(50), 0)]] * 5 + [[]] * 5 + [[(figure(50), 1)]])
    assert ids[-1] == [2]


def test_a_cut_ends_every_tracklet() -> None:
    tracker = Tracker(TrackerSettings(), fps=10)
    tracker.step(0, [figure(50)], [colours(0)])
    assert tracker.cut() == (1,)
    step = tracker.step(1, [figure(50)], [colours(0)])
    assert step.links[0].tracklet == 2


def test_people_in_different_clothes_can_cross_without_doubt() -> None:
    frames = [[(figure(100 + 6 * i, y=60), 0), (figure(190 - 6 * i, y=62), 1)] for i in range(16)]
    ids, doubts = follow(frames)
    assert ids == [[1, 2]] * 16
    assert doubts == []


def test_a_double_hidden_behind_another_raises_doubt() -> None:
    """Two people in the same clothes meet, one is seen, then two again: who is who?"""
    apart = [[(figure(100 + 6 * i), 0), (figure(190 - 6 * i), 0)] for i in range(7)]
    merged = [[(figure(145), 0)]] * 4
    _, doubts = follow(apart + merged + [[(figure(135), 0), (figure(156), 0)]] * 2)
    assert {doubt.tracklet for doubt in doubts} & {1, 2}


def test_two_at_one_place_in_the_same_clothes_may_be_swapped() -> None:
    steps = track([[(figure(100), colours(0)), (figure(101), colours(0))]] * 4)
    assert doubted(steps) == {(1, 2), (2, 1)}


@pytest.mark.parametrize(("difference", "expected"), [(0.05, {(1, 2), (2, 1)}), (0.25, set())])
def test_where_places_do_not_tell_who_is_hidden_colours_may(
    difference: float, expected: set[tuple[int, int]]
) -> None:
    """One of two at one place is seen further on; in almost the same clothes it may be both."""
    both = [(figure(100), colours(0)), (figure(101), mixed(difference))]
    assert doubted(track([both] * 2 + [[(figure(82), colours(0))]])[-1:]) == expected


MET = [(figure(100), colours(0)), (figure(114), mixed(0.1))]


def test_partners_whose_colours_speak_for_each_other_may_have_been_swapped() -> None:
    """Their places tell who is who, and their colours say the opposite."""
    swapped = [(figure(100), mixed(0.1)), (figure(114), colours(0))]
    assert doubted(track([MET] * 3)) == set()
    steps = track([MET] * 3 + [swapped])
    assert doubted(steps) == {(1, 2), (2, 1)}
    assert {doubt.frame for doubt in steps[-1].doubts} == {3}


def test_who_is_seen_in_the_colours_of_a_hidden_partner_may_be_them() -> None:
    unseen = [[(figure(100), colours(0))]] * 2
    assert doubted(track([MET, MET, *unseen])) == set()
    doubts = track([MET, MET, *unseen, [(figure(100), mixed(0.1))]])[-1].doubts
    assert Doubt(1, 2, 4) in doubts
    # Nor does anybody know who comes out again: of the hidden one counts what was seen before.
    assert Doubt(2, 1, 2) in doubts


def test_who_is_hidden_stays_a_partner_until_both_are_seen_apart() -> None:
    away = [[(figure(100 - 10 * n), colours(0))] for n in range(1, 8)]  # beyond the other's place
    in_others_colours = [(figure(20), mixed(0.1))]
    assert doubted(track([MET, MET, *away, in_others_colours])[-1:]) == {(1, 2), (2, 1)}

    seen_apart = [(figure(30), colours(0)), (figure(114), mixed(0.1))]
    steps = track([MET, MET, *away[:-1], seen_apart, in_others_colours])
    assert doubted(steps[-1:]) == set()


def test_looks_are_remembered_from_when_somebody_was_apart_from_others() -> None:
    walking = [(20 + 10 * n, 200 - 10 * n) for n in range(9)]  # 20 pixels apart in the end
    apart = [[(figure(a), colours(0)), (figure(b), colours(1))] for a, b in walking[:-1]]
    mingled = [[(figure(94), mixed(0.4)), (figure(106), mixed(0.6))]] * 5
    last = track([*apart, *mingled])[-1]
    looks = {contact.tracklet: contact for contact in last.contacts}
    np.testing.assert_allclose(looks[1].own, colours(0), atol=1e-6)
    np.testing.assert_allclose(looks[1].others, colours(1), atol=1e-6)
    np.testing.assert_allclose(looks[2].own, colours(1), atol=1e-6)


def test_somebody_never_seen_apart_looks_like_what_is_seen_of_them() -> None:
    steps = track([[(figure(100), mixed(0.2)), (figure(110), mixed(0.7))]] * 3)
    (contact,) = (c for c in steps[-1].contacts if c.tracklet == 1)
    np.testing.assert_allclose(contact.own, mixed(0.2), atol=1e-6)

    later = [(figure(100), mixed(0.3)), (figure(110), mixed(0.7))]
    steps = track([[(figure(100), mixed(0.2)), (figure(110), mixed(0.7))], *[later] * 9])
    (contact,) = (c for c in steps[-1].contacts if c.tracklet == 1)
    assert 0.23 < contact.own[3:6].sum() < 0.3, "between what was seen at first and last"


def test_each_step_tells_who_keeps_clear_of_all_others() -> None:
    people = [(figure(x), colours(0)) for x in (10, 100, 115, 145)]
    assert track([people])[-1].apart == (True, False, False, True)


def test_contact_is_told_of_both_where_the_other_may_be() -> None:
    steps = track([[(figure(100), colours(0)), (figure(115), colours(1))]] * 3)
    first, second = steps[-1].contacts
    assert (first.tracklet, first.other) == (1, 2)
    assert (second.tracklet, second.other) == (2, 1)
    assert first.place == (100, 60, 160, 140), "half a width beside the other, as high as they are"


def test_people_apart_are_in_no_contact() -> None:
    assert track([[(figure(10), colours(0)), (figure(45), colours(1))]] * 4)[-1].contacts == ()


def test_who_walks_away_from_whom_is_hidden_is_in_no_contact() -> None:
    away = [[(figure(100 - 10 * n), colours(0))] for n in range(1, 8)]
    steps = track([MET, MET, MET, *away])
    assert steps[3].contacts != ()
    assert steps[-1].contacts == ()


def test_nobody_is_in_contact_with_who_was_seen_once_or_twice() -> None:
    alone = [(figure(100), colours(0))]
    steps = track([alone, *[[*alone, (figure(115), colours(1))]] * 2])
    assert [(c.tracklet, c.other) for c in steps[-1].contacts] == [(2, 1)]


def test_who_is_hidden_is_in_contact_with_whom_is_seen_there() -> None:
    """... as large as they were when they were last seen apart."""
    apart = [(figure(100), colours(0)), (figure(133), colours(1))]
    near = [(figure(104), colours(0)), (figure(133, width=12), colours(1))]
    half = [(figure(121), colours(0)), (figure(135, height=40, width=20), colours(1))]
    steps = track([apart, apart, near, half, half, [(figure(121), colours(0))]])
    (contact,) = steps[-1].contacts
    assert (contact.tracklet, contact.other) == (1, 2)
    assert contact.place[3] == 140, "down to the feet that nobody has seen since"


def always(mask: Mask, tracklet: int, looks: NDArray[np.float32]) -> bool:
    return True


def parts(step: Step) -> list[tuple[int, int]]:
    """Detections that are a part of a tracklet."""
    return [(link.detection, link.tracklet) for link in step.links if link.part]


ANN = [[(figure(100), colours(0))]] * 3
BAG = (figure(126, 100, 20, 30, score=0.5), colours(0))


def test_a_weak_detection_that_is_a_part_of_somebody_becomes_no_tracklet() -> None:
    asked = []

    def is_part(mask: Mask, tracklet: int, looks: NDArray[np.float32]) -> bool:
        asked.append((mask, tracklet, looks))
        return True

    step = track([*ANN, [*ANN[0], BAG]], is_part)[-1]
    assert parts(step) == [(1, 1)]
    assert {link.tracklet for link in step.links} == {1}
    ((mask, tracklet, looks),) = asked
    assert (mask, tracklet) == (BAG[0].mask, 1)
    np.testing.assert_allclose(looks, colours(0), atol=1e-6)


@pytest.mark.parametrize(
    ("extra", "is_part"),
    [
        (BAG, None),
        (BAG, lambda *_: False),
        ((figure(126, 100, 20, 30, score=0.66), colours(0)), always),  # surely a person
        ((figure(200, 100, 20, 30, score=0.5), colours(0)), always),  # away from everybody
    ],
    ids=["nobody to ask", "not a part", "a person", "away"],
)
def test_what_is_no_part_of_anybody_is_somebody_new(
    extra: tuple[Instance, NDArray[np.float32]], is_part: IsPart | None
) -> None:
    step = track([*ANN, [*ANN[0], extra]], is_part)[-1]
    assert parts(step) == []
    assert {link.tracklet for link in step.links} == {1, 2}


def test_a_faint_part_counts_too_though_it_would_be_nobody_new() -> None:
    faint = figure(126, 100, 20, 30, score=0.12), colours(0)
    assert parts(track([*ANN, [*ANN[0], faint]], always)[-1]) == [(1, 1)]
    assert len(track([*ANN, [*ANN[0], faint]], lambda *_: False)[-1].links) == 1


def hiding(frames: int) -> list[list[tuple[Instance, NDArray[np.float32]]]]:
    """Ann, with Ben beside her in the first `frames` frames, and hidden behind her then."""
    both = [(figure(100), colours(0)), (figure(112), colours(1))]
    # What comes out is not where he was: it matches nobody's place.
    comes_out = figure(124, 60, 8, 15, score=0.5), mixed(0.5)
    return [both] * frames + [ANN[0]] + [[*ANN[0], comes_out]]


def test_what_shows_beside_whom_somebody_hides_behind_may_be_them_coming_out() -> None:
    step = track(hiding(frames=3), always)[-1]
    assert parts(step) == []
    assert len(step.links) == 2


def test_a_partner_seen_once_or_twice_was_a_mistake_and_hides_nowhere() -> None:
    assert parts(track(hiding(frames=2), always)[-1]) == [(1, 1)]
