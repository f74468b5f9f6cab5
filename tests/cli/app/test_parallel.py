"""`--processes` and `--cluster`: a video in parts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bystander.media.probe import probe
from tests.support.commands import call, nothing_in, refused, succeeded


@pytest.mark.parametrize("shared_folder", [False, True], ids=["beside", "work"])
def test_parts_are_drawn_in_processes_and_none_is_left(
    drawn: Path, review: Path, output: Path, scratch: Path, tmp_path: Path, shared_folder: bool
) -> None:
    work = ["--work", str(tmp_path / "parts")] if shared_folder else []

    succeeded(call("render", drawn, review, "-o", output, "--processes", "2", *work))

    assert probe(output).frame_count == 24
    assert list(output.parent.iterdir()) == [output]
    assert nothing_in(scratch)
    if shared_folder:
        assert nothing_in(tmp_path / "parts")


def test_it_is_either_processes_or_a_cluster(drawn: Path, review: Path, output: Path) -> None:
    result = call(
        "render", drawn, review, "-o", output, "--processes", "2", "--cluster", "ray://nowhere:1"
    )
    refused(result, 9, "can't both do the work")
    assert nothing_in(output.parent)


def test_a_place_for_parts_needs_somebody_who_makes_them(drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--work", output.parent), 9, "--processes")
    assert nothing_in(output.parent)


def test_what_is_no_video_is_told_as_such(tmp_path: Path, output: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("nothing to see")

    refused(
        call("mask", text, "-o", output, "--processes", "2", "--work", tmp_path / "parts"),
        3,
        "text.mp4",
    )
    assert nothing_in(output.parent)
