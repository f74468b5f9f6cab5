"""What examining a video finds, for stores and services that are given no real one."""

from __future__ import annotations

from bystander.sandbox.protocol import VideoFacts

FACTS = VideoFacts(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    codec="h264",
    width=384,
    height=216,
    duration=1.6,
    frame_count=40,
    average_rate=25.0,
    variable_frame_rate=False,
    rotation=0,
    hdr=False,
    bit_depth=8,
    audio=(),
    posters=0,
)
"""Of a scene as `tests.support.drawn` films it."""
