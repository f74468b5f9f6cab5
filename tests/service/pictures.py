"""What is in a video: its pictures and its sound, to be compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BLOCK = 16


def same(video: Path, other: Path) -> bool:
    """Whether pictures and sound are the same, bit for bit."""
    return digests(video) == digests(other) and sound(video) == sound(other)


def digests(video: Path) -> list[str]:
    """Of each decoded frame: its pixels and when it is shown."""
    with av.open(str(video)) as container:
        return [
            hashlib.sha256(
                frame.to_ndarray(format="yuv420p").tobytes() + str(frame.time).encode()
            ).hexdigest()
            for frame in container.decode(video=0)
        ]


def sound(video: Path) -> list[bytes]:
    """The packets of the sound."""
    with av.open(str(video)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def blocks(video: Path) -> NDArray[np.float64]:
    """Means of 16x16 pixels of each frame, [N, H // 16, W // 16] grey: no noise of an encoder."""
    with av.open(str(video)) as container:
        greys = np.array([f.to_ndarray(format="gray") for f in container.decode(video=0)])
    count, height, width = greys.shape
    down, across = height // BLOCK, width // BLOCK
    cut = greys[:, : down * BLOCK, : across * BLOCK]
    means: NDArray[np.float64] = cut.reshape(count, down, BLOCK, across, BLOCK).mean((2, 4))
    return means
