from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bystander.errors import OutputUnwritable
from training.errors import DataError
from training.evaluation.report import (
    Row,
    arriving,
    as_json,
    learning_curves,
    markdown,
    precision_recall,
    show,
    table,
)
from training.evaluation.scores import Figure

NOTHING = np.zeros(0)
CURVE = np.linspace(1, 0, 101)


def row(network: str, images: str, **figures: Figure) -> Row:
    return Row(network, images, figures, CURVE, NOTHING)


CHANGE = Figure(0.05, -0.01, 0.11)
ROWS = [
    row("start", "crowds", recall=Figure(0.5, 0.4, 0.6, 30), ap50=Figure(0.7, 0.65, 0.75)),
    row(
        "ours",
        "crowds",
        recall=Figure(0.55, 0.45, 0.65, 30, CHANGE),
        ap50=Figure(0.75, 0.7, 0.8, change=CHANGE),
        boundary_iou=Figure(math.nan, math.nan, math.nan),
    ),
]
TIMES = {"start": 20.04, "ours": 19.96}


def test_the_table_has_a_line_a_figure_and_a_column_a_network() -> None:
    assert table(ROWS, TIMES) == [
        {
            "images": "crowds",
            "figure": "mask AP50",
            "start": "0.700 [0.650, 0.750]",
            "ours": "0.750 (+0.050 [-0.010, +0.110])",
        },
        {
            "images": "crowds",
            "figure": "recall from 0.25, 30 people",
            "start": "50.0 % [40.0, 60.0]",
            "ours": "55.0 % (+5.0 [-1.0, +11.0])",
        },
        {
            "images": "one frame, 640x384",
            "figure": "ms, one thread",
            "start": "20.0",
            "ours": "20.0",
        },
    ]


def test_the_markdown_is_the_table_with_numbers_to_the_right() -> None:
    lines = markdown(table(ROWS, TIMES)).splitlines()
    assert lines[0] == "| images | figure | start | ours |"
    assert lines[1] == "| --- | --- | ---: | ---: |"
    assert len(lines) == 2 + 3


def test_a_terminal_that_is_a_file_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(table(ROWS, TIMES))
    shown = capsys.readouterr().out
    assert "0.750 (+0.050 [-0.010, +0.110])" in shown
    assert "one frame, 640x384" in shown


def test_json_holds_what_is_left_out_of_the_table_as_null() -> None:
    content = json.loads(as_json(ROWS, TIMES, command="python -m training.evaluate"))
    ours = content["rows"][1]
    assert ours["figures"]["boundary_iou"]["value"] is None
    assert ours["figures"]["recall"]["change"] == {
        "value": 0.05,
        "low": -0.01,
        "high": 0.11,
        "whole": None,
        "change": None,
    }
    assert content["milliseconds"] == TIMES
    assert content["command"] == "python -m training.evaluate"


def test_a_file_arrives_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with arriving(path) as temporary:
        temporary.write_text("one")
    with pytest.raises(UnicodeEncodeError), arriving(path) as temporary:
        temporary.write_text("two \udc80", encoding="utf-8")
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cant_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(OutputUnwritable, match=r"a/b\.json"), arriving(tmp_path / "a" / "b.json"):
        pass


def test_precision_recall_curves_of_all_networks_are_one_picture() -> None:
    start, both = precision_recall(ROWS[:1]), precision_recall(ROWS)
    assert start.shape == both.shape
    assert both.shape[2] == 3
    assert not np.array_equal(start, both)


def write_history(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


HEAD = "epoch,   time,train/seg_loss,metrics/mAP50(M),val/seg_loss,lr/pg0"


def test_learning_curves_are_read_from_ultralytics_history(tmp_path: Path) -> None:
    history = write_history(tmp_path / "a.csv", HEAD, "1,60,2.0,0.3,2.5,0.1", "2,120,1.5,0.4,2,0.1")
    drawn = learning_curves(history)
    assert drawn.shape[2] == 3
    assert drawn.std() > 10


@pytest.mark.parametrize(
    "lines", [[], [HEAD], ["a,b", "1,2"], [HEAD, "1,2"], [HEAD, "1,x,2,2,2,2"]]
)
def test_a_history_that_is_none_is_named(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(DataError, match=r"a\.csv"):
        learning_curves(write_history(tmp_path / "a.csv", *lines))
