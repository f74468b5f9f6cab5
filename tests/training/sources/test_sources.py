from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from training.sources import CocoSource, RoboflowSource, Source, YoloSource

SOURCES: TypeAdapter[Source] = TypeAdapter(Source)


def test_the_kind_decides_which_source_it_is() -> None:
    coco = {"kind": "coco", "name": "a", "annotations": "a.json", "images": "a"}
    yolo = {"kind": "yolo", "name": "b", "data": "b/data.yaml"}
    universe = {"workspace": "w", "project": "p", "version": 1, "folder": "c"}

    assert isinstance(SOURCES.validate_python(coco), CocoSource)
    assert isinstance(SOURCES.validate_python(yolo), YoloSource)
    found = SOURCES.validate_python({"kind": "roboflow", "name": "c", **universe})
    assert isinstance(found, RoboflowSource)


@pytest.mark.parametrize(
    "change", [{"name": "a/b"}, {"limit": 0}, {"kind": "voc"}, {"split": "val"}]
)
def test_settings_that_mean_nothing_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SOURCES.validate_python({"kind": "yolo", "name": "b", "data": "data.yaml", **change})
