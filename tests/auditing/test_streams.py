"""What a file carries beside picture and sound."""

from __future__ import annotations

from pathlib import Path

import av

from bystander.auditing.streams import carried, carried_in_frame
from tests.media.test_sound import make_cut
from tests.support.videos import Clip, Sound, make_tell_tale_video, make_video, remuxed


def test_a_plain_file_carries_nothing_else(tmp_path: Path) -> None:
    for name in ("plain.mp4", "plain.mkv", "plain.mov"):
        assert carried(make_video(tmp_path / name, Clip(sounds=[Sound()]))) == []


def test_every_tell_tale_is_found(tmp_path: Path) -> None:
    found = " ".join(f.detail for f in carried(make_tell_tale_video(tmp_path / "t.mp4", tmp_path)))
    for tell_tale in (
        "title = 'Holiday of Anna'",
        "+48.2082+016.3738/",
        "a chapter 'Anna arrives'",
        "(subtitle) is neither picture nor sound",
        "is a still picture",
        'handler_name = "Anna\'s phone"',
        "language = 'fin'",
    ):
        assert tell_tale in found


def test_a_second_video_is_found(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mp4")
    (found,) = carried(remuxed(plain, tmp_path / "two.mp4", "-map", "0:v", "-map", "0:v"))
    assert "a second video" in found.detail


def test_a_box_behind_the_video_is_found(tmp_path: Path) -> None:
    path = make_video(tmp_path / "plain.mp4")
    path.write_bytes(path.read_bytes() + b"\0\0\0\x20uuid" + bytes(16) + b"<x:xmp/>")
    (found,) = carried(path)
    assert "uuid" in found.detail


def in_frames(path: Path) -> set[str]:
    with av.open(str(path)) as container:
        return {what for frame in container.decode(video=0) for what in carried_in_frame(frame)}


def test_a_message_in_a_frame_is_found_and_the_encoders_own_is_not(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mp4")
    assert b"x264 - core" in plain.read_bytes()
    assert in_frames(plain) == set()
    message = "sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+48.2082 16.3738"
    told = remuxed(plain, tmp_path / "told.mp4", "-bsf:v", f"h264_metadata={message}")
    assert in_frames(told) == {"a message"}


def test_what_players_skip_is_found(tmp_path: Path) -> None:
    cut = make_cut(tmp_path, ".mp4", "aac", 0.3283)
    assert [finding.detail for finding in carried(cut.path)] == [
        "pictures that players skip are in the file",
        "stream 1 (audio) holds sound that players skip",
    ]
