from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.masks import intersection
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings, analysis_size
from bystander.models.sessions import SessionSettings, open_session
from tests.conftest import shared
from tests.models.networks import BySize, Drawn, yolo

BLANK = np.zeros((64, 64, 3), dtype=np.uint8)
PERSON = Drawn(box=(16, 8, 48, 56), score=0.9, filled=(5, 3, 11, 13))


def segmenter(path: Path, settings: SegmenterSettings | None = None) -> PersonSegmenter:
    return PersonSegmenter(open_session(path, SessionSettings(threads=1)), settings)


@pytest.fixture(scope="module")
def coco() -> PersonSegmenter:
    return segmenter(shared("models", "yolo11n-seg.onnx"))


@pytest.fixture(scope="module")
def street() -> NDArray[np.uint8]:
    """uint8 [H, W, 3] RGB at analysis size, four people before a bus."""
    photo = cv2.imread(str(shared("images", "bus.jpg")))
    assert photo is not None
    size = analysis_size(photo.shape[1], photo.shape[0])
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.uint8)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((1920, 1080), (640, 360)),
        ((854, 480), (640, 360)),
        ((480, 854), (360, 640)),
        ((768, 576), (640, 480)),
        ((320, 240), (640, 480)),
        ((4000, 3), (640, 2)),
    ],
)
def test_analysis_size_keeps_the_aspect(source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert analysis_size(*source) == expected


@pytest.mark.parametrize("classes", [1, 80])
def test_a_person_is_where_the_network_puts_it(tmp_path: Path, classes: int) -> None:
    [[found]] = segmenter(yolo(tmp_path / "y.onnx", [PERSON], classes)).segment([BLANK])
    assert found.score == pytest.approx(0.9)
    # Prototype pixels are 4 wide; half a pixel of it lies between full and empty.
    assert found.mask.box == pytest.approx((20, 12, 44, 52), abs=1)
    assert found.box == pytest.approx((16, 8, 48, 56), abs=1)


def test_the_frame_is_shrunk_into_a_network_of_fixed_size(tmp_path: Path) -> None:
    wide = np.zeros((64, 128, 3), dtype=np.uint8)  # half its size, with bars of 16 above and below
    [[found]] = segmenter(yolo(tmp_path / "y.onnx", [PERSON])).segment([wide])
    assert found.mask.box == pytest.approx((40, 0, 88, 64), abs=1)


def test_other_classes_are_nobody(tmp_path: Path) -> None:
    dog = Drawn(box=(0, 0, 12, 12), score=0.99, filled=(0, 0, 3, 3), label=16)
    [found] = segmenter(yolo(tmp_path / "y.onnx", [PERSON, dog], 80)).segment([BLANK])
    assert [instance.score for instance in found] == [pytest.approx(0.9)]


def test_somebody_without_a_silhouette_is_masked_as_a_box(tmp_path: Path) -> None:
    hollow = Drawn(box=(16, 8, 48, 56), score=0.9, filled=(5, 3, 11, 13), logit=-3)
    [[found]] = segmenter(yolo(tmp_path / "y.onnx", [hollow])).segment([BLANK])
    assert found.mask.area >= 32 * 48


def test_the_last_batch_of_a_fixed_size_may_be_short(tmp_path: Path) -> None:
    found = segmenter(yolo(tmp_path / "y.onnx", [PERSON], batch=2)).segment([BLANK] * 3)
    assert [len(instances) for instances in found] == [1, 1, 1]


def overlapping(tmp_path: Path, second: Drawn) -> tuple[int, int, int]:
    """Areas of PERSON and `second`, which is the less certain, and of what both claim."""
    network = yolo(tmp_path / "y.onnx", [PERSON, second])
    [[first, other]] = segmenter(network, SegmenterSettings(nms_iou=0.9)).segment([BLANK])
    return first.mask.area, other.mask.area, intersection(first.mask, other.mask)


def test_a_claimed_pixel_goes_to_the_clearly_higher_logit(tmp_path: Path) -> None:
    beside = Drawn(box=(28, 8, 60, 56), score=0.8, filled=(8, 3, 14, 13), logit=9)
    first, other, both = overlapping(tmp_path, beside)
    assert first < other
    assert both < 0.1 * other


def test_a_pixel_of_equal_logits_stays_with_both(tmp_path: Path) -> None:
    beside = Drawn(box=(28, 8, 60, 56), score=0.8, filled=(8, 3, 14, 13), logit=5.5)
    first, other, both = overlapping(tmp_path, beside)
    # They share half their area, less a seam where one is at its edge and the other isn't.
    assert both > 0.35 * max(first, other)


def test_a_doubtful_instance_takes_no_pixel_from_a_certain_one(tmp_path: Path) -> None:
    ghost = Drawn(box=(28, 8, 60, 56), score=0.2, filled=(8, 3, 14, 13), logit=9)
    alone = segmenter(yolo(tmp_path / "alone.onnx", [PERSON])).segment([BLANK])[0][0].mask.area
    assert overlapping(tmp_path, ghost)[0] == alone


@pytest.mark.parametrize(
    ("second", "people"),
    [
        pytest.param(
            Drawn(box=(16, 8, 48, 34), score=0.3, filled=(5, 3, 11, 8)), 1, id="upper-body"
        ),
        pytest.param(
            Drawn(box=(20, 30, 36, 56), score=0.7, filled=(6, 8, 9, 13)), 2, id="child-in-front"
        ),
    ],
)
def test_one_person_seen_twice_is_one(tmp_path: Path, second: Drawn, people: int) -> None:
    [found] = segmenter(yolo(tmp_path / "y.onnx", [PERSON, second])).segment([BLANK])
    assert len(found) == people


def test_the_larger_sight_of_a_person_is_kept_with_the_better_score(tmp_path: Path) -> None:
    whole = Drawn(box=(8, 0, 56, 64), score=0.4, filled=(5, 2, 11, 15))
    [[found]] = segmenter(yolo(tmp_path / "y.onnx", [PERSON, whole])).segment([BLANK])
    assert found.score == pytest.approx(0.9)
    assert found.mask.box == pytest.approx((20, 8, 44, 60), abs=1)


@pytest.mark.parametrize(
    ("share", "score", "shown", "columns"),
    [
        # The smaller look is surer of the right half than the first: it is nobody's.
        pytest.param(0.9, 0.8, [(128, 128), (64, 64)], (0, 64), id="large, and somebody else"),
        pytest.param(0.9, 0.2, [(128, 128)], (0, 128), id="large, and hardly anybody else"),
        pytest.param(0.25, 0.8, [(128, 128)], (0, 128), id="small"),
    ],
)
def test_who_fills_the_frame_beside_another_is_looked_at_again_at_half_the_size(
    share: float, score: float, shown: list[tuple[int, int]], columns: tuple[int, int]
) -> None:
    session = BySize(share, score, {128: 1.0, 64: 0.5})
    network = PersonSegmenter(session)
    session.shown.clear()
    [[found, *_]] = network.segment([np.zeros((128, 128, 3), dtype=np.uint8)])
    assert session.shown == shown
    assert (found.mask.box[0], found.mask.box[2]) == pytest.approx(columns, abs=3)


def test_a_network_of_one_size_looks_once(tmp_path: Path) -> None:
    large = Drawn(box=(0, 0, 64, 64), score=0.9, filled=(0, 0, 16, 16))
    other = Drawn(box=(0, 0, 32, 16), score=0.8, filled=(0, 0, 8, 4))
    [found] = segmenter(yolo(tmp_path / "y.onnx", [large, other])).segment([BLANK])
    assert found[0].mask.area == 64 * 64


def test_four_people_before_a_bus(coco: PersonSegmenter, street: NDArray[np.uint8]) -> None:
    [found] = coco.segment([street])
    assert sum(instance.score > 0.35 for instance in found) == 4
    for instance in found:
        x0, y0, x1, y1 = instance.mask.box
        assert instance.box[0] <= x0
        assert instance.box[1] <= y0
        assert instance.box[2] >= x1
        assert instance.box[3] >= y1


def test_a_batch_finds_what_single_frames_find(
    coco: PersonSegmenter, street: NDArray[np.uint8]
) -> None:
    frames = [street, np.ascontiguousarray(street[:, ::-1]), street // 2]
    singly = [coco.segment([frame])[0] for frame in frames]
    for alone, batched in zip(singly, coco.segment(frames), strict=True):
        assert [i.score for i in batched] == pytest.approx([i.score for i in alone], abs=1e-3)
        for a, b in zip(alone, batched, strict=True):
            assert intersection(a.mask, b.mask) >= 0.99 * max(a.mask.area, b.mask.area)


def test_no_frames_no_people(coco: PersonSegmenter) -> None:
    assert coco.segment([]) == []


def test_silhouettes_fall_on_the_people(coco: PersonSegmenter) -> None:
    """Each of four girls is covered, and hardly anything beside them is."""
    video = str(shared("clips", "schoolgirls", "video.mp4"))
    truth = cv2.imread(str(shared("clips", "schoolgirls", "persons", "00000.png")), -1)
    assert truth is not None
    frame = first_frame(video)
    width, height = analysis_size(frame.shape[1], frame.shape[0])
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    [found] = coco.segment([small])
    people = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)
    covered = np.zeros((height, width), dtype=bool)
    for instance in found:
        instance.mask.paste(covered)
    for person in range(1, 5):
        assert covered[people == person].mean() > 0.85
    # Silhouettes are generous; one that is off by two pixels would spill more than this.
    assert (covered & (people == 0)).sum() < 0.2 * (people > 0).sum()


def first_frame(video: str) -> NDArray[np.uint8]:
    import av

    with av.open(video) as container:
        frame = next(container.decode(video=0))
        return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
