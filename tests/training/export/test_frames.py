from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.errors import DataError
from training.export.frames import frames_in


def test_pictures_come_as_rgb_at_analysis_size_in_the_order_of_their_names(tmp_path: Path) -> None:
    red = np.zeros((600, 1280, 3), dtype=np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "b.png"), red)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 30, 3), dtype=np.uint8))
    (tmp_path / "README.md").write_text("no picture")

    small, large = frames_in(tmp_path)

    assert small.shape == (40, 30, 3)
    assert large.shape == (300, 640, 3)
    assert large[0, 0].tolist() == [255, 0, 0]


def test_a_folder_without_pictures_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no JPEG or PNG"):
        list(frames_in(tmp_path))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no jpeg")

    with pytest.raises(DataError, match=r"broken\.jpg"):
        list(frames_in(tmp_path))
