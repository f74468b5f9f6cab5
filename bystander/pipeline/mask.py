"""video, photos of who may be seen -> masked video: both passes, and all that is around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bystander.auditing.findings import AuditSettings
from bystander.choices import (
    Codec,
    Deinterlace,
    Device,
    EffectName,
    EncoderBackend,
    LicenceUse,
    Precision,
    ProfileName,
    SmartRender,
)
from bystander.editing.pointing import with_masked
from bystander.errors import ConfigError, OutputUnwritable
from bystander.files import StrPath, check_file, work_folder
from bystander.identity.cast import Cast
from bystander.media.muxer import MUXERS, check_encoding, check_output
from bystander.media.probe import probe
from bystander.media.sound import SoundPlan, plan_sound
from bystander.media.sound_spans import SoundSpan, sound_spans
from bystander.models import Models
from bystander.models.sessions import release_memory
from bystander.pipeline.analyze import analyze
from bystander.pipeline.edit import edited_timeline
from bystander.pipeline.people_report import Pointed, pointed_people
from bystander.pipeline.render import render
from bystander.pipeline.tasks import Executor, Parallel, Workspace
from bystander.pipeline.workspaces import workspace_beside
from bystander.progress import Report, cancel_when
from bystander.redaction.effects import EffectSettings
from bystander.settings import Profile, load_profile
from bystander.timeline.header import Header
from bystander.tracking.clicks import Click, check_clicks

if TYPE_CHECKING:
    from bystander.auditing.report import AuditResult
    from bystander.editing.document import Edits

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class MaskResult:
    """What masking a video came to.

    Attributes:
        output: the masked video.
        header: everyone who was found, with verdicts and evidence: the timeline but its frames.
        pointed_at: whom each point of `keep_at` meant.
        sound: what became of each audio stream.
        audit: what the audit found, if there was one. See whether it `passed`.
        filled: of the effect `fill`, the share of what was drawn over that shows the background,
            0 to 1; the rest is blurred. None of other effects, and where nobody is masked.
    """

    output: Path
    header: Header
    pointed_at: tuple[Pointed, ...]
    sound: SoundPlan
    audit: AuditResult | None
    filled: float | None

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of those who may be seen somewhere; ids such as p2 of those who have none."""
        return tuple(p.name or p.id for p in self.header.persons if self.header.is_kept(p))


