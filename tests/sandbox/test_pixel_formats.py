"""In a process of its own: FFmpeg's scaler doesn't fail over a format, it aborts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bystander.errors import UnsupportedVideo
from bystander.media.probe import probe
from tests.conftest import REPOSITORY
from tests.support.videos import Clip, make_video

SURVIVES = """
import av, numpy as np
from av.video.format import names
from bystander.media.display import AspectMeter
from bystander.media.display import UPRIGHT, Orientation
from bystander.media.probe import _PIXEL_FORMATS
from bystander.media.reader import Frame
from bystander.media.colour import RgbScaler

for name in sorted(filter(_PIXEL_FORMATS.fullmatch, names)):
    for size in ((64, 48), (33, 17)):
        print(name, flush=True)
        picture = av.VideoFrame(*size, name)
        for plane in picture.planes:
            np.frombuffer(memoryview(plane), np.uint8)[:] = 200
        assert AspectMeter().measure(picture) in (1, None)
        for orientation in (UPRIGHT, Orientation(90, mirrored=True)):
            frame = Frame(0, 0, None, picture, orientation, False, RgbScaler())
            assert frame.rgb().size == 3 * size[0] * size[1]
            frame.rgb((16, 16))
            for planar in ("yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le"):
                assert frame.upright(planar).format.name == planar
print("all")
"""


@pytest.mark.long
def test_every_pixel_format_that_is_accepted_can_be_scaled_and_drawn_on() -> None:
    command = [sys.executable, "-c", SURVIVES]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    names = ended.stdout.split()
    assert names[-1] == "all", f"{names[-1]}: {ended.returncode} {ended.stderr}"
    assert {"yuv420p", "yuvj420p", "yuv422p10le", "nv12", "pal8", "bgr24"} < set(names)


def test_a_pixel_format_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    floats = Clip(codec="ffv1", pixel_format="gbrpf32le", options={"strict": "-2"})

    with pytest.raises(UnsupportedVideo, match="gbrpf32le"):
        probe(make_video(tmp_path / "v.mkv", floats))
