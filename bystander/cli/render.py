"""`bystander render`: a timeline drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.choices import DEFAULT_COLOR, DEFAULT_STRENGTH, EffectName, ProfileName, ShapeName
from bystander.cli.audit import tell_audit
from bystander.cli.console import open_console
from bystander.cli.options import (
    AllowWeak,
    AuditOption,
    ClusterOption,
    CodecOption,
    Color,
    DeinterlaceOption,
    EditsFile,
    EffectOption,
    EncoderOption,
    From,
    Json,
    KeepOption,
    MaskAt,
    MaskBox,
    MaskOption,
    Output,
    Overwrite,
    PictureFile,
    PictureOf,
    ProcessesOption,
    ProfileOption,
    Segments,
    ShapeOption,
    SmartRenderOption,
    SoundOption,
    Strength,
    TimelineFile,
    To,
    VideoArgument,
    Work,
    Zone,
    clicks_of,
    edits_of,
    effect_of,
)
from bystander.cli.paths import check_at_once
from bystander.cli.preset import PresetOption
from bystander.cli.summary import pointed_in, summary_of
from bystander.files import check_file, made_folder, named_after, work_folder


def render(
    video: VideoArgument,
    timeline: TimelineFile,
    output: Output,
    keep: KeepOption = None,
    mask: MaskOption = None,
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
    save: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help="Save the timeline with the decisions."),
    ] = None,
    audit: AuditOption = False,
    codec: CodecOption = None,
    deinterlace: DeinterlaceOption = None,
    encoder: EncoderOption = None,
    smart_render: SmartRenderOption = None,
    sound: SoundOption = None,
    segments: Segments = None,
    profile: ProfileOption = ProfileName.BALANCED,
    processes: ProcessesOption = None,
    cluster: ClusterOption = None,
    work: Work = None,
    preset: PresetOption = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask VIDEO by a timeline; runs no network, but for an audit."""
    with open_console(json):
        check_at_once(video, output, overwrite)
    from bystander.executors.choice import executor_of, parallel_of
    from bystander.media.muxer import MUXERS, check_encoding, check_output
    from bystander.media.probe import probe
    from bystander.media.resuming import RenderCheckpoints
    from bystander.media.sound import plan_sound
    from bystander.media.sound_spans import sound_spans
    from bystander.pipeline.edit import edited_timeline
    from bystander.pipeline.part import part_of
    from bystander.pipeline.render import render as run
    from bystander.settings import load_profile
    from bystander.timeline.archive import Timeline
    from bystander.timeline.header import with_decisions

    with open_console(json) as console:
        chosen = load_profile(profile)
        drawn = effect_of(effect, shape, color, strength, picture, allow_weak)
        check_output(output, video, overwrite)
        wanted = {
            "codec": codec,
            "deinterlace": deinterlace,
            "backend": encoder,
            "smart_render": smart_render,
        }
        settings = chosen.encoder.changed(wanted)
        info = probe(video)
        check_encoding(output, info, video, settings)
        page = named_after(output, ".audit.html") if audit else None
        others = [] if page is None else [page, page.with_suffix(".json")]
        for path in [*([save] if save else []), *others]:
            check_file(path, overwrite, video, output)
        asked = sound_spans(sound or ())
        by_hand, pointed_at = (
            edits_of(edits, mask_box, zone, picture_of, color),
            clicks_of(mask_at, "--mask-at"),
        )
        if pointed_at:  # it takes what else a rendering doesn't
            from bystander.tracking.clicks import check_clicks

            check_clicks(pointed_at, video, info)
        loaded = Timeline.load(timeline)
        kept = None if segments is None else RenderCheckpoints(made_folder(segments), keep=True)
        executor = executor_of(processes, cluster)
        accepted = by_hand and by_hand.accepted()
        found = None
        with (
            part_of(video, output, start, end) as part,
            parallel_of(executor, work, part.video, output) as parallel,
            work_folder() as folder,
            console.progress() as report,
            edited_timeline(video, loaded, by_hand, report) as edited,
        ):
            chosen_people = with_decisions(edited.timeline.header, keep or (), mask or ())
            whole = Timeline(edited.timeline.path, chosen_people)
            if pointed_at:
                from bystander.editing.pointing import with_masked

                whole = with_masked(whole, loaded, pointed_at)
            treated = sound_spans(part.sound(asked))
            planned = plan_sound(part.video, MUXERS[output.suffix.lower()], treated)
            decided = part.timeline(whole, folder / "part")
            filled = run(
                part.video,
                decided,
                output,
                effect=drawn,
                encoder=settings,
                overwrite=overwrite,
                report=report,
                parallel=parallel,
                checkpoints=kept,
                sound=treated,
            )
            if save is not None:
                whole.save(save, whole.header)
            pointed = pointed_in(decided)
            if page is not None:
                from bystander.auditing.findings import AuditSettings
                from bystander.pipeline.audit import audit as attack

                found = attack(
                    part.video,
                    output,
                    page,
                    timeline=decided,
                    effect=drawn,
                    settings=AuditSettings(sessions=chosen.analysis.sessions),
                    report=report,
                    edits=part.edits(accepted),
                )
        summary = summary_of(decided.header, pointed, filled.share)
        console.result(output=str(output), **summary, sound=planned.summary())
        if found is not None and page is not None:
            tell_audit(console, found, page, part.offset)
