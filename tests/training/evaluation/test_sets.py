from __future__ import annotations

from pathlib import Path

import pytest

from bystander.config import read_config
from bystander.errors import ConfigError
from tests.conftest import REPOSITORY
from tests.training.evaluation.made import write_crowds
from training.errors import DataError
from training.evaluation.sets import SetPaths

LISTED = REPOSITORY / "configs" / "training" / "evaluation.yaml"
PERSON = ((16, 16, 64, 160), 1.0)


def test_paths_are_read_with_their_variables_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_crowds(tmp_path / "made", [[PERSON]])
    monkeypatch.setenv("SOME_FOLDER", str(tmp_path))
    (images,) = SetPaths(idmaps=("${SOME_FOLDER}/made",)).open()
    assert (images.name, images.count) == ("made", 1)


def test_a_variable_that_isnt_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BYSTANDER_SHARED", raising=False)
    with pytest.raises(ConfigError, match="BYSTANDER_SHARED, which isn't set"):
        read_config(LISTED, SetPaths).open()


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "crowds", tmp_path / "b" / "crowds"]
    for folder in folders:
        write_crowds(folder, [[PERSON]])
    with pytest.raises(ConfigError, match="called crowds"):
        SetPaths(idmaps=tuple(map(str, folders))).open()


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    write_crowds(tmp_path / "crowds", [])
    (tmp_path / "crowds" / "people.jsonl").write_text("")
    with pytest.raises(DataError, match="crowds has no images"):
        SetPaths(idmaps=(str(tmp_path / "crowds"),)).open()
