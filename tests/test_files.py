"""Names of files: as long as the file system takes them, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bystander.errors import OutputUnwritable
from bystander.files import check_name, named_after, replacing, temporary_beside

LONGEST = 255
"""Bytes of a name, on every common file system of Linux."""


@pytest.mark.parametrize("name", ["a" * 255, "가" * 85, "e\u0301" * 85, "😀" * 63])
def test_every_name_the_file_system_takes_is_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    check_name(path)
    with replacing(path) as part:
        part.write_text("x")
        assert not path.exists()
    assert path.read_text() == "x"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a" * 256, "가" * 86, "a/" * 2100 + "a", "a\0b"])
def test_a_name_it_does_not_take_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputUnwritable):
        check_name(tmp_path / name)


def test_what_could_not_be_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "o").write_text("older")
    with pytest.raises(RuntimeError), replacing(tmp_path / "o") as part:  # noqa: PT012
        part.write_text("half")
        raise RuntimeError
    assert (tmp_path / "o").read_text() == "older"
    assert os.listdir(tmp_path) == ["o"]


def test_temporary_names_are_short_hidden_and_never_the_same(tmp_path: Path) -> None:
    names = {temporary_beside(tmp_path / ("a" * 255)).name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".") and len(name) < 32 for name in names)


def test_a_derived_name_is_cut_only_where_it_must_be(tmp_path: Path) -> None:
    assert named_after(tmp_path / "o.mp4", ".audit.html") == tmp_path / "o.mp4.audit.html"
    long = [named_after(tmp_path / f"{'가' * 80}{n}.mp4", ".audit.html") for n in range(2)]
    for path in long:
        check_name(path)
        assert path.name.startswith("가" * 70)
        assert path.name.endswith(".audit.html")
    assert long[0] != long[1]
