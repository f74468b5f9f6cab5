"""Where the pictures come from: data sets in the formats that people publish them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from training.pictures import Picture
from training.sources.coco import CocoSource, read_coco
from training.sources.roboflow import RoboflowSource, read_roboflow
from training.sources.yolo import YoloSource, read_yolo

__all__ = ["CocoSource", "RoboflowSource", "Source", "YoloSource", "read"]

Source = Annotated[CocoSource | YoloSource | RoboflowSource, Field(discriminator="kind")]


def read(source: Source, folder: Path) -> Iterator[Picture]:
    """The pictures of `source`, as they are: cleaning looks for what is wrong with them.

    An annotation outside its image, with NaN or with too few corners is passed on, and so
    is a picture whose file is missing or damaged.

    Args:
        folder: what the source's relative paths are relative to.

    Raises:
        ConfigError: a path holds an environment variable that isn't set.
        DataError: the data set can't be had (see `training.errors`).
        InvalidAnnotation: a file isn't of the format that it should be; the message
            names the file and the line or annotation.
    """
    match source:
        case CocoSource():
            return read_coco(source, folder)
        case YoloSource():
            return read_yolo(source, folder)
        case RoboflowSource():
            return read_roboflow(source, folder)
