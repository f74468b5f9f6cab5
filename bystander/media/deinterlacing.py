"""Interlaced frames in, progressive frames out, as many and at the same times."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

import av
import av.error

from bystander.media.encoder import Deinterlacing
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.reader import Frame

log = logging.getLogger(__name__)

_MODES: Final = {Deinterlacing.FLAGGED: "interlaced", Deinterlacing.EVERY: "all"}
# What frames say of themselves counts; those that say nothing go by the video.
_PARITIES: Final = {
    FieldOrder.PROGRESSIVE: "auto", FieldOrder.TOP_FIRST: "tff", FieldOrder.BOTTOM_FIRST: "bff",
}  # fmt: skip


def deinterlaced(
    frames: Iterator[Frame], info: VideoInfo, deinterlacing: Deinterlacing, lead: bool = False
) -> Iterator[Frame]:
    """`frames` with each interlaced picture as it was when its first field was filmed.

    The first field's lines stay as they are, the others are interpolated, by FFmpeg's bwdif,
    which looks at the pictures before and after: one frame is held back.

    Args:
        frames: of one video, in order, with no gap.
        deinterlacing: which of them; with NONE they pass as they are.
        lead: the first frame isn't given, it only helps with the one after it.
    """
    if deinterlacing is Deinterlacing.NONE:
        yield from _warned_of(frames, info)
        return
    parity = _PARITIES[info.field_order] if deinterlacing is Deinterlacing.EVERY else "auto"
    options = f"mode=send_frame:parity={parity}:deint={_MODES[deinterlacing]}"
    graph: av.filter.Graph | None = None
    held: deque[Frame] = deque()
    for frame in chain(frames, (None,)):  # None: the filter gives up what it still holds
        if frame is not None:
            graph = graph or _graph(frame.picture, info, options)
            held.append(frame)
        elif graph is None:
            return
        graph.push(None if frame is None else frame.picture)
        for picture in _pictures(graph):
            done = held.popleft()
            if not lead:
                yield replace(done, picture=picture)
            lead = False


def _warned_of(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    """`frames` as they are; those whose flag can't be kept are told of, once."""
    told = info.field_order is not FieldOrder.PROGRESSIVE
    for frame in frames:
        if frame.picture.interlaced_frame and not told:
            log.warning(
                "from frame %d on pictures are interlaced, where the first ones are not: they are "
                "written as progressive ones, unless all are deinterlaced (--deinterlace on)",
                frame.index,
            )
            told = True
        yield frame


def _graph(picture: av.VideoFrame, info: VideoInfo, options: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=info.time_base,
    )
    graph.link_nodes(source, graph.add("bwdif", options), graph.add("buffersink")).configure()
    return graph


def _pictures(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    """What comes out of it by now."""
    while True:
        try:
            picture = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(picture, av.VideoFrame)
        yield picture
