"""Files from strangers -> facts, pictures and clips, by a confined child.

Like examining, it decodes what a stranger sent, and is done by the same confined child.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter

from bystander.sandbox.child import ask, take_over
from bystander.sandbox.protocol import (
    CLIP,
    MASKS,
    MAX_POSTERS,
    PICTURE,
    PROXY_BITS_PER_SECOND,
    TIMELINE,
    ClipFacts,
    ClipOrder,
    FollowedStep,
    FollowFacts,
    FollowOrder,
    FrameOrder,
    Limits,
    MasksFacts,
    MasksOrder,
    PhotoFacts,
    PictureOrder,
    VideoFacts,
)

_PICTURE_SECONDS = 10.0
_CLIP_SECONDS = 60.0
_GRACE_SECONDS = 10.0
"""Beyond what an order gives a child, in which it starts and ends."""

_PROXY_CPU_PER_SECOND = 20.0  # seconds for each of the video; 8K takes about that
_SHARE: Final = TypeAdapter(
    tuple[Annotated[float, Field(ge=0, le=1)]], config=ConfigDict(strict=True)
)
_STEPS: Final = TypeAdapter(list[FollowedStep], config=ConfigDict(strict=True))


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
        target: becomes an MP4 file that every browser plays: H.264, yuv420p, at most
            30 pictures a second, without sound and metadata.

    Raises:
        VideoError: nothing can be decoded there, or not within `limits` and a minute. The
            message names no path.
    """
    with tempfile.TemporaryDirectory(prefix=".clip-", dir=target.parent) as folder:
        order.save(Path(folder))
        facts = ask("clip", path, Path(folder), _within(limits, _CLIP_SECONDS), ClipFacts)
        take_over(Path(folder) / CLIP, target, "clip")
    return facts


def take_frame(path: Path, limits: Limits, order: FrameOrder, target: Path) -> PhotoFacts:
    """Write one frame of the video `path` to `target`, a plain RGB JPEG. Safe in threads.

    Raises:
        VideoError: it can't be decoded, or not within `limits` and ten seconds. The message names
            no path.
    """
    with tempfile.TemporaryDirectory(prefix=".frame-", dir=target.parent) as folder:
        order.save(Path(folder))
        facts = ask("frame", path, Path(folder), _within(limits, _PICTURE_SECONDS), PhotoFacts)
        take_over(Path(folder) / PICTURE, target, "frame")
    return facts


def follow_mask(
    path: Path,
    limits: Limits,
    order: FollowOrder,
    hear: Callable[[list[FollowedStep]], None],
    cancelled: Callable[[], bool],
) -> FollowFacts:
    """Follow a drawn mask through the video `path`. Safe in threads.

    Args:
        order: what `bystander.editing.paths.MaskFollower` needs to know.
        hear: takes what was found, in the order of `MaskFollower.places`, ten times a second.
        cancelled: asked as often whether nobody wants to know any more.

    Raises:
        VideoError: it can't be decoded, or not within `limits`. The message names no path.
        Cancelled: nobody wants to know any more.
    """
    frames = range(order.first, order.first + len(order.pts))

    def checked(line: bytes) -> None:
        steps = _STEPS.validate_json(line)
        if not all(step.frame in frames and step.key < len(order.keys) for step in steps):
            raise ValueError("it tells of what it wasn't asked for")
        hear(steps)

    with tempfile.TemporaryDirectory(prefix=".follow-", dir=path.parent) as folder:
        order.save(Path(folder))
        within = _within(limits, order.seconds + _GRACE_SECONDS)
        return ask("follow", path, Path(folder), within, FollowFacts, checked, cancelled)


def make_proxy(
    path: Path,
    limits: Limits,
    seconds: float,
    target: Path,
    hear: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> ClipFacts:
    """Write a copy of the video `path` for browsers to `target`. Safe in threads.

    Args:
        seconds: how long the video is.
        target: becomes an MP4 file that every browser plays: H.264, yuv420p, the longer side at
            most 1280 pixels, every frame when a player shows it, without sound and metadata.
        hear: takes the share that is done, twice a second.
        cancelled: asked ten times a second whether nobody wants it any more.

    Raises:
        VideoError: it can't be decoded, or not within `limits` and a time that goes with its
            length. The message names no path.
        Cancelled: nobody wants it any more.
    """

    def heard(line: bytes) -> None:
        hear(_SHARE.validate_json(line)[0])

    longer = limits.model_copy(
        update={
            "cpu": limits.cpu + _PROXY_CPU_PER_SECOND * seconds,
            "wall": limits.wall + 2 * _PROXY_CPU_PER_SECOND * seconds,
            "output": limits.output + proxy_bytes(seconds),
        }
    )
    with tempfile.TemporaryDirectory(prefix=".proxy-", dir=target.parent) as folder:
        facts = ask("proxy", path, Path(folder), longer, ClipFacts, heard, cancelled)
        take_over(Path(folder) / CLIP, target, "proxy")
    return facts


def draw_masks(
    path: Path,
    limits: Limits,
    order: MasksOrder,
    timeline: Path,
    target: Path,
    cancelled: Callable[[], bool],
) -> MasksFacts:
    """Write everybody's masks in the video `path` to `target`, as COCO's JSON. Safe in threads.

    Args:
        limits: of these drawing may use all; more than examining a video needs.
        timeline: of that video; the child gets a copy.
        target: becomes the file.
        cancelled: asked ten times a second whether nobody wants it any more.

    Raises:
        VideoError: the video can't be decoded, or not within `limits`. The message names no path.
        Cancelled: nobody wants it any more.
    """
    with tempfile.TemporaryDirectory(prefix=".masks-", dir=target.parent) as folder:
        order.save(Path(folder))
        shutil.copyfile(timeline, Path(folder) / TIMELINE)  # a link could be written through
        facts = ask("masks", path, Path(folder), limits, MasksFacts, _check_share, cancelled)
        take_over(Path(folder) / MASKS, target, "masks")
    return facts


def _check_share(line: bytes) -> None:
    _SHARE.validate_json(line)


def proxy_bytes(seconds: float) -> int:
    """How many bytes a copy for browsers has, at most about."""
    return int(seconds * PROXY_BITS_PER_SECOND / 8)


def _within(limits: Limits, seconds: float) -> Limits:
    return limits.model_copy(update={"wall": min(limits.wall, seconds)})
