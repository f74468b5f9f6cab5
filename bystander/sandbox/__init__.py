"""Examining files from strangers: in a process of its own, under limits, then thrown away.

A decoder that crashes, hangs or eats memory takes down that process and nothing else.
Light on purpose: the child imports this package before anything confines it.
"""

from bystander.sandbox.examine import examine_photo, examine_video
from bystander.sandbox.facts import AudioFacts, PhotoFacts, VideoFacts
from bystander.sandbox.limits import Limits

__all__ = ["AudioFacts", "Limits", "PhotoFacts", "VideoFacts", "examine_photo", "examine_video"]
