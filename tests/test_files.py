"""Names of files: as long as the file system takes them, and no longer."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bystander.errors import OutputUnwritable
from bystander.files import (
    OwnedFolder,
    check_name,
    named_after,
    replacing,
    sweep_work_folders,
    temporary_beside,
    work_folder,
)
from tests.conftest import REPOSITORY

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


def test_where_there_are_no_locks_nobody_s_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with work_folder(tmp_path) as folder:
        sweep_work_folders(tmp_path)
        assert folder.is_dir()
    assert not folder.exists()


def test_a_folder_of_ones_own_is_removed_by_its_owner_or_after_it(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from bystander.files import OwnedFolder; "
    script += "print(OwnedFolder('cache-', Path(sys.argv[1])).path, flush=True); os._exit(9)"
    child = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, cwd=REPOSITORY
    )
    left = Path(child.stdout.strip())
    assert left.is_dir()
    (tmp_path / "cache-of-somebody-else").mkdir()

    folder = OwnedFolder("cache-", tmp_path)
    assert not left.exists()
    (folder.path / "copy").write_bytes(b"copy")
    other = OwnedFolder("cache-", tmp_path)
    assert (folder.path / "copy").exists(), "its owner is alive"
    assert folder.path.stat().st_mode & 0o777 == 0o700
    for made in (folder, other):
        made.remove()
        made.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["cache-of-somebody-else"]
