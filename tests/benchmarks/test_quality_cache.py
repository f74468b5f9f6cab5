"""What networks answered once is answered again without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.quality.cache import LEAST_SCORE, Store, _CachedBodies, _CachedSession
from bystander.models.sessions import Array, Tensor


class Network:
    """Proposals of which every other is likely, and prototypes; counts its runs."""

    inputs = (Tensor("images", (None, 3, None, None), "tensor(float)"),)
    outputs = (Tensor("a", (None, 6, None), "f"), Tensor("b", (None, 2, None, None), "f"))

    def __init__(self) -> None:
        self.runs = 0

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        self.runs += 1
        proposals = np.full((1, 6, 10), 0.3, dtype=np.float32)
        proposals[:, 4] = np.where(np.arange(10) % 2, 0.7, LEAST_SCORE / 2)
        return [proposals, feeds["images"][:, :2] / 3]


def feeds(value: float) -> dict[str, NDArray[np.float32]]:
    return {"images": np.full((1, 3, 8, 8), value, dtype=np.float32)}


def test_a_network_runs_once_for_a_picture_even_in_another_process(tmp_path: Path) -> None:
    network = Network()
    _CachedSession(network, Store(tmp_path), "v1").run(feeds(1))
    again = _CachedSession(network, Store(tmp_path), "v1").run(feeds(1))
    assert network.runs == 1
    proposals, prototypes = again
    assert (proposals[0, :, 1::2] == network.run(feeds(1))[0][0, :, 1::2]).all()
    assert (proposals[0, 4, ::2] == 0).all(), "unlikely proposals stay unlikely"
    assert prototypes.dtype == np.float32
    assert prototypes == pytest.approx(1 / 3, abs=1e-3)


def test_answers_of_a_row_a_person_are_kept_whole(tmp_path: Path) -> None:
    class Detr(Network):
        def run(self, feeds: Mapping[str, Array]) -> list[Array]:
            return [np.linspace(0, 1, 100 * 4, dtype=np.float32).reshape(1, 100, 4)]

    kept = [_CachedSession(Detr(), Store(tmp_path), "v1").run(feeds(1))[0] for _ in range(2)]
    assert (kept[1] == Detr().run(feeds(1))[0]).all()


@pytest.mark.parametrize(("version", "value"), [("v2", 1.0), ("v1", 2.0)])
def test_other_weights_or_pictures_are_run(tmp_path: Path, version: str, value: float) -> None:
    network = Network()
    _CachedSession(network, Store(tmp_path), "v1").run(feeds(1))
    _CachedSession(network, Store(tmp_path), version).run(feeds(value))
    assert network.runs == 2


def test_a_damaged_answer_is_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get("kind", "abcd", lambda: 5) == 5
    (tmp_path / "kind" / "ab" / "abcd").write_bytes(b"\x80")
    assert store.get("kind", "abcd", lambda: 6) == 6
    assert store.get("kind", "abcd", lambda: 7) == 6


class Bodies:
    name, across_shots = "sum", False

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, crops: Sequence[Any], masks: Sequence[Any] | None = None) -> NDArray[Any]:
        self.asked += len(crops)
        return np.array([[crop.sum(), 1] for crop in crops], dtype=np.float32).reshape(-1, 2)


def test_bodies_are_looked_up_one_by_one(tmp_path: Path) -> None:
    inner = Bodies()
    bodies = _CachedBodies(inner, Store(tmp_path))
    one, two = (np.full((4, 4, 3), value, dtype=np.uint8) for value in (1, 2))
    bodies.embed([one])
    found = bodies.embed([two, one])
    assert found[:, 0].tolist() == [96, 48]
    assert inner.asked == 2
    assert bodies.embed([]).shape == (0, 2)
