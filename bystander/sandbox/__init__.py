"""Examining files from strangers: in a process of its own, under limits, then thrown away.

A decoder that crashes, hangs or eats memory takes down that process and nothing else.
Light on purpose: the child imports this package before anything confines it.
"""

from bystander.sandbox.examine import examine_photo, examine_video
from bystander.sandbox.excerpts import cut_clip, take_picture
from bystander.sandbox.facts import AudioFacts, ClipFacts, PhotoFacts, VideoFacts
from bystander.sandbox.limits import Limits
from bystander.sandbox.orders import ClipOrder, Moment, PictureOrder

__all__ = [
    "AudioFacts",
    "ClipFacts",
    "ClipOrder",
    "Limits",
    "Moment",
    "PhotoFacts",
    "PictureOrder",
    "VideoFacts",
    "cut_clip",
    "examine_photo",
    "examine_video",
    "take_picture",
]
