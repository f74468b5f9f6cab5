from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bystander.progress import Progress
from tests.conftest import shared
from tests.training.evaluation.made import Sees, network, write_crowds
from training.evaluate import app, evaluate_networks
from training.evaluation.truth import crowd_set

LEFT, RIGHT = (16, 16, 112, 208), (320, 16, 416, 208)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.long
def test_networks_are_compared_on_the_same_images_set_by_set(tmp_path: Path) -> None:
    write_crowds(tmp_path / "two", [[(LEFT, 1.0), (RIGHT, 0.2)], [(LEFT, 1.0)]])
    write_crowds(tmp_path / "one", [[(RIGHT, 1.0)]])
    networks = {"start": network(Sees(colours=1)), "ours": network(Sees())}
    reported: list[Progress] = []
    rows = evaluate_networks(
        networks, [crowd_set(tmp_path / name) for name in ("two", "one")], reported.append
    )
    assert [(row.images, row.network) for row in rows] == [
        ("two", "start"),
        ("two", "ours"),
        ("one", "start"),
        ("one", "ours"),
    ]
    start, ours = rows[0].figures, rows[1].figures
    assert start["recall"].value == pytest.approx(2 / 3)
    assert ours["recall"].value == 1
    assert (start["recall_hidden"].value, ours["recall_hidden"].value) == (0, 1)
    assert start["recall"].change is None
    assert ours["recall"].change is not None
    assert ours["recall"].change.value == pytest.approx(1 / 3)
    assert rows[0].mistakes.tolist() == [1, 0]
    assert (reported[-1].stage, reported[-1].done, reported[-1].total) == ("one", 1, 1)


@pytest.mark.long
def test_the_command_writes_the_table_as_json_page_and_markdown(tmp_path: Path) -> None:
    weights = shared("models", "yolo11n-seg.onnx")
    write_crowds(tmp_path / "crowds", [[(LEFT, 1.0)], [(RIGHT, 0.2)]])
    out, card = tmp_path / "out", tmp_path / "card.md"
    result = invoke(
        "--start", weights, "--candidate", weights, "--idmaps", tmp_path / "crowds", "-o", out,
        "--markdown", card,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    content = json.loads((out / "evaluation.json").read_text())
    assert content["sets"]["crowds"]["images"] == 2
    assert list(content["networks"]) == ["yolo11n-seg", str(weights)]
    assert len(set(content["networks"].values())) == 1  # the same file, the same checksum
    # A flat block is nobody to a network that has seen people, and twice it sees the same.
    assert content["rows"][1]["figures"]["recall"]["change"]["value"] == 0
    assert "recall, hidden" in card.read_text()
    page = (out / "evaluation.html").read_text()
    assert "1.jpg: yolo11n-seg 0 found, 1 missed" in page
    assert sorted(path.name for path in out.iterdir()) == ["evaluation.html", "evaluation.json"]


def test_without_a_test_set_the_command_says_what_to_give(tmp_path: Path) -> None:
    result = invoke("--start", tmp_path / "a.onnx", "-o", tmp_path)
    assert result.exit_code == 9
    assert "there is no test set" in result.stderr


@pytest.mark.long
def test_a_network_that_is_missing_ends_the_command_with_its_exit_code(tmp_path: Path) -> None:
    write_crowds(tmp_path / "crowds", [[(LEFT, 1.0)]])
    result = invoke("--start", "none.onnx", "--idmaps", tmp_path / "crowds", "-o", tmp_path / "out")
    assert result.exit_code == 6
    assert "none.onnx" in result.stderr
    assert not (tmp_path / "out").exists()
