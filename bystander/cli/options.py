"""The commands' arguments and options, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bystander.choices import (
    Codec,
    Deinterlace,
    Device,
    EffectName,
    EncoderBackend,
    LicenceUse,
    Precision,
    ProfileName,
    ShapeName,
    SmartRender,
)
from bystander.errors import ConfigError, InvalidEdits, SelectionError

if TYPE_CHECKING:
    from bystander.editing.document import Box, Edits, LookEdit, MaskEdit, ZoneEdit
    from bystander.redaction.effects import EffectSettings
    from bystander.tracking.clicks import Click

VideoArgument = Annotated[Path, typer.Argument(metavar="VIDEO", help="The video to mask.")]
VideoOrFolder = Annotated[
    Path,
    typer.Argument(
        metavar="VIDEO",
        help="The video to mask; or a folder of videos, which are masked one after another into "
        "the folder OUT. Those that are there already are passed over.",
    ),
]
TimelineFile = Annotated[
    Path, typer.Argument(metavar="TIMELINE", help="A file that 'analyze' made.")
]
CastOption = Annotated[
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
MaskAt = Annotated[
    list[str] | None,
    typer.Option(
        "--mask-at",
        metavar="SECONDS:X,Y",
        help="Mask whoever is at this point at this time, everywhere in the video, whatever speaks "
        "for keeping them: if several may be meant, all of them. As --keep-at. May be repeated.",
    ),
]
From = Annotated[
    float | None,
    typer.Option(
        "--from",
        min=0,
        metavar="SECONDS",
        help="Mask and write VIDEO from here on only, picture and sound; seconds from its first "
        "frame. Times in other options stay those of the whole video.",
        show_default=False,
    ),
]
To = Annotated[
    float | None,
    typer.Option(
        "--to",
        min=0,
        metavar="SECONDS",
        help="Mask and write VIDEO up to here only: the first frame that isn't there any more.",
        show_default=False,
    ),
]
EditsFile = Annotated[
    Path | None,
    typer.Option(
        "--edits",
        metavar="EDITS",
        help="Apply edits by hand, a JSON document ('bystander edit --schema' describes it).",
    ),
]
MaskBox = Annotated[
    list[str] | None,
    typer.Option(
        "--mask-box",
        metavar="SECONDS[-END]:X,Y,WIDTH,HEIGHT",
        help="Mask what is in this box at this time, e.g. 12.4:300,80,90,120, and follow it both "
        "ways through the shot; with an end, from there to the end. Seconds and pixels as for "
        "--keep-at. May be repeated.",
    ),
]
Zone = Annotated[
    list[str] | None,
    typer.Option(
        "--zone",
        metavar="mask|clear:X,Y,WIDTH,HEIGHT[@FROM-TO]",
        help="Always mask this part of the picture, or never, e.g. mask:0,0,200,100@3-9.5. May be "
        "repeated.",
    ),
]
PictureOf = Annotated[
    list[str] | None,
    typer.Option(
        "--picture-of",
        metavar="ID=FILE",
        help="Draw this PNG over one person where they are masked, e.g. p3=hat.png, and --color "
        "beneath it, whatever is drawn over others. May be repeated.",
    ),
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT", help="The masked video: .mp4, .mov, .mkv.")
]
EffectOption = Annotated[
    EffectName,
    typer.Option(
        "--effect",
        help="What is drawn over people; fill: what is behind them, where other frames of the shot "
        "show it, else the blur.",
    ),
]
ShapeOption = Annotated[
    ShapeName,
    typer.Option(
        "--shape",
        help="What of a person is drawn over. The silhouette leaves the outline, by which those "
        "who know somebody may tell them; blob, a rounded shape, and box hide it and the walk. "
        "People to keep stay clear of all of them.",
    ),
]
Color = Annotated[
    str, typer.Option("--color", metavar="'#rrggbb'", help="The colour of --effect solid.")
]
Strength = Annotated[
    float,
    typer.Option(
        "--strength",
        metavar="TIMES",
        help="Makes the cells of blur, mosaic and fill's blur this many times larger, 0.25 to 8. "
        "Below 1 people may be recognised: that also needs --allow-weak.",
    ),
]
PictureFile = Annotated[
    Path | None,
    typer.Option(
        "--picture",
        metavar="FILE",
        help="The PNG of --effect picture, drawn over everyone's box; --color lies beneath it.",
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
EncoderOption = Annotated[
    EncoderBackend | None,
    typer.Option(
        "--encoder",
        help="What encodes. software: the processor, for the best quality at a file's size; "
        "nvenc, videotoolbox, qsv: that hardware, if it works here; auto: the first of them that "
        "does. HDR and interlaced pictures are left to software. By default as the profile says: "
        "software.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="What the networks run on. auto: the GPU where CUDA works, else the processor. By "
        "default as the profile says: auto.",
        show_default=False,
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        help="What the network that finds people calculates in. auto: the fastest here that "
        "agrees with fp32, see 'doctor'; int8 finds a little less. By default as the profile "
        "says: auto.",
        show_default=False,
    ),
]
LicenceOption = Annotated[
    LicenceUse | None,
    typer.Option(
        "--licence",
        help="commercial: use only networks whose licences allow commercial use, and say what is "
        "missing if there is none; docs/networks.md lists both. By default as the profile says: "
        "any.",
        show_default=False,
    ),
]
SmartRenderOption = Annotated[
    SmartRender | None,
    typer.Option(
        "--smart-render",
        help="auto: groups of pictures in which nothing is masked are copied, bit for bit, where "
        "VIDEO and OUT are H.264 and alike; off: everything is encoded. By default as the profile "
        "says: auto.",
        show_default=False,
    ),
]
SoundOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sound",
        metavar="keep|mute|low-pass|pitch[:FROM-TO]",
        help="What becomes of the sound: keep (by default); mute; low-pass, so that words can't be "
        "made out; pitch, lower voices. Of all of it, or for a while, e.g. mute:12.4-15.0. May be "
        "repeated; where several are asked for, the last counts.",
        show_default=False,
    ),
]
Segments = Annotated[
    Path | None,
    typer.Option(
        "--segments",
        metavar="FOLDER",
        help="Keep what is encoded in this folder, which is made if need be: rendering again with "
        "other decisions encodes only what they change. It shows what OUT shows; delete it with "
        "OUT.",
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--processes",
        min=1,
        max=256,
        metavar="N",
        help="Do VIDEO in parts, N at once, in processes that see nothing but VIDEO and its parts.",
        show_default=False,
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Do VIDEO in parts on a Ray cluster: auto, if this machine belongs to one, or "
        "ray://HOST:10001. All its machines need to see --work. What each part gets is in "
        "configs/cluster.yaml.",
    ),
]
Work = Annotated[
    str | None,
    typer.Option(
        "--work",
        metavar="PLACE",
        help="Where parts go: a folder, which has the same path on all machines, as VIDEO has; or "
        "gs://BUCKET/PREFIX, to which VIDEO is copied. They are deleted at the end; where machines "
        "fail they stay, and the next try takes them over. By default a folder beside OUT.",
    ),
]
AuditOption = Annotated[
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
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="ID",
        help="Keep this person (p2, from 'people') or this tracklet, one appearance of a person "
        "(t17, from 'people --json'). May be repeated.",
    ),
]
MaskOption = Annotated[
    list[str] | None,
    typer.Option("--mask", metavar="ID", help="Mask this person or tracklet. May be repeated."),
]


def effect_of(
    name: EffectName,
    shape: ShapeName,
    color: str,
    strength: float,
    picture: Path | None,
    allow_weak: bool,
) -> EffectSettings:
    """What to draw.

    Raises:
        ConfigError: the picture is missing, can't be read, or is for another effect; the colour
            or the strength can't be, or the latter is too weak.
    """
    from pydantic import ValidationError

    from bystander.redaction.effects import EffectSettings
    from bystander.redaction.pictures import read_picture

    if (name is EffectName.PICTURE) != (picture is not None):
        raise ConfigError(
            "--effect picture and --picture FILE belong together",
            "Give both, or neither.",
        )
    try:
        return EffectSettings(
            name=name,
            shape=shape,
            color=color,
            strength=strength,
            picture=read_picture(picture) if picture else None,
            allow_weak=allow_weak,
        )
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("strength",):
            raise ConfigError(
                f"--strength {strength:g} is out of bounds", "Choose 0.25 to 8."
            ) from error
        raise ConfigError(
            f"--color {color} is not a colour", "Write it like '#ff00ff', in quotes."
        ) from error


def edits_of(
    file: Path | None,
    boxes: Sequence[str] | None,
    zones: Sequence[str] | None,
    pictures: Sequence[str] | None,
    color: str,
) -> Edits | None:
    """The edits of --edits, --mask-box, --zone and --picture-of, in this order; None where there
    are none.

    Args:
        color: beneath the pictures.

    Raises:
        InvalidEdits: one of them can't be read.
        ConfigError: a picture can't be read.
    """
    if file is None and not boxes and not zones and not pictures:
        return None
    from bystander.editing.document import Edits

    edits = Edits() if file is None else Edits.load(file)
    for text in boxes or ():
        edits = edits.with_one(_mask_box(text))
    for text in zones or ():
        edits = edits.with_one(_zone(text))
    for text in pictures or ():
        edits = edits.with_one(_look(text, color))
    return edits


def _look(text: str, color: str) -> LookEdit:
    from bystander.editing.document import LookEdit
    from bystander.redaction.pictures import read_picture

    form = "ID=FILE, for example p3=hat.png"
    who, _, file = (part.strip() for part in text.partition("="))
    if not who or not file:
        missing = "a file" if who else "an id"
        raise InvalidEdits(f"--picture-of {text}: {missing} is missing", f"Write {form}.")
    picture = read_picture(Path(file))
    with _reading("--picture-of", text, form):
        return LookEdit(who=who, color=color, picture=picture)


def _mask_box(text: str) -> MaskEdit:
    from bystander.editing.document import Key, MaskEdit

    when, _, where = text.partition(":")
    start, dash, end = when.partition("-")
    with _reading("--mask-box", text, "SECONDS:X,Y,WIDTH,HEIGHT, for example 12.4:300,80,90,120"):
        key = Key(seconds=float(start), shape=_box(where))
        span = {"start": float(start), "end": float(end)} if dash else {}
        return MaskEdit(keys=(key,), **span)


def _zone(text: str) -> ZoneEdit:
    from bystander.editing.document import ZoneEdit
    from bystander.timeline.types import Decision

    decision, _, where = text.partition(":")
    where, at, when = where.partition("@")
    start, _, end = when.partition("-")
    with _reading("--zone", text, "mask:X,Y,WIDTH,HEIGHT or clear:..., and @FROM-TO if need be"):
        return ZoneEdit(
            decision={"mask": Decision.MASK, "clear": Decision.KEEP}[decision],
            shape=_box(where),
            start=float(start) if at else None,
            end=float(end) if at else None,
        )


def _box(text: str) -> Box:
    from bystander.editing.document import Box

    x, y, width, height = (float(number) for number in text.split(","))
    return Box(x=x, y=y, width=width, height=height)


@contextmanager
def _reading(option: str, text: str, form: str) -> Iterator[None]:
    """Raises InvalidEdits where the block can't make sense of `text`."""
    from pydantic import ValidationError

    from bystander.config import describe

    try:
        yield
    except ValidationError as error:
        raise InvalidEdits(f"{option} {text}: {describe(error)}", f"Write {form}.") from error
    except (ValueError, KeyError) as error:
        raise InvalidEdits(f"{option} {text} can't be read", f"Write {form}.") from error


def clicks_of(texts: Sequence[str] | None, option: str = "--keep-at") -> list[Click]:
    """The points of --keep-at or --mask-at.

    Raises:
        SelectionError: one of them can't be read.
    """
    return [_click(text, option) for text in texts or ()]


def _click(text: str, option: str) -> Click:
    from bystander.tracking.clicks import Click

    try:
        seconds, _, point = text.partition(":")
        x, _, y = point.partition(",")
        click = Click(float(seconds), float(x), float(y))
        if not (click.seconds >= 0 and click.x >= 0 and click.y >= 0):
            raise ValueError
    except ValueError as error:
        raise SelectionError(
            f"{option} {text} can't be read", "Write SECONDS:X,Y, for example 2.4:510,260."
        ) from error
    return click
