"""Showing a part of a stranger's video: one picture, or a few seconds around one person.

Like examining, it decodes what a stranger sent, and is done by the same confined child.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bystander.sandbox.child import ask, take_over
from bystander.sandbox.facts import ClipFacts, PhotoFacts
from bystander.sandbox.limits import Limits
from bystander.sandbox.orders import CLIP, PICTURE, ClipOrder, PictureOrder

_PICTURE_SECONDS = 10.0
_CLIP_SECONDS = 60.0
# On the clock: somebody is waiting. A keyframe may be some seconds of decoding away.


def take_picture(path: Path, limits: Limits, order: PictureOrder, target: Path) -> PhotoFacts:
    """Write one picture of the video `path` to `target`, a plain RGB JPEG. Safe in threads.

    Raises:
        VideoError: nothing can be decoded there, or not within `limits` and ten seconds. The
            message names no path.
    """
    with tempfile.TemporaryDirectory(prefix=".picture-", dir=target.parent) as folder:
        order.save(Path(folder))
        facts = ask("picture", path, Path(folder), _within(limits, _PICTURE_SECONDS), PhotoFacts)
        take_over(Path(folder) / PICTURE, target, "picture")
    return facts


def cut_clip(path: Path, limits: Limits, order: ClipOrder, target: Path) -> ClipFacts:
    """Write a clip of the video `path` to `target`. Safe in threads.

    Args:
        target: becomes an MP4 file that every browser plays: H.264, yuv420p, the longer side at
            most 640 pixels, at most 30 pictures a second, without sound and metadata.

    Raises:
        VideoError: nothing can be decoded there, or not within `limits` and a minute. The
            message names no path.
    """
    with tempfile.TemporaryDirectory(prefix=".clip-", dir=target.parent) as folder:
        order.save(Path(folder))
        facts = ask("clip", path, Path(folder), _within(limits, _CLIP_SECONDS), ClipFacts)
        take_over(Path(folder) / CLIP, target, "clip")
    return facts


def _within(limits: Limits, seconds: float) -> Limits:
    return limits.model_copy(update={"wall": min(limits.wall, seconds)})
