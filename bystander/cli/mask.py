"""`bystander mask`: a video, or a folder of them."""

from __future__ import annotations

from os.path import isdir
from pathlib import Path
from typing import Annotated

import typer

from bystander.choices import DEFAULT_COLOR, DEFAULT_STRENGTH, EffectName, ProfileName, ShapeName
from bystander.cli.audit import tell_audit
from bystander.cli.console import open_console
from bystander.cli.options import (
    AllowWeak,
    AuditOption,
    CastOption,
    ClusterOption,
    CodecOption,
    Color,
    DeinterlaceOption,
    DeviceOption,
    EditsFile,
    EffectOption,
    EncoderOption,
    From,
    Json,
    KeepAt,
    LicenceOption,
    MaskAt,
    MaskBox,
    Output,
    Overwrite,
    PictureFile,
    PictureOf,
    PrecisionOption,
    ProcessesOption,
    ProfileOption,
    ShapeOption,
    SmartRenderOption,
    SoundOption,
    Strength,
    To,
    VideoOrFolder,
    Work,
    Zone,
    clicks_of,
    edits_of,
    effect_of,
)
from bystander.cli.paths import check_at_once
from bystander.cli.preset import PresetOption
from bystander.cli.summary import summary_of
from bystander.errors import ConfigError


def mask(
    video: VideoOrFolder,
    output: Output,
    cast: CastOption = None,
    keep_at: KeepAt = None,
    mask_at: MaskAt = None,
    edits: EditsFile = None,
    mask_box: MaskBox = None,
    zone: Zone = None,
    picture_of: PictureOf = None,
    effect: EffectOption = EffectName.BLUR,
    shape: ShapeOption = ShapeName.SILHOUETTE,
    color: Color = DEFAULT_COLOR,
    strength: Strength = DEFAULT_STRENGTH,
    picture: PictureFile = None,
    allow_weak: AllowWeak = False,
    start: From = None,
    end: To = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            help="Also save the timeline, for 'people' and for 'render'.",
        ),
    ] = None,
    audit: AuditOption = False,
    codec: CodecOption = None,
    deinterlace: DeinterlaceOption = None,
    encoder: EncoderOption = None,
    smart_render: SmartRenderOption = None,
    sound: SoundOption = None,
    profile: ProfileOption = ProfileName.BALANCED,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    licence: LicenceOption = None,
    processes: ProcessesOption = None,
    cluster: ClusterOption = None,
    work: Work = None,
    preset: PresetOption = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask everyone in VIDEO but the people to keep."""
    with open_console(json):
        check_at_once(video, output, overwrite, cast)
    from bystander.cli.batch import mask_folder
    from bystander.cli.mask_order import MaskOrder
    from bystander.media.sound_spans import sound_spans

    with open_console(json) as console:
        order = MaskOrder(
            cast or (),
            clicks_of(keep_at),
            clicks_of(mask_at, "--mask-at"),
            edits_of(edits, mask_box, zone, picture_of, color),
            effect_of(effect, shape, color, strength, picture, allow_weak),
            start,
            end,
            timeline,
            audit,
            codec,
            deinterlace,
            encoder,
            smart_render,
            sound_spans(sound or ()),
            profile,
            device,
            precision,
            licence,
            processes,
            cluster,
            work,
            overwrite,
        )
        if isdir(video):
            if timeline or keep_at or mask_at or mask_box or edits or picture_of:
                raise ConfigError(
                    f"{video} is a folder: --timeline, --keep-at, --mask-at, --mask-box, "
                    "--picture-of and --edits are about one video",
                    "Mask that one by itself; the folder then passes over it.",
                )
            mask_folder(console, order, video, output)
            return
        masked, offset = order.run(console, video, output)
        summary = summary_of(masked.header, masked.pointed_at, masked.filled)
        console.result(output=str(output), **summary, sound=masked.sound.summary())
        page = order.page(output)
        if masked.audit is not None and page is not None:
            tell_audit(console, masked.audit, page, offset)
