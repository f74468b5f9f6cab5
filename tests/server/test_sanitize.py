from __future__ import annotations

from pathlib import Path

import pytest

from bystander.errors import NotAVideo
from bystander.server.models import Problem
from bystander.server.sanitize import Sanitizer

DATA = Path("/srv/my data")
FOLDER = DATA / "work" / "3f2a"


@pytest.fixture
def words() -> Sanitizer:
    return Sanitizer(FOLDER, DATA, ["Ann", "Ann Lee", "Óscar"])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"{FOLDER}/video has no frames", "the video has no frames"),
        (f"no space for {FOLDER}/.result.mp4.part", "no space for the job"),
        (f"can't open '{FOLDER}/cast/8e1f.jpg'", "can't open 'the photos'"),
        (f"{DATA}/objects/1/video is gone", "the data is gone"),
        ('File "/usr/lib/python3/x.py", line 3', 'File "a file", line 3'),
        ("reading /etc/passwd: denied", "reading a file: denied"),
        ("see https://example.org/help/me", "see https://example.org/help/me"),
        ("30 frames/s and/or 1/2", "30 frames/s and/or 1/2"),
        ("no face of Ann Lee, nor of Ann", "no face of somebody, nor of somebody"),
        ("Óscar and Anna", "somebody and Anna"),
        ("two\nlines", "two lines"),
    ],
)
def test_paths_and_names_are_taken_out(words: Sanitizer, said: str, told: str) -> None:
    assert words.safe(said) == told


def test_a_flood_of_words_is_cut(words: Sanitizer) -> None:
    assert len(words.safe("very " * 100_000)) <= 500


def test_an_error_becomes_a_problem(words: Sanitizer) -> None:
    error = NotAVideo(f"{FOLDER / 'video'} is a letter", "Send a video.")
    assert words.problem_of(error) == Problem("NotAVideo", "the video is a letter", "Send a video.")
