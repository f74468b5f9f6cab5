"""In the child: one picture of a video, the one that is shown at a given time."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bystander.errors import UnsupportedVideo
from bystander.sandbox.facts import PhotoFacts
from bystander.sandbox.limits import Limits
from bystander.sandbox.orders import PICTURE, PictureOrder
from bystander.sandbox.source import Source, size_within

_QUALITY = 92  # JPEG's


def write_picture(path: Path, folder: Path, limits: Limits) -> PhotoFacts:
    """Write the picture that the order in `folder` asks for: upright, in square pixels.

    Beyond the video's end it is the last one.

    Raises:
        VideoError: nothing there can be decoded.
    """
    order = PictureOrder.load(folder)
    source = Source(path, limits.max_side)
    wanted = source.origin + round(order.seconds / source.time_base)
    shown = None
    for frame in source.frames(wanted):
        if shown is not None and frame.pts > wanted:
            break
        shown = frame
    if shown is None:
        raise UnsupportedVideo(f"{path} shows nothing that can be decoded there")
    size = size_within(source.shape, order.longest)
    Image.fromarray(shown.rgb(size)).save(folder / PICTURE, "JPEG", quality=_QUALITY)
    return PhotoFacts(width=size[0], height=size[1])
