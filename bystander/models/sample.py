"""A picture with people in it that comes with the install, to try networks on."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from bystander.geometry.types import Rgb


def group_photo() -> Path:
    """InsightFace's test picture: six people."""
    return Path(str(files("insightface") / "data" / "images" / "t1.jpg"))


def group_picture() -> Rgb:
    """The same, decoded: uint8 [H, W, 3] RGB."""
    content = np.frombuffer(group_photo().read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return picture.astype(np.uint8, copy=False)
