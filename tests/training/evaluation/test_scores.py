from __future__ import annotations

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from tests.training.evaluation.made import Block, Sees, picture
from training.evaluation.metrics import resamples
from training.evaluation.scores import FLOOR, OPERATING, Scores, Tally, parts_of
from training.evaluation.truth import Scene, people_in

LEFT, RIGHT, SMALL = (16, 16, 112, 208), (320, 16, 416, 208), (560, 16, 576, 48)


def scene(*blocks: Block, crowds: tuple[Mask, ...] = ()) -> Scene:
    rgb, ids = picture(blocks)
    return Scene("made", rgb, people_in(ids, rgb.shape[:2]), crowds)


def scores(segmenter: Sees, *scenes: Scene) -> Scores:
    tally = Tally()
    for each in scenes:
        found = segmenter.segment([each.rgb])[0]
        tally.add(each, found, found)
    return tally.scores()


def figures(segmenter: Sees, *scenes: Scene) -> dict[str, float]:
    found = scores(segmenter, *scenes).figures(resamples(len(scenes), 10), None)
    return {name: figure.value for name, figure in found.items()}


def test_who_sees_everyone_has_every_figure_perfect() -> None:
    measured = figures(Sees(), scene(LEFT, RIGHT), scene(LEFT, SMALL))
    assert measured["ap50"] == measured["ap"] == 1
    assert measured["recall"] == measured["recall_small"] == measured["recall_large"] == 1
    assert measured["boundary_iou"] == 1
    assert measured["false_positives"] == measured["missed"] == measured["exposed"] == 0


def test_who_sees_nobody_misses_everything() -> None:
    measured = figures(Sees(colours=0), scene(LEFT, RIGHT), scene(LEFT))
    assert measured["ap50"] == measured["ap"] == measured["recall"] == 0
    assert measured["missed"] == measured["missed_floor_grown"] == 1
    assert measured["exposed"] == 1
    assert np.isnan(measured["boundary_iou"])  # of nobody


def test_half_of_everyone_is_found_at_the_lowest_iou_only() -> None:
    measured = figures(Sees(share=0.5), scene(LEFT, RIGHT))
    assert measured["ap50"] == 1
    assert measured["ap"] == pytest.approx(0.1)  # at one IoU of ten
    assert measured["missed"] == 0.5
    assert 0.4 < measured["missed_grown"] < 0.5
    assert measured["exposed_floor_grown"] == 1


def test_one_of_two_people_is_half_the_recall_and_half_the_precision_curve() -> None:
    measured = figures(Sees(colours=1), scene(LEFT, RIGHT))
    assert measured["recall"] == 0.5
    assert measured["missed"] == 0.5
    assert measured["ap50"] == pytest.approx(51 / 101)


def test_recall_is_told_apart_by_size() -> None:
    measured = figures(Sees(colours=1), scene(LEFT, SMALL))
    assert (measured["recall_large"], measured["recall_small"]) == (1, 0)


def test_a_person_who_is_nobody_is_a_false_positive_in_one_image_of_two() -> None:
    rgb, _ = picture([LEFT])
    measured = figures(Sees(), Scene("empty", rgb, ()), scene(LEFT))
    assert measured["false_positives"] == 0.5
    assert measured["recall"] == 1
    assert measured["ap50"] == 0.5  # of two as certain, one is right


def test_doubtful_detections_count_only_where_the_floor_is_asked_for() -> None:
    doubtful = Sees(score=(FLOOR + OPERATING) / 2)
    measured = figures(doubtful, scene(LEFT))
    assert (measured["recall"], measured["missed"]) == (0, 1)
    assert (measured["missed_floor"], measured["exposed_floor"]) == (0, 0)
    assert measured["ap50"] == 1


def test_someone_small_who_is_missed_exposes_the_image_though_few_pixels_are() -> None:
    parts = parts_of(scene(LEFT, SMALL), Sees(colours=1).segment([scene(LEFT, SMALL).rgb])[0])
    missed, people = parts["missed"]
    assert missed / people < 0.05
    assert parts["exposed"] == (1, 1)


def test_detections_in_a_crowd_cost_no_precision() -> None:
    rgb, _ = picture([LEFT, RIGHT])
    half_crowd = Scene("crowd", rgb, scene(LEFT).people, (scene(RIGHT).people[0].mask,))
    measured = figures(Sees(), half_crowd)
    assert (measured["ap50"], measured["false_positives"]) == (1, 0)


