from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from tests.conftest import shared
from tests.training.evaluation.made import HEIGHT, WIDTH, picture, write_crowds
from training.errors import DataError, InvalidAnnotation
from training.evaluation.truth import clip_set, coco_set, crowd_set, people_in

# pycocotools 2.0 decodes with it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def write_coco(folder: Path, annotations: list[dict[str, object]], size: tuple[int, int]) -> Path:
    """One grey image `a.png` of `size` (W, H) with `annotations`, in COCO's format."""
    Image.new("RGB", size, (60, 60, 60)).save(folder / "a.png")
    content = {
        "images": [{"id": 5, "file_name": "a.png", "width": size[0], "height": size[1]}],
        "annotations": [
            {"id": key, "image_id": 5, "category_id": 1, "iscrowd": 0, **annotation}
            for key, annotation in enumerate(annotations, start=1)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    path = folder / "people.json"
    path.write_text(json.dumps(content))
    return path


def rectangle(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def test_people_are_told_by_the_ids_of_their_pixels_and_the_visible_share_stated(
    tmp_path: Path,
) -> None:
    behind, middle, front = (16, 16, 64, 160), (32, 16, 80, 160), (320, 160, 400, 320)
    write_crowds(tmp_path, [[(behind, 0.34), (middle, 0.65), (front, 0.66)], []])
    crowds = crowd_set(tmp_path)
    first, second = crowds.scenes()
    assert crowds.count == 2
    assert [person.mask.area for person in first.people] == [16 * 144, 48 * 144, 80 * 160]
    assert [person.occlusion for person in first.people] == ["hidden", "half-hidden", "clear"]
    assert first.people[1].mask.box == middle
    assert not second.people


def test_a_set_can_be_read_again(tmp_path: Path) -> None:
    write_crowds(tmp_path, [[((16, 16, 64, 160), 1.0)]])
    crowds = crowd_set(tmp_path)
    assert [len(list(crowds.scenes())) for _ in range(2)] == [1, 1]


def test_a_picture_and_its_truth_are_brought_to_the_same_grid(tmp_path: Path) -> None:
    rgb, ids = picture([(160, 96, 320, 288)])
    double = (2 * WIDTH, 2 * HEIGHT)
    for name, pixels in (("images", rgb), ("persons", ids)):
        (tmp_path / name).mkdir()
        scaled = cv2.resize(pixels, double, interpolation=cv2.INTER_NEAREST)
        Image.fromarray(scaled).save(tmp_path / name / "a.png")
    line = {"image": "a.png", "people": [{"id": 1, "visible": 1.0, "height": 384}]}
    (tmp_path / "people.jsonl").write_text(json.dumps(line))
    (scene,) = crowd_set(tmp_path).scenes()
    assert scene.size == (WIDTH, HEIGHT)
    assert scene.people[0].mask.box == (160, 96, 320, 288)
    assert np.array_equal(scene.rgb[..., 0] > 150, scene.people[0].mask.on_grid(WIDTH, HEIGHT))


def test_coco_silhouettes_are_scaled_with_their_picture(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [{"segmentation": rectangle(100, 50, 200, 150)}], (1280, 768))
    (scene,) = coco_set(path, tmp_path).scenes()
    assert scene.size == (640, 384)
    assert scene.people[0].mask.box == (50, 25, 100, 75)
    assert scene.people[0].mask.area == 50 * 50


def test_who_has_no_silhouette_is_known_by_a_box(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [{"bbox": [100, 50, 100, 200]}], (1280, 768))
    (scene,) = coco_set(path, tmp_path).scenes()
    assert (scene.people, scene.boxes) == ((), ((50, 25, 100, 125),))


def test_crowds_of_coco_are_no_people(tmp_path: Path) -> None:
    bits = np.zeros((384, 640), dtype=np.uint8, order="F")
    bits[10:30, 10:50] = 1
    flat = bits.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    code = coco_masks.encode(bits)
    code["counts"] = code["counts"].decode()
    path = write_coco(
        tmp_path,
        [
            {"segmentation": {"size": [384, 640], "counts": counts}, "iscrowd": 1},
            {"segmentation": code, "iscrowd": 1},
        ],
        (640, 384),
    )
    (scene,) = coco_set(path, tmp_path).scenes()
    assert not scene.people
    assert [crowd.box for crowd in scene.crowds] == [(10, 10, 50, 30)] * 2


def test_who_is_covered_by_others_boxes_by_three_tenths_is_overlapped(tmp_path: Path) -> None:
    large, behind, alone = (0, 0, 100, 100), (90, 0, 120, 100), (300, 0, 400, 100)
    people: list[dict[str, object]] = [
        {"segmentation": rectangle(*box)} for box in (large, behind, alone)
    ]
    (scene,) = coco_set(write_coco(tmp_path, people, (640, 384)), tmp_path).scenes()
    assert [person.occlusion for person in scene.people] == ["apart", "overlapped", "apart"]


def test_other_categories_and_empty_silhouettes_are_left_out(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path,
        [{"segmentation": rectangle(0, 0, 50, 50), "category_id": 2}, {"segmentation": []}],
        (640, 384),
    )
    (scene,) = coco_set(path, tmp_path).scenes()
    assert not scene.people


def test_a_person_too_small_for_the_grid_is_no_person_on_it() -> None:
    ids = np.zeros((768, 1280), dtype=np.uint8)
    ids[0, 0] = 7
    ids[100:200, 100:200] = 8
    (person,) = people_in(ids, (384, 640))
    assert person.mask.area == 50 * 50


def test_a_clip_is_read_frame_by_frame_with_its_truth() -> None:
    clip = clip_set(shared("clips", "schoolgirls"))
    scenes = clip.scenes()
    first = next(scenes)
    assert (clip.name, clip.count, first.name) == ("schoolgirls", 80, "frame 0")
    assert first.size == (640, 360)
    assert len(first.people) == 4


def test_of_a_clip_with_one_person_marked_the_others_are_a_crowd() -> None:
    scene = next(clip_set(shared("clips", "dance-twirl")).scenes())
    assert len(scene.people) == 1
    assert [crowd.area for crowd in scene.crowds] == [scene.size[0] * scene.size[1]]


def test_a_clip_with_frames_beyond_its_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").symlink_to(shared("clips", "schoolgirls", "video.mp4"))
    (tmp_path / "persons").mkdir()
    Image.new("L", (854, 480)).save(tmp_path / "persons" / "00000.png")
    with pytest.raises(InvalidAnnotation, match="another number of frames"):
        list(clip_set(tmp_path).scenes())


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no marked clip"):
        clip_set(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"nothing/people\.jsonl"):
        crowd_set(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"nothing\.json"):
        coco_set(tmp_path / "nothing.json", tmp_path)


@pytest.mark.parametrize("content", ["[]", "{", '{"images": []}'])
def test_a_json_that_isnt_cocos_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InvalidAnnotation, match=r"a\.json"):
        coco_set(path, tmp_path)


def test_a_broken_line_of_the_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text('{"image": "a.jpg", "people": []}\n{"image": 3}\n')
    with pytest.raises(InvalidAnnotation, match="line 2"):
        crowd_set(tmp_path)


def test_a_silhouette_that_isnt_cocos_is_named(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [{"segmentation": [[1, 2, 3]]}], (640, 384))
    with pytest.raises(InvalidAnnotation, match=r"annotation 1 in .*a\.png"):
        list(coco_set(path, tmp_path).scenes())


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    write_crowds(tmp_path, [[((16, 16, 64, 160), 1.0)]])
    (tmp_path / "images" / "0.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"0\.jpg"):
        list(crowd_set(tmp_path).scenes())


def test_ids_in_colour_are_refused(tmp_path: Path) -> None:
    write_crowds(tmp_path, [[((16, 16, 64, 160), 1.0)]])
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "persons" / "0.png")
    with pytest.raises(InvalidAnnotation, match="no map of ids"):
        list(crowd_set(tmp_path).scenes())
