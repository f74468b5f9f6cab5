"""FFmpeg's filters for sound, put together and emptied."""

from __future__ import annotations

from itertools import pairwise

import av.error
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext


def linked(graph: Graph, *steps: FilterContext) -> Graph:
    """The filters one after another, the last one's frames for `drained`."""
    for step, following in pairwise((*steps, graph.add("abuffersink"))):
        step.link_to(following)
    graph.configure()
    return graph


def drained(graph: Graph) -> list[AudioFrame]:
    """The frames that are done, in order."""
    frames: list[AudioFrame] = []
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames
        assert isinstance(frame, AudioFrame)
        frames.append(frame)
