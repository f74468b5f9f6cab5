"""The commands' arguments and options, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bystander.errors import ConfigError, SelectionError
from bystander.media.encoder import Codec, Deinterlace
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.settings import ProfileName
from bystander.tracking.clicks import Click

DEFAULT_COLOR = EffectSettings().color
DEFAULT_STRENGTH = EffectSettings().strength

Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The video to mask.")]
TimelineFile = Annotated[
    Path, typer.Argument(metavar="TIMELINE", help="A file that 'analyze' made.")
]
Cast = Annotated[
    list[Path] | None,
    typer.Option(
        "--cast",
        metavar="PATH",
        help="Someone to keep: a photo, a folder of photos of one person, or a folder of such "
        "folders, one a person. May be repeated. With neither --cast nor --keep-at, everyone "
        "is masked.",
    ),
]
KeepAt = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-at",
        metavar="SECONDS:X,Y",
        help="Keep whoever is at this point at this time, e.g. 2.4:510,260: seconds from the "
        "first frame; pixels from the top left corner of the video as it is displayed: at its "
        "full size, upright, pixels made square. May be repeated.",
    ),
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT", help="The masked video: .mp4, .mov, .mkv.")
]
Effect = Annotated[EffectName, typer.Option("--effect", help="What is drawn over people.")]
Color = Annotated[
    str, typer.Option("--color", metavar="'#rrggbb'", help="The colour of --effect solid.")
]
Strength = Annotated[
    float,
    typer.Option(
        "--strength",
        metavar="TIMES",
        help="Makes the cells of blur and mosaic this many times larger, 0.25 to 8. Below 1 "
        "people may be recognised: that also needs --allow-weak.",
    ),
]
AllowWeak = Annotated[
    bool, typer.Option("--allow-weak", help="Take a --strength below 1, that gives people away.")
]
ProfileOption = Annotated[
    ProfileName,
    typer.Option(
        "--profile",
        help="How thoroughly: a thorough analysis finds smaller people and faces, and takes "
        "longer. What each one means is in configs/pipeline.yaml.",
    ),
]
CodecOption = Annotated[
    Codec | None,
    typer.Option(
        "--codec",
        help="What the masked video is encoded with. auto: h264 for 8 bits a colour; hevc for "
        "10 bits and HDR, whose colours stay as they are. h264 always has 8 bits and plays "
        "everywhere, but can't hold HDR. By default as the profile says: auto.",
        show_default=False,
    ),
]
DeinterlaceOption = Annotated[
    Deinterlace | None,
    typer.Option(
        "--deinterlace",
        help="What becomes of interlaced pictures. auto: they stay interlaced in h264, and are "
        "deinterlaced for hevc and av1, which can't hold them; on: all pictures are; off: none "
        "are. By default as the profile says: auto.",
        show_default=False,
    ),
]
Audit = Annotated[
    bool,
    typer.Option(
        "--audit",
        help="Then attack the masked video as a stranger would, and write OUT.audit.html. Ends "
        "with 11 if something shows; the masked video stays.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]
Json = Annotated[
    bool, typer.Option("--json", help="Progress, results and errors as JSON lines, for programs.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="ID",
        help="Keep this person (p2, from 'people') or this tracklet, one appearance of a person "
        "(t17, from 'people --json'). May be repeated.",
    ),
]
Mask = Annotated[
    list[str] | None,
    typer.Option("--mask", metavar="ID", help="Mask this person or tracklet. May be repeated."),
]


def effect_of(name: EffectName, color: str, strength: float, allow_weak: bool) -> EffectSettings:
    """What to draw.

    Raises:
        ConfigError: the colour or the strength can't be, or the latter is too weak.
    """
    try:
        return EffectSettings(name=name, color=color, strength=strength, allow_weak=allow_weak)
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("strength",):
            raise ConfigError(
                f"--strength {strength:g} is out of bounds", "Choose 0.25 to 8."
            ) from error
        raise ConfigError(
            f"--color {color} is not a colour", "Write it like '#ff00ff', in quotes."
        ) from error


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
