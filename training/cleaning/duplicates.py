"""Finding one picture in another: the same photo recompressed, scaled, brightened or cropped.

Perceptual hashes (DCT of a small version, the `imagehash` package) that differ in few bits
give candidates; street photos of one photographer are among them. What decides is how well
the two thumbnails correlate once one of them is laid over the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.cleaning.findings import Check, Finding
from training.cleaning.settings import CleaningSettings
from training.pictures import Picture

Thumbnail = NDArray[np.uint8]
"""uint8 [48, 48]: grey values, squeezed to a square. Kept for every picture: 2.3 kB."""

_SIDE = 48
_CROPPED = 42  # pixels of a thumbnail that remain of one cropped to 87 %
_STEP = 2
_FLAT = 2.0  # standard deviation of grey values, below which there is nothing to compare
_BLOCK = 64  # rows of the table of distances at a time: 50 MB for 100 000 pictures


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """What a picture is recognised by.

    Attributes:
        hash: of 64 bits.
    """

    hash: int
    thumbnail: Thumbnail


@dataclass(frozen=True, slots=True)
class Pair:
    """Two indices of one picture, by how many bits the hashes differ, and the correlation."""

    a: int
    b: int
    distance: int
    likeness: float


def fingerprint(image: Image.Image) -> Print:
    """The print of an upright picture."""
    bits = imagehash.phash(image).hash
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return Print(int.from_bytes(np.packbits(bits).tobytes()), np.asarray(grey))


def pairs(prints: Sequence[Print], settings: CleaningSettings) -> Iterator[Pair]:
    """All pairs that are one picture."""
    hashes = np.array([each.hash for each in prints], dtype=np.uint64)
    for a, b, distance in close(hashes, settings.hash_distance):
        alike = likeness(prints[a].thumbnail, prints[b].thumbnail)
        if alike >= settings.likeness:
            yield Pair(a, b, distance, alike)


def close(hashes: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int, int]]:
    """All pairs of hashes that differ in at most `distance` bits: a < b, and the bits.

    Every pair is counted, which NumPy does at 0.4 billion pairs a second: 13 s for 100 000
    pictures, of which decoding takes a quarter of an hour. An index (multi-index hashing,
    Norouzi et al. 2012) gains little at such distances.
    """
    for start in range(0, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK]
        distances = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        rows, columns = np.nonzero(distances <= distance)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if row < column:
                yield start + row, start + column, int(distances[row, column])


def likeness(a: Thumbnail, b: Thumbnail) -> float:
    """The best correlation of one thumbnail with a part of the other, up to 1.

    Either may be a crop of the other: each is shrunk to several sizes and moved over it.
    """
    if min(a.std(), b.std()) < _FLAT:
        return 0.0
    best = -1.0
    for side in range(_CROPPED, _SIDE + 1, _STEP):
        for whole, crop in ((a, b), (b, a)):
            shrunk = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
            best = max(best, float(cv2.matchTemplate(whole, shrunk, cv2.TM_CCOEFF_NORMED).max()))
    return best


def repeated(
    pictures: Sequence[Picture], prints: Mapping[int, Print], settings: CleaningSettings
) -> list[Finding]:
    """Which pictures to remove, as they are in the mix already.

    Of a training and a validation picture it is always the training picture. Of others it
    is the one with fewer annotations, then the smaller one, then the later one.

    Args:
        prints: by index in `pictures`; those that can't be decoded have none.
    """
    known = list(prints)
    others: defaultdict[int, list[tuple[int, Pair]]] = defaultdict(list)
    for pair in pairs(list(prints.values()), settings):
        a, b = known[pair.a], known[pair.b]
        others[a].append((b, pair))
        others[b].append((a, pair))
    removed: set[int] = set()
    settled: set[int] = set()
    found = []
    for index in sorted(others, key=lambda index: _rank(pictures[index], index)):
        better = [
            (other, pair)
            for other, pair in others[index]
            if _leaks(pictures[index], pictures[other])
            or (other in settled and other not in removed)
        ]
        if better:
            # A leak is the graver reason, whatever the pair looks like.
            other, pair = max(
                better,
                key=lambda each: (_leaks(pictures[index], pictures[each[0]]), each[1].likeness),
            )
            removed.add(index)
            found.append(_finding(pictures[index], pictures[other], pair))
        settled.add(index)
    return found


def _rank(picture: Picture, index: int) -> tuple[bool, int, int, int]:
    """Sorts what is to be kept first."""
    size = picture.width * picture.height
    return picture.split == "train", -len(picture.people), -size, index


def _leaks(picture: Picture, other: Picture) -> bool:
    return picture.split == "train" and other.split == "val"


def _finding(picture: Picture, other: Picture, pair: Pair) -> Finding:
    leak = _leaks(picture, other)
    check: Check = "leak" if leak else "duplicate"
    kept = "the validation picture" if leak else "the picture"
    reason = (
        f"The same as {kept} {other.key}: {pair.distance} of 64 bits of the hashes differ, the "
        f"thumbnails correlate by {pair.likeness:.2f}; {len(picture.people)} annotations here, "
        f"{len(other.people)} there."
    )
    return Finding(check, "remove picture", picture.key, reason, other=other.key)
