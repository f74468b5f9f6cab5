"""Made scenes: what the camera sees, and whether the truth about it is true.

The people here are flat: a face of one colour over clothes of another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.material import frames
from benchmarks.quality.people import Look, Person, Photo, Rgb, cut_out, portrait, read_photos
from benchmarks.quality.pictures import GREEN, GREY, RED, outlined, painted, save_sheet, save_worst
from benchmarks.quality.places import build_place, empty_strips
from benchmarks.quality.reel import Studio, scene_run, write_scene
from benchmarks.quality.scenes import FRAMES, PLACE_SIZE, SCENES, SIZE, Crew, Scene, name_of
from benchmarks.quality.stage import Camera, Pose, Role, SeenFace, Shot, Take, film
from benchmarks.quality.truth import Truth
from bystander.errors import UnreadablePhoto
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask

Colour = tuple[int, int, int]

SKIN, HAIR = (230, 190, 160), (60, 30, 20)
CLOTHES: Sequence[Colour] = (
    (200, 40, 40),
    (40, 160, 40),
    (40, 40, 200),
    (200, 200, 40),
    (40, 180, 180),
    (120, 60, 160),
)
STREET = (90, 100, 110)
SMALL = (120, 80)
STILL = Camera(pan=0, noise=0)


def look(clothes: Colour) -> Look:
    """20 x 50 pixels: hair, a face in it, clothes; all of it opaque."""
    layers = np.ones((50, 20, 4), dtype=np.float32)
    layers[..., :3] = clothes
    layers[:16, :, :3] = HAIR
    layers[4:14, 5:15, :3] = SKIN
    return Look(layers, (5, 4, 15, 14))


def person(clothes: Colour) -> Person:
    return Person(look(clothes), np.full((30, 30, 3), clothes, dtype=np.uint8))


def place(size: tuple[int, int] = SMALL, colour: Colour = STREET) -> Rgb:
    return np.full((size[1], size[0], 3), colour, dtype=np.uint8)


def role(number: int, x: float, foot: float = 70, *, turned: bool = False, size: float = 1) -> Role:
    """Somebody who stands there all the time."""
    front = look(CLOTHES[number - 1])
    return Role(number, front, front.turned(), lambda _: Pose(x, foot, size, turned=turned))


def take(*roles: Role, camera: Camera = STILL, seed: int = 0) -> Take:
    return next(film(Shot(place(), roles, 1, SMALL, camera), np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def crew() -> Crew:
    street, yard = place(PLACE_SIZE), place(PLACE_SIZE, (30, 60, 30))
    return Crew([person(clothes) for clothes in CLOTHES], [street, yard])


def test_the_truth_tells_whose_every_pixel_is() -> None:
    shown = take(role(1, 30), role(2, 90))
    for number, x in ((1, 30), (2, 90)):
        inside = np.zeros(SMALL[::-1], dtype=bool)
        inside[20:70, x - 10 : x + 10] = True
        np.testing.assert_array_equal(shown.ids == number, inside)
        assert (shown.rgb[40, x] == CLOTHES[number - 1]).all()
    assert (shown.rgb[shown.ids == 0] == STREET).all()


def test_who_stands_in_front_hides_who_is_behind() -> None:
    shown = take(role(1, 50), role(2, 60))
    assert np.count_nonzero(shown.ids == 2) == 50 * 20
    assert np.count_nonzero(shown.ids == 1) == 50 * 10
    assert (shown.rgb[40, 55] == CLOTHES[1]).all()


def test_a_thing_in_front_is_nobody() -> None:
    shown = take(role(1, 50), replace(role(2, 60), person=0))
    assert set(np.unique(shown.ids)) == {0, 1}
    assert np.count_nonzero(shown.ids == 1) == 50 * 10


def test_the_camera_sees_faces_that_look_at_it_and_are_not_hidden() -> None:
    def seen(*roles: Role) -> list[int]:
        return [face.person for face in take(*roles).faces]

    (face,) = take(role(1, 50)).faces
    assert face == SeenFace(1, (45, 24, 55, 34))
    assert seen(role(1, 30, turned=True), role(2, 90)) == [2]
    assert seen(role(1, 50), role(2, 58)) == [2], "more than half of it is hidden"
    assert seen(role(1, 50), role(2, 64)) == [1, 2], "less than half of it is"
    assert seen(role(1, -1)) == [], "most of it is beyond the edge"


def test_from_behind_there_is_hair_where_the_face_was() -> None:
    front, back = look(CLOTHES[0]), look(CLOTHES[0]).turned()
    face = slice(5, 13), slice(6, 14), slice(3)
    assert np.abs(front.layers[face] - SKIN).max() == 0
    np.testing.assert_allclose(back.layers[face].mean(axis=(0, 1)), HAIR, atol=12)
    np.testing.assert_array_equal(back.layers[25:], front.layers[25:])
    np.testing.assert_array_equal(back.layers[..., 3], front.layers[..., 3])


def test_who_turns_away_is_filmed_from_behind() -> None:
    face = take(role(1, 50)).rgb[26:32, 47:53]
    hair = take(role(1, 50, turned=True)).rgb[26:32, 47:53]
    assert face.mean() > 180
    assert hair.mean() < 60


def test_a_pose_moves_scales_and_stands_on_its_foot() -> None:
    shown = take(role(1, 60, foot=75, size=0.5))
    rows, columns = (shown.ids == 1).any(axis=1).nonzero()[0], (shown.ids == 1).any(axis=0)
    assert (rows[0], rows[-1]) == pytest.approx((50, 74), abs=1)
    assert np.flatnonzero(columns).mean() == pytest.approx(59.5, abs=1)


def test_who_runs_is_blurred_and_the_truth_follows_the_longest_exposure() -> None:
    front = look(CLOTHES[0])
    running = Role(1, front, front, lambda time: Pose(30 + 40 * time, 70))
    shown = take(running, camera=Camera(pan=0, noise=0, samples=9))
    exposed = ~(shown.rgb == STREET).all(axis=2)
    own = shown.ids == 1
    assert exposed[40].sum() > 20 + 15, "wider than they are"
    middle = 30 + 40 * 0.6 / 2  # the shutter is open for 0.6 of a frame
    assert np.flatnonzero(own[40]).mean() == pytest.approx(middle, abs=3)
    assert 0 < own[40].sum() <= 20, "no wider than they are"
    assert exposed[own].all()


def test_noise_and_exposure_change_the_picture_and_not_the_truth() -> None:
    still, dark = take(role(1, 50)), take(role(1, 50), camera=Camera(pan=0, gain=0.3, noise=7))
    np.testing.assert_array_equal(dark.ids, still.ids)
    assert dark.rgb.mean() == pytest.approx(0.3 * still.rgb.mean(), rel=0.05)
    assert dark.rgb[:15].std() == pytest.approx(7, rel=0.4)


def test_a_shaking_camera_moves_people_and_truth_alike() -> None:
    street = place()
    street[:, 20:26] = 250  # a lamp post
    shot = Shot(street, [role(1, 60)], 6, SMALL, Camera(pan=0, noise=0, shake=4))
    lefts = []
    for shown in film(shot, np.random.default_rng(1)):
        post, own = (shown.rgb == 250).all(axis=2), shown.ids == 1
        lefts.append((np.flatnonzero(own.any(axis=0))[0], np.flatnonzero(post.any(axis=0))[0]))
    left, post_left = np.array(lefts).T
    assert np.ptp(left) >= 4
    assert np.ptp(left - post_left) <= 2


def test_who_is_not_there_yet_is_in_neither_picture_nor_truth() -> None:
    front = look(CLOTHES[0])
    late = Role(1, front, front, lambda time: Pose(60, 70) if time >= 1 else None)
    before, after = film(Shot(place(), [late], 2, SMALL, STILL), np.random.default_rng(0))
    assert not before.ids.any()
    assert (before.rgb == STREET).all()
    assert before.faces == ()
    assert after.ids.any()


def test_a_twin_is_mirrored_with_their_face() -> None:
    aside = replace(look(CLOTHES[0]), face=(2, 4, 10, 14))
    assert aside.mirrored().face == (10, 4, 18, 14)
    assert aside.scaled(100).face == (4, 8, 20, 28)
    tinted = aside.tinted((1.5, 1, 0.5)).layers[40, 10, :3]
    assert tinted.tolist() == [255, 40, 20], "no brighter than white"


def test_clothes_can_be_dyed_like_somebody_elses_and_the_head_stays() -> None:
    rng = np.random.default_rng(0)
    mine, theirs = look(CLOTHES[0]), look(CLOTHES[2])
    for one in (mine, theirs):
        one.layers[16:, :, :3] = np.clip(
            one.layers[16:, :, :3] + rng.normal(0, 8, (34, 20, 1)), 0, 255
        )
    dyed = mine.dressed_like(theirs)
    np.testing.assert_allclose(dyed.layers[:16], mine.layers[:16], atol=1)
    below = slice(20, None)
    target = theirs.layers[below].mean(axis=(0, 1))
    change = np.abs(mine.layers[below].mean(axis=(0, 1)) - target).max()
    np.testing.assert_allclose(dyed.layers[below].mean(axis=(0, 1)), target, atol=change / 4)


def photo() -> Photo:
    """Somebody before a white wall."""
    rgb = np.full((90, 80, 3), 255, dtype=np.uint8)
    inside = np.zeros((90, 80), dtype=bool)
    inside[20:70, 30:50] = True
    rgb[inside] = look(CLOTHES[0]).layers[..., :3].reshape(-1, 3).astype(np.uint8)
    return Photo(rgb, inside)


def test_a_cut_out_brings_nothing_of_the_wall_along() -> None:
    found = cut_out(photo(), (35, 24, 45, 34))
    assert [*found.layers.shape] == [48, 18, 4], "a pixel narrower all around"
    assert [*found.face] == [4, 3, 14, 13]
    alpha = found.layers[..., 3:]
    straight = found.layers[..., :3] / np.maximum(alpha, 1e-3)
    assert straight[alpha[..., 0] > 0.05].max() <= 231, "white is nobody's colour here"
    assert alpha[24, 9, 0] == pytest.approx(1, abs=1e-3)


def test_the_reference_photo_is_not_the_picture_of_the_scene() -> None:
    shown = portrait(photo().rgb, (35, 24, 45, 34))
    assert shown.shape[0] == pytest.approx(1.4 * (50 - 15), abs=2)
    face = shown[shown.shape[0] * 14 // 35, shown.shape[1] // 2]
    assert face[1] > SKIN[1] + 15, "brighter"


def written(folder: Path, names: Sequence[str], masks: Sequence[str]) -> Path:
    """A folder of cut-outs with the files of these stems."""
    blue_and_white = {kind: np.full((9, 9, 3), 255, np.uint8) for kind in ("images", "masks")}
    blue_and_white["images"][..., 1:] = 0  # OpenCV's order: blue first
    for kind, stems in (("images", names), ("masks", masks)):
        (folder / kind).mkdir(parents=True)
        for stem in stems:
            suffix = "jpg" if kind == "images" else "png"
            cv2.imwrite(str(folder / kind / f"{stem}.{suffix}"), blue_and_white[kind])
    return folder


def test_only_photos_with_a_mask_are_read(tmp_path: Path) -> None:
    found = list(read_photos(written(tmp_path, ["a", "b"], ["b", "c"]), np.random.default_rng(0)))
    assert len(found) == 1
    assert found[0].person.all()
    np.testing.assert_allclose(found[0].rgb[4, 4], (0, 0, 255), atol=3)


def test_a_folder_without_pairs_or_with_damaged_ones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match="holds no cut-outs"):
        next(read_photos(written(tmp_path / "none", ["a"], ["b"]), np.random.default_rng(0)))
    damaged = written(tmp_path / "damaged", ["a"], ["a"])
    (damaged / "images" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadablePhoto, match=r"a\.jpg and .*a\.png are no photo and mask"):
        next(read_photos(damaged, np.random.default_rng(0)))


class FindsDark:
    """A segmenter for which whoever is in a strip is black."""

    def segment(self, pictures: Sequence[Rgb]) -> list[list[Instance]]:
        found = Instance((0, 0, 1, 1), 0.06, Mask(0, 0, np.ones((1, 1), dtype=bool)))
        return [[found] if (picture == 0).any() else [] for picture in pictures]


def test_strips_beside_the_person_are_kept_if_they_are_wide_and_empty() -> None:
    rgb = np.full((60, 300, 3), 120, dtype=np.uint8)
    inside = np.zeros((60, 300), dtype=bool)
    inside[10:50, 100:160] = True
    strips = empty_strips(iter([Photo(rgb, inside)]), FindsDark(), 9)
    assert [strip.shape[1] for strip in strips] == [100 - 8, 140 - 8]
    spoilt = rgb.copy()
    spoilt[20, 20] = 0
    strips = empty_strips(iter([Photo(spoilt, inside)]), FindsDark(), 9)
    assert [strip.shape[1] for strip in strips] == [140 - 8]
    narrow = np.roll(inside, -60, axis=1)
    assert len(empty_strips(iter([Photo(rgb, narrow)]), FindsDark(), 9)) == 1


def test_a_place_has_its_size_and_no_seams() -> None:
    ramp = np.linspace(60, 180, 100).astype(np.uint8)
    strips = [
        np.repeat(np.tile(row, (50, 1))[..., np.newaxis], 3, axis=2) for row in (ramp, ramp[::-1])
    ]
    built = build_place(strips, (700, 80), np.random.default_rng(0))
    assert built.shape == (80, 700, 3)
    steps = np.abs(np.diff(built[40, :, 0].astype(int)))
    assert steps.max() < 12


def ids_over_time(scene: Scene) -> Iterator[tuple[int, Role, Pose]]:
    """Who is where, in every frame of every shot."""
    for shot in scene.shots:
        for frame in range(shot.frames):
            for one in shot.roles:
                pose = one.move(frame)
                if pose is not None and one.person:
                    yield frame, one, pose


@pytest.mark.parametrize("make", SCENES, ids=name_of)
def test_every_scene_shows_everybody_it_asks_for_and_a_face_of_theirs(
    make: Callable[[Crew], Scene], crew: Crew
) -> None:
    scene = make(crew)
    wanted = {"two-kept": [1, 2], "nobody-kept": []}.get(name_of(make), [1])
    assert sorted(scene.kept) == wanted
    shown = {one.person for _, one, _ in ids_over_time(scene)}
    assert set(scene.kept) <= shown
    assert shown == set(range(1, len(shown) + 1))
    for number, photo_of in scene.kept.items():
        assert photo_of is crew.people[number - 1].portrait
        faces = {
            frame
            for frame, one, pose in ids_over_time(scene)
            if one.person == number and not pose.turned and 0 < pose.x < SIZE[0]
        }
        assert bool(faces) is (number not in scene.either)
    for shot in scene.shots:
        assert (shot.frames, shot.size) == (FRAMES, SIZE)
        assert shot.place.shape[1] >= SIZE[0]


def named(name: str, crew: Crew) -> Scene:
    (make,) = (make for make in SCENES if name_of(make) == name)
    return make(crew)


def test_there_are_at_least_20_scenes_under_different_names() -> None:
    assert len({name_of(make) for make in SCENES}) == len(SCENES) >= 20


def test_crossing_in_front_and_behind_differ_in_who_is_nearer_only(crew: Crew) -> None:
    (front,), (behind,) = (named(f"crosses-{way}", crew).shots for way in ("in-front", "behind"))
    assert [r.person for r in front.roles] == [2, 1]
    assert [r.person for r in behind.roles] == [1, 2]


@pytest.mark.parametrize("name", ["swap-at-the-edge", "swap-behind-a-pillar"])
def test_a_swap_brings_the_other_when_the_kept_one_is_out_of_sight(name: str, crew: Crew) -> None:
    scene = named(name, crew)
    positions: dict[int, dict[int, float]] = {1: {}, 2: {}}
    for frame, one, pose in ids_over_time(scene):
        positions[one.person][frame] = pose.x
        assert pose.turned is (one.person == 2)
    first = min(positions[2])
    covered = {frame for frame in positions[1] if 480 < positions[1][frame] < 800}
    gone = {frame for frame in positions[1] if positions[1][frame] > SIZE[0]}
    assert first in covered | gone


def test_a_twin_shows_no_face_and_the_kept_ones_clothes(crew: Crew) -> None:
    (shot,) = named("twin-from-behind", crew).shots
    twin, kept = shot.roles
    assert all(
        pose.turned
        for _, one, pose in ids_over_time(named("twin-from-behind", crew))
        if one.person == 2
    )
    difference = twin.look.layers[400, 100, :3] - kept.look.layers[400, 100, :3]
    assert np.abs(difference).max() < 15


def test_the_face_shows_late_and_counts_from_the_start(crew: Crew) -> None:
    faces = [
        f
        for f, one, pose in ids_over_time(named("late-face", crew))
        if one.person == 1 and not pose.turned
    ]
    assert min(faces) >= FRAMES / 2


def test_the_same_scene_is_made_whichever_others_are(tmp_path: Path) -> None:
    strips = [np.full((30, 80, 3), shade, dtype=np.uint8) for shade in range(20, 200, 20)]
    studio = Studio([person(clothes) for clothes in CLOTHES], strips, seed=4)
    made: list[Crew] = []

    def tiny(crew: Crew) -> Scene:
        made.append(crew)
        shot = Shot(crew.places[0], [replace(role(1, 50), look=crew.people[0].look)], 2, SMALL)
        return Scene([shot], {1: crew.people[0].portrait})

    def other(crew: Crew) -> Scene:
        return tiny(crew)

    for number, make in enumerate((tiny, other, tiny)):
        studio.produce(make, tmp_path / str(number))
    assert [p is q for p, q in zip(made[0].people, made[2].people, strict=True)] == [True] * 6
    assert [p is q for p, q in zip(made[0].people, made[1].people, strict=True)] != [True] * 6
    first, second, third = (list(frames(tmp_path / n / "video.mp4")) for n in "012")
    np.testing.assert_array_equal([f for _, f in first], [f for _, f in third])
    assert (first[0][1] != second[0][1]).any()


def filmed(folder: Path) -> tuple[Truth, list[Take]]:
    """Five frames: 1 is kept, 2 may be either, 3 is a bystander."""
    roles = [role(3, 100), role(2, 60), role(1, 20)]
    shot = Shot(place(), roles, 5, SMALL, STILL)
    takes = list(film(shot, np.random.default_rng(0)))
    portraits = {n: person(CLOTHES[n - 1]).portrait for n in (1, 2)}
    return write_scene(folder, Scene([shot], portraits, either=(2,)), iter(takes)), takes


def test_a_scene_on_disk_is_what_was_filmed(tmp_path: Path) -> None:
    truth, takes = filmed(tmp_path)
    assert (truth.kept, truth.either) == (frozenset({1}), frozenset({2}))
    shown = [picture for _, picture in frames(tmp_path / "video.mp4")]
    assert len(shown) == len(takes)
    for index, shot in enumerate(takes):
        np.testing.assert_array_equal(truth.ids(index), shot.ids)
        assert np.abs(shown[index].astype(int) - shot.rgb).mean() < 6
        assert truth.faces is not None
        assert truth.faces[index] == list(shot.faces)
    assert sorted(path.name for path in (tmp_path / "cast").iterdir()) == ["1.jpg", "2.jpg"]
    run = scene_run("three", tmp_path)
    assert (run.truth, run.cast) == (truth, (tmp_path / "cast/1.jpg", tmp_path / "cast/2.jpg"))
    document = json.loads((tmp_path / "truth.json").read_text())
    assert (document["kept"], document["either"]) == ([1], [2])
    assert document["faces"][0] == [0, 3, 95, 24, 105, 34]


def test_photos_on_disk_have_the_colours_of_the_person(tmp_path: Path) -> None:
    filmed(tmp_path)
    photo_of = cv2.imread(str(tmp_path / "cast" / "1.jpg"))
    assert photo_of is not None
    np.testing.assert_allclose(photo_of[15, 15, ::-1], CLOTHES[0], atol=12)


def test_a_shorter_scene_leaves_nothing_of_a_longer_one_before(tmp_path: Path) -> None:
    (tmp_path / "persons").mkdir()
    for old in ("00007.png", "00099.png"):
        (tmp_path / "persons" / old).write_bytes(b"older")
    filmed(tmp_path)
    assert len(list((tmp_path / "persons").iterdir())) == 5


def test_outlines_tell_kept_bystander_and_either_apart(tmp_path: Path) -> None:
    truth, takes = filmed(tmp_path)
    drawn = outlined(takes[0].rgb, truth, 0)
    for x, colour in ((20, GREEN), (60, GREY), (100, RED)):
        assert tuple(drawn[69, x]) == colour, f"foot at {x}"
    assert (takes[0].rgb[69, 20] == CLOTHES[0]).all(), "the picture itself stays as it was"


def test_pictures_to_look_at_are_replaced_by_the_next_ones(tmp_path: Path) -> None:
    truth, _ = filmed(tmp_path)
    shown = [picture for _, picture in frames(tmp_path / "video.mp4")]
    masked = np.ones((SMALL[1] // 2, SMALL[0] // 2), dtype=bool)
    pairs = [(picture, painted(picture, masked)) for picture in shown]
    save_worst(tmp_path, {1: pairs[1], 3: pairs[3]}, truth)
    save_worst(tmp_path, {4: pairs[4]}, truth)
    assert [path.name for path in tmp_path.glob("worst-*.png")] == ["worst-00004.png"]
    pair = cv2.imread(str(tmp_path / "worst-00004.png"))
    assert pair is not None
    assert pair.shape == (SMALL[1], 2 * SMALL[0], 3)
    save_sheet(tmp_path, truth)
    assert (tmp_path / "sheet.png").is_file()