def test_a_change_is_measured_over_the_same_images() -> None:
    scenes = [scene(LEFT, RIGHT), scene(LEFT), scene(LEFT, RIGHT), scene(RIGHT, LEFT)]
    weights = resamples(len(scenes), 200)
    start, candidate = scores(Sees(colours=1), *scenes), scores(Sees(), *scenes)
    figure = candidate.figures(weights, start)["recall"]
    before = start.figures(weights, None)["recall"]
    assert (figure.value, before.value) == (1, 4 / 7)
    assert before.low < 4 / 7 < before.high
    assert figure.change is not None
    assert figure.change.value == pytest.approx(3 / 7)
    # Whatever images a sample holds, this candidate finds everybody in them.
    assert figure.change.low == pytest.approx(1 - before.high)


def test_the_same_network_has_no_change_in_any_sample() -> None:
    scenes = [scene(LEFT, RIGHT), scene(SMALL)]
    one = scores(Sees(share=0.7), *scenes)
    for figure in one.figures(resamples(2, 50), one).values():
        assert figure.change is not None
        if np.isfinite(figure.value):
            assert (figure.change.value, figure.change.low, figure.change.high) == (0, 0, 0)


def test_mistakes_are_people_missed_and_what_is_nobody() -> None:
    rgb, _ = picture([LEFT, RIGHT])
    both_false = Scene("empty", rgb, ())
    seen = scores(Sees(colours=2), both_false, scene(LEFT, RIGHT, SMALL), scene(LEFT))
    assert seen.mistakes().tolist() == [2, 1, 0]


def test_average_precision_is_that_of_cocos_own_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluations: list[COCOeval] = []
    evaluate = COCOeval.evaluate

    def noted(self: COCOeval) -> None:
        evaluations.append(self)
        evaluate(self)

    monkeypatch.setattr(COCOeval, "evaluate", noted)
    generator = np.random.default_rng(0)
    tally = Tally()
    for _ in range(12):
        each = scene(*((x, 16, x + 80, 176) for x in (16, 208, 400)), crowds=(CROWD,))
        found = [_near(generator, person.mask) for person in each.people for _ in range(2)]
        tally.add(each, found, found)
    measured = tally.scores().figures(resamples(12, 2), None)
    (evaluation,) = evaluations
    evaluation.accumulate()
    coco = evaluation.eval["precision"][:, :, 0, 0, 0]
    assert 0.1 < measured["ap"].value < 0.9
    assert measured["ap"].value == pytest.approx(coco.mean())
    assert measured["ap50"].value == pytest.approx(coco[0].mean())


CROWD = Mask(0, 200, np.ones((150, 640), dtype=bool))


def _near(generator: np.random.Generator, mask: Mask) -> Instance:
    """A sight of `mask` that is off by a random distance, sometimes in the crowd below it."""
    dx, dy = generator.normal(0, 12), generator.choice([0, 15, 250])
    moved = mask.moved(dx, dy).clipped(640, 384)
    x0, y0, x1, y1 = map(float, moved.box)
    return Instance((x0, y0, x1, y1), float(generator.choice([0.02, 0.3, 0.5, 0.9])), moved)


def test_the_oracle_takes_the_best_silhouette_of_each_person() -> None:
    seen = figures(Sees(share=0.5), scene(LEFT, RIGHT))
    assert seen["oracle_iou"] == pytest.approx(0.5)
    assert seen["oracle_covered"] == pytest.approx(0.5)
    assert seen["drawn_as_one"] == 0
    assert figures(Sees(colours=1), scene(LEFT, RIGHT))["oracle_iou"] == pytest.approx(0.5)


def test_two_people_under_one_silhouette_are_drawn_as_one() -> None:
    both = scene((16, 16, 112, 208), (112, 16, 208, 208))
    silhouette = Mask(16, 16, np.ones((192, 192), dtype=bool))
    parts = parts_of(both, [Instance((16, 16, 208, 208), 0.9, silhouette)])
    assert parts["drawn_as_one"] == pytest.approx((1, 2))
    assert parts["oracle_covered"] == pytest.approx((2, 2))
    assert parts["oracle_iou"] == pytest.approx((1, 2))


def test_who_is_known_by_a_box_is_found_by_a_box() -> None:
    rgb, _ = picture([LEFT, RIGHT])
    boxes = ((10.0, 16.0, 112.0, 208.0), (400.0, 16.0, 496.0, 208.0), (0.0, 300.0, 50.0, 380.0))
    measured = figures(Sees(), Scene("boxes", rgb, (), boxes=boxes))
    assert measured["recall_boxes"] == pytest.approx(1 / 3)
    assert measured["false_positives"] == 1
