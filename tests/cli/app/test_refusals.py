"""Bad videos, photos, outputs and names: refused before any work, with a reason."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from bystander.models.sample import group_photo
from tests.support.commands import call, check_message, nothing_in, process, refused, succeeded
from tests.support.videos import make_audio, make_frameless, make_video, truncated

pytestmark = pytest.mark.sampled(2)

# A video that can't be masked. None of these needs a network: the file comes first.


def text(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("Not a video at all. " * 100)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def cut_short(folder: Path) -> Path:
    return truncated(make_video(folder / "whole.mp4"), folder / "half.mp4", 0.5)


def still(folder: Path) -> Path:
    path = folder / "photo.jpg"
    Image.new("RGB", (64, 64)).save(path)
    return path


BAD_VIDEOS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing.mp4",
    "a folder": lambda folder: folder,
    "not a video": text,
    "empty": empty,
    "truncated": cut_short,
    "no frames": lambda folder: make_frameless(folder / "frameless.mp4"),
    "audio only": lambda folder: make_audio(folder / "sound.m4a"),
    "a photo": still,
}


@pytest.mark.parametrize("make", BAD_VIDEOS.values(), ids=BAD_VIDEOS)
def test_a_bad_video_is_refused(
    make: Callable[[Path], Path], tmp_path: Path, output: Path, scratch: Path
) -> None:
    video = make(tmp_path)

    refused(call("mask", video, "-o", output), 3, video)
    assert nothing_in(output.parent, scratch)


@pytest.mark.parametrize("command", ["mask", "analyze", "estimate"])
def test_every_command_refuses_a_bad_video(command: str, tmp_path: Path, output: Path) -> None:
    video = text(tmp_path)
    where = () if command == "estimate" else ("-o", output)

    refused(call(command, video, *where), 3, video)
    assert nothing_in(output.parent)


def test_a_user_sees_the_same_as_these_tests(tmp_path: Path, output: Path) -> None:
    video = text(tmp_path)

    ended = process("mask", video, "-o", output)

    assert ended.returncode == 3
    assert ended.stdout == ""
    check_message(ended.stderr, video)


# A photo of the cast that can't be used.


def broken(folder: Path) -> Path:
    path = folder / "broken.jpg"
    Image.effect_noise((200, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    return path


def not_a_photo(folder: Path) -> Path:
    path = folder / "notes.jpg"
    path.write_text("not a photo")
    return path


def pixel_bomb(folder: Path) -> Path:
    """A PNG of a few bytes whose header promises 400 million pixels."""
    path = folder / "bomb.png"
    Image.new("L", (100, 100)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def heavy(folder: Path) -> Path:
    path = folder / "heavy.jpg"
    Image.new("RGB", (64, 64)).save(path)
    with path.open("r+b") as file:
        file.truncate(60_000_000)  # sparse: it takes no room
    return path


def faceless(folder: Path) -> Path:
    path = folder / "wall.png"
    Image.new("RGB", (400, 300), "teal").save(path)
    return path


def twins(folder: Path) -> Path:
    """The same face twice, beside each other."""
    path = folder / "twins.png"
    with Image.open(group_photo()) as group:
        everyone = np.asarray(group.convert("RGB"))
    Image.fromarray(np.hstack([everyone, everyone])).save(path)
    return path


def no_photos(folder: Path) -> Path:
    path = folder / "nobody"
    path.mkdir()
    return path


BAD_PHOTOS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing.jpg",
    "an empty folder": no_photos,
    "not a photo": not_a_photo,
    "damaged": broken,
    "too many pixels": pixel_bomb,
    "too many bytes": heavy,
    "no face": faceless,
    "equally large faces": twins,
}


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("make", BAD_PHOTOS.values(), ids=BAD_PHOTOS)
@pytest.mark.sampled(4)
def test_a_bad_photo_is_refused(
    make: Callable[[Path], Path], drawn: Path, tmp_path: Path, output: Path, scratch: Path
) -> None:
    photo = make(tmp_path)

    refused(call("mask", drawn, "--cast", photo, "-o", output), 4, photo)
    assert nothing_in(output.parent, scratch)


# An output that can't be written.


def test_an_existing_output_is_not_touched(drawn: Path, output: Path) -> None:
    output.write_text("precious")

    refused(call("mask", drawn, "-o", output), 5, output, "overwrit")
    assert output.read_text() == "precious"


def test_the_source_is_never_overwritten(drawn: Path, review: Path) -> None:
    before = drawn.read_bytes()

    refused(call("mask", drawn, "-o", drawn, "--overwrite"), 5, drawn)
    refused(call("analyze", drawn, "-o", drawn, "--overwrite"), 5, drawn)
    refused(call("people", review, "--sheet", review, "--overwrite"), 5, review)
    assert drawn.read_bytes() == before


@pytest.mark.parametrize("command", ["mask", "analyze"])
def test_the_output_s_folder_must_be_there(command: str, drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"

    refused(call(command, drawn, "-o", folder / "out.mp4"), 5, folder)
    assert not folder.exists()


def test_a_saved_timeline_needs_a_place_of_its_own(
    drawn: Path, tmp_path: Path, output: Path
) -> None:
    def saving_to(path: Path) -> Result:
        return call("mask", drawn, "-o", output, "--timeline", path)

    existing = tmp_path / "existing"
    existing.touch()
    refused(saving_to(existing), 5, existing, "--overwrite")
    refused(saving_to(tmp_path), 5, tmp_path)
    refused(saving_to(tmp_path / "nowhere" / "timeline"), 5, "nowhere")
    refused(saving_to(output), 5, output)
    assert nothing_in(output.parent)


NAMES = {"letters": "a" * 241, "Korean": "가" * 80, "usual": "holiday"}
"""Without their suffix; the longest have 245 bytes with it."""


@pytest.mark.parametrize("name", NAMES)
def test_every_name_the_file_system_takes_is_written(
    name: str, drawn: Path, review: Path, tmp_path: Path, scratch: Path
) -> None:
    stem, folder = NAMES[name], tmp_path / "written"
    folder.mkdir()
    video, timeline, out = (folder / f"{stem}.{kind}" for kind in ("mp4", "tln", "mkv"))
    video.write_bytes(drawn.read_bytes())
    timeline.write_bytes(review.read_bytes())
    saved, sheet = folder / f"{stem}.new", folder / f"{stem}.png"

    succeeded(call("render", video, timeline, "-o", out, "--timeline", saved))
    succeeded(call("people", timeline, "--sheet", sheet))

    assert {path.name for path in folder.iterdir()} == {
        path.name for path in (video, timeline, out, saved, sheet)
    }
    assert nothing_in(scratch)


TOO_LONG = "a" * 252


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (3, ["mask", f"{TOO_LONG}.mp4", "-o", "{output}"]),
        (5, ["mask", "{drawn}", "-o", f"{TOO_LONG}.mp4"]),
        (5, ["mask", "{drawn}", "-o", "{output}", "--timeline", f"{TOO_LONG}.timeline"]),
        (5, ["mask", "{drawn}", "-o", f"{'nested/' * 700}o.mp4"]),
        (5, ["analyze", "{drawn}", "-o", f"{TOO_LONG}.timeline"]),
        (5, ["render", "{drawn}", "{review}", "-o", f"{TOO_LONG}.mp4"]),
        (5, ["render", "{drawn}", "{review}", "-o", "{output}", "--timeline", f"{TOO_LONG}.new"]),
        (7, ["render", "{drawn}", f"{TOO_LONG}.old", "-o", "{output}"]),
        (5, ["people", "{review}", "--sheet", f"{TOO_LONG}.png"]),
        (7, ["people", f"{TOO_LONG}.old"]),
        (5, ["audit", "{drawn}", "{drawn}", "-o", f"{TOO_LONG}.html"]),
        (3, ["audit", "{drawn}", f"{TOO_LONG}.mp4", "-o", "{output}.html"]),
        (3, ["estimate", f"{TOO_LONG}.mp4"]),
    ],
)
def test_a_name_too_long_is_refused_before_any_work(
    code: int, arguments: list[str], drawn: Path, review: Path, output: Path
) -> None:
    given = [a.format(drawn=drawn, review=review, output=output) for a in arguments]
    refused(call(*given), code)
    assert nothing_in(output.parent)


def test_a_photo_s_name_too_long_is_refused(networks: None, drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--cast", f"{TOO_LONG}.jpg"), 4)


@pytest.mark.parametrize(
    ("option", "value"), [("--device", "tensorrt"), ("--device", "cuda"), ("--precision", "fp16")]
)
def test_what_this_machine_has_not_is_refused(option: str, value: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4")
    result = call("mask", str(video), "-o", str(tmp_path / "masked.mp4"), option, value)
    if result.exit_code == 0:
        pytest.skip(f"this machine has {value}")
    assert result.exit_code == 9
    assert "rovider" in result.stderr or "fp16" in result.stderr
    assert not (tmp_path / "masked.mp4").exists()
