"""What the paths of a command alone tell is wrong, without what looks into files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bystander.errors import OutputExists, UnreadablePhoto
from bystander.files import exists, is_file


def check_at_once(
    video: Path, output: Path, overwrite: bool, cast: Sequence[Path] | None = None
) -> None:
    """Refuse what is seen from names alone, before a command loads what looks into files.

    The rest, and what is wrong about the video itself, comes where the files are looked into.

    Raises:
        OutputExists: there is a file called `output`, which isn't to be overwritten.
        UnreadablePhoto: there is nothing at a path of the cast.
    """
    if not is_file(video):
        return
    if is_file(output) and not overwrite and not output.samefile(video):
        raise OutputExists(
            f"{output} exists already", "Choose another name, or allow it (--overwrite)."
        )
    for path in cast or ():
        if not exists(path):
            raise UnreadablePhoto(f"{path} does not exist", "Give a photo or a folder of photos.")
