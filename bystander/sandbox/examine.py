"""Finding out what a stranger's file is, and keeping only what was made of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bystander.sandbox.child import ask, take_over
from bystander.sandbox.facts import MOST_POSTERS, PhotoFacts, VideoFacts
from bystander.sandbox.limits import Limits


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
        for number in range(MOST_POSTERS):
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
