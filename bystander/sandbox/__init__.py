"""Examining files from strangers: in a process of its own, under limits, then thrown away.

A decoder that crashes, hangs or eats memory takes down that process and nothing else.
Light on purpose: the child imports this package before anything confines it.
"""

from bystander.sandbox.examine import (
    cut_clip,
    draw_masks,
    examine_photo,
    examine_video,
    follow_mask,
    make_proxy,
    proxy_bytes,
    take_frame,
    take_picture,
)
from bystander.sandbox.protocol import (
    AudioFacts,
    ClipFacts,
    ClipOrder,
    CountedFrames,
    FollowedKey,
    FollowedStep,
    FollowFacts,
    FollowOrder,
    FrameOrder,
    Limits,
    MasksFacts,
    MasksOrder,
    Moment,
    PhotoFacts,
    PictureOrder,
    VideoFacts,
)

__all__ = [
    "AudioFacts",
    "ClipFacts",
    "ClipOrder",
    "CountedFrames",
    "FollowFacts",
    "FollowOrder",
    "FollowedKey",
    "FollowedStep",
    "FrameOrder",
    "Limits",
    "MasksFacts",
    "MasksOrder",
    "Moment",
    "PhotoFacts",
    "PictureOrder",
    "VideoFacts",
    "cut_clip",
    "draw_masks",
    "examine_photo",
    "examine_video",
    "follow_mask",
    "make_proxy",
    "proxy_bytes",
    "take_frame",
    "take_picture",
]
