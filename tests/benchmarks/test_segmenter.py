"""The segmenter's benchmark runs, and its first file is the yardstick."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from benchmarks.segmenter import Speed, compare, markdown
from tests.training.export.networks import tiny


def test_the_first_file_is_the_yardstick(tmp_path: Path) -> None:
    paths = [tmp_path / "slow.onnx", tmp_path / "fast.onnx"]
    for path in paths:
        path.write_bytes(b"0" * 1_500_000)
    slow = Speed(paths[0], opening=80, single=60, paired=40, peak=100 * 2**20)
    fast = Speed(paths[1], opening=40, single=20, paired=10, peak=80 * 2**20)

    *_, last = markdown([slow, fast]).splitlines()

    assert last == "| fast.onnx | 1.5 | 40 | 20.0 | 3.00 | 10.0 | 4.00 | 80 |"


@pytest.mark.long
def test_each_file_is_timed(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    onnx.save(tiny(), path)

    first, second = compare([path, path], rounds=1)

    assert first.path == second.path == path
    assert min(first.opening, first.single, first.paired, first.peak) > 0
