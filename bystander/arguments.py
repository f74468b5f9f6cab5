"""What the commands make of their arguments: effects, clicks, and files they may write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from bystander.errors import ConfigError, OutputExists, OutputUnwritable, SelectionError
from bystander.files import check_name
from bystander.media.encoder import EncoderSettings
from bystander.media.muxer import check_encoding
from bystander.media.probe import VideoInfo, probe
from bystander.people.pointing import Click
from bystander.redaction.effects import EffectName, EffectSettings


def effect_of(name: EffectName, color: str, strength: float, i_know: bool) -> EffectSettings:
    """What to draw.

    Raises:
        ConfigError: the colour or the strength can't be, or the latter is too weak.
    """
    try:
        return EffectSettings(name=name, color=color, strength=strength, i_know=i_know)
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("strength",):
            raise ConfigError(
                f"--strength {strength:g} is out of bounds", "Choose 0.25 to 8."
            ) from error
        raise ConfigError(
            f"--color {color} is not a colour", "Write it like '#ff00ff', in quotes."
        ) from error


def encoder_of(
    settings: EncoderSettings, wanted: Mapping[str, object], output: Path, video: Path
) -> EncoderSettings:
    """`settings` with what the command line says otherwise, found possible for the video.

    Args:
        wanted: fields of the settings; None where they stay as they are.

    Raises:
        VideoError: the video can't be read.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`.
    """
    settings = settings.changed(wanted)
    check_encoding(output, probe(video), video, settings)
    return settings


def clicks_of(texts: Sequence[str] | None) -> list[Click]:
    """The points of --keep-at.

    Raises:
        SelectionError: one of them can't be read.
    """
    return [_click(text) for text in texts or ()]


def _click(text: str) -> Click:
    try:
        seconds, _, point = text.partition(":")
        x, _, y = point.partition(",")
        click = Click(float(seconds), float(x), float(y))
        if not (click.seconds >= 0 and click.x >= 0 and click.y >= 0):
            raise ValueError
    except ValueError as error:
        raise SelectionError(
            f"--keep-at {text} can't be read", "Write SECONDS:X,Y, for example 2.4:510,260."
        ) from error
    return click


def check_clicks(clicks: Sequence[Click], video: Path, info: VideoInfo) -> None:
    """Refuse points beside the video at once, not after minutes of analysis.

    Raises:
        SelectionError: one of them is.
    """
    width, height = info.display_size
    for click in clicks:
        if click.x >= width or click.y >= height or click.seconds > info.duration:
            raise SelectionError(
                f"{click.name} is not in {video}: shown as {width}x{height} pixels, "
                f"{info.duration:.2f} s",
                "Give seconds from the first frame, and pixels of the video as it is displayed.",
            )


def check_file(path: Path, overwrite: bool, *others: Path) -> None:
    """Refuse an output that can't be written, or that is one of the command's `others`.

    Raises:
        OutputUnwritable, OutputExists: for that reason.
    """
    check_name(path)
    if path.resolve() in [other.resolve() for other in others]:
        raise OutputUnwritable(f"{path} is named twice", "Choose another name for one of them.")
    if not path.parent.is_dir():
        raise OutputUnwritable(
            f"{path}: its folder doesn't exist", f"Create {path.parent} and try again."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{path}: its folder can't be written to", "Choose another folder.")
    if path.exists() and not path.is_file():
        raise OutputUnwritable(f"{path} is not a regular file", "Choose another name.")
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists already", "Choose another name, or add --overwrite.")


@contextmanager
def timeline_file(wanted: Path | None) -> Iterator[Path]:
    """Where the timeline goes: `wanted`, or a folder that is removed afterwards."""
    if wanted is not None:
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="bystander-") as folder:
        target = Path(folder) / "timeline"
        try:
            yield target
        except OutputUnwritable as error:
            if str(target) not in error.what:
                raise
            raise OutputUnwritable(
                error.what, "Free some space there, or set TMPDIR to a folder with more."
            ) from error