def mask_video(
    video: StrPath,
    output: StrPath,
    *,
    cast: Cast = (),
    keep_at: Sequence[Click | tuple[float, float, float]] = (),
    mask_at: Sequence[Click | tuple[float, float, float]] = (),
    edits: Edits | None = None,
    effect: EffectSettings | EffectName | str = EffectName.BLUR,
    profile: Profile | ProfileName | str = ProfileName.BALANCED,
    codec: Codec | str | None = None,
    deinterlace: Deinterlace | str | None = None,
    encoder_backend: EncoderBackend | str | None = None,
    device: Device | str | None = None,
    precision: Precision | str | None = None,
    licence: LicenceUse | str | None = None,
    smart_render: SmartRender | str | None = None,
    sound: Sequence[SoundSpan | str] | str = (),
    timeline: StrPath | None = None,
    audit: StrPath | None = None,
    overwrite: bool = False,
    models: Models | None = None,
    report: Report | None = None,
    cancel: Callable[[], bool] | None = None,
    executor: Executor | None = None,
    workspace: Workspace | None = None,
) -> MaskResult:
    """Mask everyone in a video but the people to keep.

    Everything that can be refused is, before any work is done. Files appear under their names
    only when they are whole: an error, or being cancelled, leaves no half of one behind. Memory
    doesn't grow with the video's length; without `timeline`, the
    timeline is a temporary file (TMPDIR).

    Args:
        video: the file to mask.
        output: the masked video: .mp4, .m4v, .mov or .mkv.
        cast: the people to keep: a photo, a folder of photos of one person, a folder of such
            folders, several of these, or a mapping of names to photos. With neither `cast` nor
            `keep_at`, everyone is masked.
        keep_at: points at people to keep: seconds from the first frame; x and y in pixels of
            the video as it is displayed.
        mask_at: points at people to mask, likewise, whatever else speaks for keeping them:
            everybody who may be meant.
        edits: by hand (`bystander.editing.document.Edits`), applied to what was found. The saved
            timeline is the one without them.
        effect: what is drawn over people: `blur`, `mosaic`, `solid`, `fill`, or settings, which
            also have a shape and a picture.
        profile: how thoroughly: `fast`, `balanced`, `thorough`, or settings.
        codec: `auto`, `h264`, `hevc` or `av1`; by default as the profile says.
        deinterlace: `auto`, `on` or `off`; by default as the profile says.
        smart_render: `auto` or `off`: whether what shows nobody to be masked is copied; by default
            as the profile says.
        sound: `keep`, `mute`, `low-pass` or `pitch`, or several of these for a while each, as in
            `["pitch", "mute:12.4-15"]`, seconds from the first frame; the last counts.
        encoder_backend: `software`, `auto`, `nvenc`, `videotoolbox` or `qsv`; by default as the
            profile says.
        device: what the networks run on: `auto`, `cpu`, `cuda` or `tensorrt`; by default as the
            profile says.
        precision: what the network that finds people calculates in: `auto`, `fp32`, `bf16`,
            `fp16` or `int8`; by default as the profile says.
        licence: `any` or `commercial`: only networks that may be used commercially; by default as
            the profile says: any. None of these three counts where `models` are given.
        timeline: where to save the timeline, to review it and to render again.
        audit: where to write the report of an audit, an HTML page with the same as JSON beside
            it. Without it the result isn't audited. A leak is no error: see the result.
        overwrite: replace files that exist.
        models: networks that were opened before (`bystander.models.load_models`), for several
            videos; by default they are opened here, and closed between the passes.
        report: called with the progress, a few times a second, from the thread that called this;
            may raise `Cancelled`.
        cancel: asked as often; stops everything as soon as it gives True.
        executor: does parts of the video side by side (`bystander.pipeline.tasks`); by default this
            process does all of it in one go.
        workspace: where its parts go, if it has one; by default a temporary folder beside the
            output.

    Returns:
        Who was found and who is kept.

    Raises:
        VideoError: the video can't be read.
        PhotoError: a photo can't be used.
        OutputError: the output, the timeline or the report can't be written.
        SelectionError: a point of `keep_at` or `mask_at` is beside the video, or nobody is there;
            or an edit doesn't fit the video.
        ConfigError: an effect, a profile, a codec or sound that doesn't exist; a device or a
            precision that this machine hasn't.
        ModelError: a network is missing or damaged.
        Cancelled: `report` or `cancel` asked for it.
    """
    video, output = Path(video), Path(output)
    if not isinstance(profile, Profile):
        profile = load_profile(_one_of(ProfileName, "profile", profile))
    profile = profile.on(
        None if device is None else _one_of(Device, "device", device),
        None if precision is None else _one_of(Precision, "precision", precision),
        None if licence is None else _one_of(LicenceUse, "licence", licence),
    )
    if not isinstance(effect, EffectSettings):
        effect = EffectSettings(name=_one_of(EffectName, "effect", effect))
    encoder = profile.encoder.changed(
        {
            "codec": codec and _one_of(Codec, "codec", codec),
            "deinterlace": deinterlace and _one_of(Deinterlace, "deinterlace", deinterlace),
            "smart_render": smart_render and _one_of(SmartRender, "smart render", smart_render),
            "backend": encoder_backend and _one_of(EncoderBackend, "encoder", encoder_backend),
        }
    )
    clicks, masked_at = (
        [one if isinstance(one, Click) else Click(*one) for one in points]
        for points in (keep_at, mask_at)
    )
    info = probe(video)
    check_clicks([*clicks, *masked_at], video, info)
    check_output(output, video, overwrite)
    check_encoding(output, info, video, encoder)
    treated = sound_spans(sound)
    planned = plan_sound(video, MUXERS[output.suffix.lower()], treated)
    saved = [] if timeline is None else [Path(timeline)]
    page = None if audit is None else Path(audit)
    if page is not None:
        from bystander.auditing.report import check_page

        check_page(page)
    for path in saved:
        check_file(path, overwrite, video, output)
    for path in [] if page is None else [page, page.with_suffix(".json")]:
        check_file(path, overwrite, video, output, *saved)
    if cancel is not None:
        report = cancel_when(cancel, report)

    with ExitStack() as resources:
        target = resources.enter_context(_timeline_file(saved))
        parallel = None
        if executor is not None:
            workspace = workspace or resources.enter_context(workspace_beside(output, video))
            parallel = Parallel(executor, workspace)
        found = analyze(
            video,
            target,
            models=models,
            settings=profile.analysis,
            cast=cast,
            clicks=clicks,
            report=report,
            parallel=parallel,
        )
        release_memory()  # the networks are done with, the encoder needs as much
        edited = resources.enter_context(edited_timeline(video, found, edits, report)).timeline
        found = with_masked(edited, found, masked_at)
        filled = render(
            video,
            found,
            output,
            effect=effect,
            encoder=encoder,
            overwrite=overwrite,
            report=report,
            parallel=parallel,
            sound=treated,
        )
        pointed = tuple(pointed_people(found))
        audited = None
        if page is not None:
            from bystander.pipeline.audit import audit as audit_video

            audited = audit_video(
                video,
                output,
                page,
                models=models,
                timeline=found,
                effect=effect,
                settings=AuditSettings(
                    sessions=profile.analysis.sessions, licence=profile.analysis.licence
                ),
                report=report,
                edits=edits,
            )
    return MaskResult(output, found.header, pointed, planned, audited, filled.share)


def _one_of(names: type[Choice], what: str, given: str) -> Choice:
    try:
        return names(given)
    except ValueError as error:
        raise ConfigError(
            f"there is no {what} {given!r}", f"Choose one of {', '.join(names)}."
        ) from error


@contextmanager
def _timeline_file(saved: Sequence[Path]) -> Iterator[Path]:
    """Where the timeline goes: where it is to be saved, or a folder that is removed afterwards."""
    if saved:
        yield saved[0]
        return
    with work_folder() as folder:
        target = folder / "timeline"
        try:
            yield target
        except OutputUnwritable as error:
            if str(target) not in error.what:
                raise
            raise OutputUnwritable(
                error.what, "Free some space there, or set TMPDIR to a folder with more."
            ) from error
