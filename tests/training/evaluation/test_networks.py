from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bystander.errors import ModelError
from bystander.geometry.instances import Instance
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import open_session
from tests.conftest import shared
from training.evaluation.networks import Network, milliseconds, open_network
from training.evaluation.scores import SENSITIVE
from training.evaluation.truth import Rgb, at_analysis_size, clip_set


def facts(found: list[Instance]) -> list[tuple[float, int, tuple[float, ...]]]:
    return [(instance.score, instance.mask.area, instance.box) for instance in found]


def test_both_decodings_of_one_inference_are_those_of_separate_ones() -> None:
    weights = shared("models", "yolo11n-seg.onnx")
    opened = open_network(weights)
    session = open_session(weights)
    scenes = clip_set(shared("clips", "schoolgirls")).scenes()
    first, second = next(scenes).rgb, next(scenes).rgb
    product = PersonSegmenter(session)
    sensitive = PersonSegmenter(session, SegmenterSettings(confidence=SENSITIVE))
    assert facts(opened.product.segment([first])[0]) == facts(product.segment([first])[0])
    for frame in (first, second):  # the second was never seen by `product`
        assert facts(opened.sensitive.segment([frame])[0]) == facts(sensitive.segment([frame])[0])


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        open_network(tmp_path / "none.onnx")


class Noting:
    """Finds nobody, and notes when it was asked and about what."""

    def __init__(self, name: str, asked: list[tuple[str, tuple[int, ...]]]) -> None:
        self._name, self._asked = name, asked

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        self._asked.append((self._name, np.shape(frames)))
        return [[] for _ in frames]


def test_networks_take_turns_at_being_timed_with_one_frame_each() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    networks = {
        name: Network(Noting(name, asked), Noting("not timed", asked)) for name in ("a", "b")
    }
    times = milliseconds(networks, np.zeros((90, 160, 3), dtype=np.uint8), rounds=3)
    assert [name for name, _ in asked] == ["a", "b"] * (len(asked) // 2)
    assert {shape for _, shape in asked} == {(1, 384, 640, 3)}
    assert len(asked) > 2 * 3  # it warms up
    assert list(times) == ["a", "b"]


def test_small_pictures_are_enlarged_as_the_product_does() -> None:
    assert at_analysis_size(np.zeros((240, 320, 3), dtype=np.uint8)).shape == (480, 640, 3)
