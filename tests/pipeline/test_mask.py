"""One call from a video and photos to the masked video."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import pytest

from bystander.errors import (
    Cancelled,
    ConfigError,
    NoFaceFound,
    OutputExists,
    OutputUnwritable,
    SelectionError,
    UnreadablePhoto,
)
from bystander.media.probe import probe
from bystander.pipeline.mask import MaskResult, mask_video
from bystander.progress import Progress
from bystander.settings import Profile
from bystander.timeline.archive import Timeline
from tests.support import drawn
from tests.support.drawn import (
    LOSSLESS,
    MAGENTA,
    SETTINGS,
    Figure,
    Masked,
    Scene,
    cast_of,
    standing,
)

pytestmark = pytest.mark.sampled(4)

ANNA, BEN = Figure(drawn.BLUE, standing(60)), Figure(drawn.RED, standing(260))
SCENE = Scene([ANNA, BEN], frames=24)
PROFILE = Profile(analysis=SETTINGS, encoder=LOSSLESS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the film of both, and a photo of each."""
    folder = tmp_path_factory.mktemp("scene")
    SCENE.video(folder / "source.mp4")
    cast_of(folder, anna=drawn.BLUE, ben=drawn.RED)
    return folder


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return scratch


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "masked.mp4"


def mask(folder: Path, output: Path, **how: Any) -> MaskResult:
    how = {"profile": PROFILE, "effect": MAGENTA, "models": drawn.drawn_models(), **how}
    return mask_video(str(folder / "source.mp4"), str(output), **how)


def covered(folder: Path, result: MaskResult) -> list[bool]:
    """Whether Anna, and whether Ben, is drawn over in every frame; nobody is in part."""
    timeline = Timeline("", result.header)
    masked = Masked(SCENE, folder / "source.mp4", timeline, result.output)
    shares = [
        [masked.covered(figure, number) for number in range(SCENE.frames)]
        for figure in SCENE.figures
    ]
    assert all(min(of_one) > 0.99 or max(of_one) < 0.01 for of_one in shares), shares
    return [min(of_one) > 0.99 for of_one in shares]


def test_whoever_is_on_a_photo_is_kept_and_everyone_else_is_masked(
    folder: Path, output: Path, scratch: Path
) -> None:
    result = mask(folder, output, cast=[str(folder / "anna.png")])

    assert covered(folder, result) == [False, True]
    assert result.kept == ("anna",)
    assert result.output == output
    assert len(result.header.persons) == 2
    assert result.audit is None
    assert probe(output).frame_count == SCENE.frames
    assert list(output.parent.iterdir()) == [output]
    assert list(scratch.iterdir()) == []


def test_nobody_given_is_nobody_kept(folder: Path, output: Path) -> None:
    result = mask(folder, output)
    assert covered(folder, result) == [True, True]
    assert result.kept == ()


