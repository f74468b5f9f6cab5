"""Files from strangers -> facts, pictures and clips, by a confined child.

Like examining, it decodes what a stranger sent, and is done by the same confined child.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bystander.sandbox.child import ask, take_over
from bystander.sandbox.protocol import (
    CLIP,
    MAX_POSTERS,
    PICTURE,
    ClipFacts,
    ClipOrder,
    Limits,
    PhotoFacts,
    PictureOrder,
    VideoFacts,
)

_PICTURE_SECONDS = 10.0
_CLIP_SECONDS = 60.0


def examine_video(path: Path, limits: Limits, posters: Path) -> VideoFacts:
    """What `path` holds, found out by a child process under `limits`. Safe in threads.

    Args:
        posters: folder for up to five pictures of the video, 0.jpg, 1.jpg, ..., the longer
            side at most 640 pixels. Made if absent; those of an earlier video are replaced.

    Raises:
        VideoError: it can't be processed, or not be examined within `limits`. The message
            names no path.
    """
    posters.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".examine-", dir=posters.parent) as folder:
        facts = ask("video", path, Path(folder), limits, VideoFacts)
        for number in range(MAX_POSTERS):
            poster = posters / f"{number}.jpg"
            if number < facts.posters:
                take_over(Path(folder) / f"{number}.jpg", poster, "video")
            else:
                poster.unlink(missing_ok=True)
    return facts


def examine_photo(path: Path, limits: Limits, target: Path) -> PhotoFacts:
    """Re-encode `path` to `target` in a child process under `limits`. Safe in threads.

    Args:
        target: becomes a plain RGB JPEG: upright, without metadata, the longer side at most
            2048 pixels. Appears whole or not at all.

    Raises:
        PhotoError: no photo, or it can't be examined within `limits`. The message names no
            path.
    """
    with tempfile.TemporaryDirectory(prefix=".examine-", dir=target.parent) as folder:
        facts = ask("photo", path, Path(folder), limits, PhotoFacts)
        take_over(Path(folder) / "0.jpg", target, "photo")
    return facts


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
