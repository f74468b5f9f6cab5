"""`bystander mask FOLDER`: its videos one after another, each failing by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bystander.cli.console import Console
from bystander.cli.mask_order import MaskOrder
from bystander.errors import (
    BatchFailed,
    BystanderError,
    Cancelled,
    NotAVideo,
    OutputUnwritable,
)
from bystander.media.muxer import MUXERS

SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
     ".vob", ".flv", ".wmv", ".asf", ".ogv", ".mxf", ".3gp", ".gif"}
)  # fmt: skip
"""Files of a folder that are taken for videos."""
COLUMNS: Final = {"video": "video", "": "state", "kept": "kept", "masked": "masked", "why": "why"}


@dataclass(slots=True)
class _Row:
    """What became of a video: "masked", "there" already, "leak" or "failed"."""

    video: str
    state: str
    output: str
    kept: object = ""
    masked: object = ""
    why: str = ""

    def as_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def mask_folder(console: Console, order: MaskOrder, folder: Path, output: Path) -> None:
    """Mask every video of a folder into another one.

    Raises:
        NotAVideo: it holds none.
        OutputUnwritable: the other folder can't be made, or is the same.
        BatchFailed: some of them couldn't be masked, or show more than they should; the others are
            masked.
    """
    videos = sorted(_videos(folder))
    if not videos:
        raise NotAVideo(f"{folder} holds no videos", "Name a folder of videos.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"the folder {output} can't be made ({error.strerror})", "Choose another folder."
        ) from error
    if output.samefile(folder):
        raise OutputUnwritable(f"{output} holds the videos themselves", "Choose another folder.")
    rows: list[_Row] = []
    for number, video in enumerate(videos, 1):
        target = output / (video.name if video.suffix.lower() in MUXERS else f"{video.name}.mp4")
        if another := next((row.video for row in rows if row.output == str(target)), None):
            why = f"{another} has the same name there; rename one"
            rows.append(_Row(video.name, "failed", str(target), why=why))
            continue
        row = _there(video, target, order)
        if row is None:
            console.note(f"{number} of {len(videos)}: {video.name}")
            row = _masked(console, order, video, target)
        rows.append(row)
    console.table("videos", [row.as_dict() for row in rows], COLUMNS)
    if failed := [row for row in rows if row.state in ("failed", "leak")]:
        raise BatchFailed(
            f"{len(failed)} of {len(rows)} videos: {failed[0].video} {failed[0].why}",
            "Mend what the table says; the next run passes over what is done.",
        )


def _videos(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _there(video: Path, target: Path, order: MaskOrder) -> _Row | None:
    """What is said of a video that was masked before."""
    if order.overwrite or not target.exists():
        return None
    page = order.page(target)
    if page is not None and _leaks(page.with_suffix(".json")):
        return _Row(video.name, "leak", str(target), why=f"is there, and shows more; see {page}")
    return _Row(video.name, "there", str(target))


def _leaks(report: Path) -> bool:
    try:
        return json.loads(report.read_text(encoding="utf-8")).get("passed") is False
    except (OSError, ValueError, AttributeError):
        return False


def _masked(console: Console, order: MaskOrder, video: Path, target: Path) -> _Row:
    try:
        done, _ = order.run(console, video, target)
    except Cancelled:
        raise
    except BystanderError as error:
        console.warn(f"{video}: {error.what}")
        return _Row(video.name, "failed", str(target), why=error.what)
    except Exception as error:  # one video's fault; the others go on
        console.defect(error)
        return _Row(video.name, "failed", str(target), why=f"a defect: {type(error).__name__}")
    header = done.header
    kept = sum(map(header.is_kept, header.persons))
    row = _Row(video.name, "masked", str(target), kept, len(header.persons) - kept)
    if done.audit is not None and not done.audit.passed:
        row.state, row.why = "leak", f"shows more than it should: {done.audit.summary()}"
    return row