@pytest.mark.parametrize("pathlike", [str, Path])
def test_a_cast_may_be_one_photo_or_a_folder_or_have_names(
    pathlike: type[Any], folder: Path, output: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos" / "of ben"
    photos.mkdir(parents=True)
    (photos / "1.png").write_bytes((folder / "ben.png").read_bytes())

    def kept(cast: Any) -> set[str]:
        return set(mask(folder, output, cast=cast, overwrite=True).kept)

    assert kept(pathlike(folder / "anna.png")) == {"anna"}
    assert kept(pathlike(photos.parent)) == {"of ben"}
    assert kept({"Anna": pathlike(folder / "anna.png"), "Ben": [pathlike(photos)]}) == {
        "Anna",
        "Ben",
    }


def test_whom_a_point_means_is_kept_and_told(folder: Path, output: Path, scratch: Path) -> None:
    result = mask(folder, output, keep_at=[(0.4, 280.0, 150.0)])

    assert covered(folder, result) == [True, False]
    [pointed] = result.pointed_at
    assert (pointed.seconds, pointed.x, pointed.y) == (0.4, 280, 150)
    assert result.kept == ("0.4 s at 280,150",)
    assert list(scratch.iterdir()) == []


def test_the_timeline_and_an_audit_are_written_where_they_are_asked_for(
    folder: Path, output: Path
) -> None:
    timeline, page = output.with_name("timeline"), output.with_name("audit.html")

    result = mask(folder, output, cast=folder / "anna.png", timeline=timeline, audit=str(page))

    assert Timeline.load(str(timeline)).header == result.header
    assert result.audit is not None
    assert result.audit.passed, result.audit.findings
    files = {path.name for path in output.parent.iterdir()}
    assert files == {"masked.mp4", "timeline", "audit.html", "audit.json"}


def test_who_is_on_a_photo_but_not_in_the_video_is_told(
    folder: Path, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cast_of(output.parent, cleo=drawn.GREEN)
    with caplog.at_level("WARNING", "bystander"):
        result = mask(folder, output, cast=output.parent / "cleo.png")
    assert result.kept == ()
    assert any(text.startswith("cleo was not recognised") for text in caplog.messages)


def test_the_names_of_members_that_were_read_before_are_not_logged(
    folder: Path, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The service reads photos itself: whom its users keep is nothing for its log."""
    members = cast_of(output.parent, cleo=drawn.GREEN)
    with caplog.at_level("INFO", "bystander"):
        mask(folder, output, cast=members)
    assert not any("cleo" in text for text in caplog.messages)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"effect": "pixelate"}, ConfigError, "'pixelate'.*blur, mosaic, solid"),
        ({"profile": "best"}, ConfigError, "'best'.*fast, balanced, thorough"),
        ({"codec": "vp9"}, ConfigError, "'vp9'.*h264"),
        ({"deinterlace": "maybe"}, ConfigError, "'maybe'.*auto, on, off"),
        ({"device": "abacus"}, ConfigError, "'abacus'.*auto, cpu, cuda, tensorrt"),
        ({"precision": "fp8"}, ConfigError, "'fp8'.*fp32, bf16"),
        ({"keep_at": [(0.4, 384.0, 10.0)]}, SelectionError, "shown as 384x216"),
        ({"keep_at": [(-1.0, 10.0, 10.0)]}, SelectionError, "-1 s"),
        ({"keep_at": [(0.4, float("nan"), 10.0)]}, SelectionError, "nan"),
        ({"keep_at": [(0.4, 190.0, 30.0)]}, SelectionError, "190,30"),
        ({"cast": ["nowhere.jpg"]}, UnreadablePhoto, "nowhere.jpg"),
        ({"timeline": "out/masked.mp4"}, OutputUnwritable, "named twice"),
        ({"audit": "nowhere/audit.html"}, OutputUnwritable, "its folder"),
        ({"audit": "out/audit.json"}, OutputUnwritable, "no name of a page"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    how: dict[str, Any],
    error: type[Exception],
    words: str,
    folder: Path,
    output: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(output.parent.parent)
    with pytest.raises(error, match=words):
        mask(folder, Path("out/masked.mp4"), **how)
    assert list(output.parent.iterdir()) == []
    assert list(scratch.iterdir()) == []


def test_an_output_that_exists_stays_as_it_is(folder: Path, output: Path) -> None:
    output.write_text("mine")
    with pytest.raises(OutputExists):
        mask(folder, output)
    assert output.read_text() == "mine"


def test_a_photo_without_a_face_is_refused(folder: Path, output: Path) -> None:
    scene = Scene([], size=(80, 80))
    photo = output.with_name("empty.png")
    cv2.imwrite(str(photo), scene.picture(0))
    with pytest.raises(NoFaceFound, match=r"empty\.png"):
        mask(folder, output, cast=[photo])


@pytest.mark.parametrize("stage", ["analyze", "decide", "render"])
@pytest.mark.parametrize("way", ["raises", "returns"])
def test_it_can_be_stopped_in_every_stage(
    stage: str, way: str, folder: Path, output: Path, scratch: Path
) -> None:
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        if way == "raises" and progress.stage == stage:
            raise Cancelled("enough")

    def cancel() -> bool:
        stages = {progress.stage for progress in told}
        decided = "decide" in stages and told[-1].done == told[-1].total
        reached = {"analyze": True, "decide": "decide" in stages, "render": decided}[stage]
        return way == "returns" and reached

    with pytest.raises(Cancelled):
        mask(folder, output, report=report, cancel=cancel)
    assert {progress.stage for progress in told} <= {"analyze", "decide", stage}
    assert list(output.parent.iterdir()) == []
    assert list(scratch.iterdir()) == []
