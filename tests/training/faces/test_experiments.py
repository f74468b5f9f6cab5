"""The whole run on drawn people, whose faces are colours; and the rule for thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bystander.identity.segments import IdentitySettings
from bystander.models.face_model import FaceThresholds
from bystander.settings import AnalysisSettings
from bystander.timeline.types import EvidenceKind
from tests.support.drawn import BLUE, CYAN, GREEN, RED, YELLOW, DrawnFaces, Figure, Scene, standing
from tests.training.faces.test_tracks import track
from training.errors import DataError
from training.faces import report
from training.faces.__main__ import main
from training.faces.experiments import Bench, Material, draw_curves, examine
from training.faces.findings import Findings, proposed
from training.faces.photos import album, pairs, read_people
from training.faces.settings import FaceExperimentSettings
from training.faces.verdicts import verdict
from training.faces.verification import halves

pytestmark = pytest.mark.long

SETTINGS = FaceExperimentSettings(
    widths=(20,), blurs=(1,), motions=(), jpegs=(), video_width=20, counts=(1, 3), draws=2, splits=5
)
CLIP_FRAMES = 40
VIOLET = (140, 40, 220)
PEOPLE = (YELLOW, CYAN, BLUE, VIOLET)


def portrait(colour: tuple[int, int, int], x: int) -> Scene:
    return Scene([Figure((90, 90, 90), standing(x, 20), colour)], size=(80, 80))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people with three photos each, and beside them one picture of two."""
    folder = tmp_path_factory.mktemp("people")
    for number, colour in enumerate(PEOPLE):
        home = folder / f"person{number}"
        home.mkdir()
        for x in (15, 20, 25):
            picture = portrait(colour, x).picture(0)
            cv2.imwrite(str(home / f"{x}.png"), picture[:, :, ::-1])
    scene = Scene([Figure(YELLOW, standing(20)), Figure(BLUE, standing(200))])
    cv2.imwrite(str(folder / "scene.png"), scene.picture(0)[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people stand side by side for 1.6 s; truth and a cast photo say that one is red."""
    folder = tmp_path_factory.mktemp("clips") / "street"
    (folder / "cast" / "red").mkdir(parents=True)
    figures = [Figure(RED, standing(20)), Figure(GREEN, standing(200))]
    Scene(figures, frames=CLIP_FRAMES).video(folder / "video.mp4")
    photo = portrait(RED, 20).picture(0)
    cv2.imwrite(str(folder / "cast" / "red" / "photo.png"), photo[:, :, ::-1])
    regions = [
        {"frame": 4, "box": [20, 80, 60, 120], "expect": "keep", "who": "red"},
        {"frame": 4, "box": [200, 80, 240, 120], "expect": "mask", "who": "green"},
    ]
    (folder / "truth.json").write_text(json.dumps({"regions": regions}))
    return folder


@pytest.fixture(scope="module")
def findings(people: Path, clip: Path) -> Findings:
    bench = Bench(DrawnFaces(), SETTINGS, AnalysisSettings())
    found = examine(bench, Material(people, people, (clip,)))
    draw_curves(found)
    return found


def rows(findings: Findings, title: str) -> list[dict[str, str | int | float]]:
    return next(section.rows for section in findings.sections if section.title == title)


def test_colours_are_told_apart_without_error(findings: Findings) -> None:
    (row,) = rows(findings, "Pairs of photos")
    assert (row["genuine"], row["impostor"]) == (4 * 3, 6 * 9)
    assert (row["EER"], row["TAR at FAR 1e-3"]) == (0, 1)


def test_both_tracks_of_the_clip_are_found(findings: Findings) -> None:
    (row,) = rows(findings, "Face tracks")
    assert (row["clip"], row["tracks"], row["tracks of a second"]) == ("street", 2, 2)


def test_the_product_keeps_one_person_and_masks_all_others(findings: Findings) -> None:
    kept = {
        row["track and photo"]: (row["cases"], row["kept"])
        for row in rows(findings, "The product's verdicts, thresholds as configured")
    }
    assert kept["cast photo, the same person"] == (1, 1.0)
    assert kept["cast photo, another person"] == (1, 0.0)
    assert kept["a face seen together with it"][1] == 0.0
    assert kept["a stranger's photos"] == (2 * 4, 0.0)


def test_two_faces_of_a_scene_are_two_people(findings: Findings) -> None:
    for row in rows(findings, "Other people: who is in the group scenes"):
        assert (row["faces"], row["recognised"], row["surely mistaken"]) == (2, 2, 0)


def test_the_report_holds_curves_and_numbers_only(findings: Findings, tmp_path: Path) -> None:
    report.save([findings], SETTINGS, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["faces.html", "faces.json", "faces.svg"]
    page = (tmp_path / "faces.html").read_text()
    assert page.count("<img") == len(findings.curves)
    assert "<image" not in (tmp_path / "faces.svg").read_text()
    figures = json.loads((tmp_path / "faces.json").read_text())
    for section in figures["packs"]["drawn"]:
        for row in section["rows"]:
            # No list of numbers: that could be a vector of someone's face.
            assert all(isinstance(value, str | int | float | None) for value in row.values())


def test_a_photo_is_never_compared_with_itself(people: Path) -> None:
    one = album(read_people(people), DrawnFaces())
    spoilt = album(read_people(people), DrawnFaces())
    assert [len(pool) for pool in pairs(one, one)] == [12, 54]
    assert [len(pool) for pool in pairs(spoilt, one)] == [24, 108]


def test_the_worst_pool_decides_and_the_thresholds_never_cross() -> None:
    settings = FaceExperimentSettings(far=0.5, tar=0.5)
    low = np.array([0.5, 0.6]), np.array([0.1, 0.2])
    high = np.array([0.8, 0.9]), np.array([0.6, 0.7])
    rule = proposed({"low": low, "high": high, "none": (np.zeros(0), np.zeros(0))}, settings)
    assert (rule.same, rule.different) == pytest.approx((0.6, 0.6))
    rule = proposed({"low": low}, settings)
    assert (rule.same, rule.different) == pytest.approx((0.1, 0.1))


def test_people_are_halved_in_as_many_ways_as_there_are() -> None:
    assert len(halves([1, 2, 3, 4], 60, seed=0)) == 6
    some = halves(list(range(10)), 60, seed=0)
    assert len(set(some)) == 60
    assert {len(half) for half in some} == {5}
    assert some == halves(list(range(10)), 60, seed=0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(np.arange(10) / 10, EvidenceKind.FACE), (np.array([0.0, 0.2]), EvidenceKind.DOUBT)],
)
def test_the_verdict_is_the_products_own(seconds: np.ndarray, expected: EvidenceKind) -> None:
    me = track(0, seconds)
    thresholds = FaceThresholds(0.4, 0.2)
    mine, other = me.samples.vectors[:1], np.array([[0, 1, 0]], dtype=np.float32)
    assert verdict(me, mine, thresholds, IdentitySettings(), 10) is expected
    assert verdict(me, other, thresholds, IdentitySettings(), 10) is EvidenceKind.NONE


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    cv2.imwrite(str(tmp_path / "only" / "1.png"), np.zeros((8, 8, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="no collection of people"):
        read_people(tmp_path)
    with pytest.raises(DataError, match="no collection of people"):
        read_people(tmp_path / "missing")


@pytest.mark.long
def test_the_command_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["-o", str(tmp_path / "out"), "--lfw", str(tmp_path), "--pack", "dlib"])
    assert code == DataError.exit_code
    assert str(tmp_path) in capsys.readouterr().err
