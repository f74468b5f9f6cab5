"""What `bystander mask` is asked for, done to a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bystander.choices import (
    Codec,
    Deinterlace,
    Device,
    EncoderBackend,
    LicenceUse,
    Precision,
    ProfileName,
    SmartRender,
)
from bystander.cli.console import Console
from bystander.editing.document import Edits
from bystander.errors import ConfigError
from bystander.executors.choice import executor_of, parallel_of
from bystander.files import named_after
from bystander.media.muxer import check_output
from bystander.media.sound_spans import SoundSpan
from bystander.pipeline.mask import MaskResult, mask_video
from bystander.pipeline.part import part_of
from bystander.redaction.effects import EffectSettings
from bystander.tracking.clicks import Click


@dataclass(frozen=True, slots=True)
class MaskOrder:
    """What is asked for, but of which video; see `bystander.pipeline.mask.mask_video`."""

    cast: Sequence[Path]
    keep_at: Sequence[Click]
    mask_at: Sequence[Click]
    edits: Edits | None
    effect: EffectSettings
    start: float | None
    end: float | None
    timeline: Path | None
    audit: bool
    codec: Codec | None
    deinterlace: Deinterlace | None
    encoder: EncoderBackend | None
    smart_render: SmartRender | None
    sound: tuple[SoundSpan, ...]
    profile: ProfileName
    device: Device | None
    precision: Precision | None
    licence: LicenceUse | None
    processes: int | None
    cluster: str | None
    work: str | None
    overwrite: bool

    def run(self, console: Console, video: Path, output: Path) -> tuple[MaskResult, float]:
        """Mask a video.

        Returns:
            What it came to, and how many seconds after the video's beginning the output begins.
        """
        executor = executor_of(self.processes, self.cluster)
        if self.start is not None or self.end is not None:
            check_output(output, video, self.overwrite)
            if self.timeline is not None:
                raise ConfigError(
                    "the timeline of a part of a video isn't saved",
                    "Make it of the whole with 'analyze', and mask a part with 'render --from'.",
                )
        with (
            part_of(video, output, self.start, self.end) as part,
            parallel_of(executor, self.work, part.video, output) as parallel,
            console.progress() as report,
        ):
            masked = mask_video(
                part.video,
                output,
                cast=self.cast,
                keep_at=part.clicks(self.keep_at),
                mask_at=part.clicks(self.mask_at),
                edits=part.edits(self.edits),
                effect=self.effect,
                profile=self.profile,
                codec=self.codec,
                deinterlace=self.deinterlace,
                encoder_backend=self.encoder,
                device=self.device,
                precision=self.precision,
                licence=self.licence,
                smart_render=self.smart_render,
                sound=part.sound(self.sound),
                timeline=self.timeline,
                audit=self.page(output),
                overwrite=self.overwrite,
                report=report,
                executor=executor,
                workspace=None if parallel is None else parallel.workspace,
            )
        return masked, part.offset

    def page(self, output: Path) -> Path | None:
        """Where the audit's report on an output goes."""
        return named_after(output, ".audit.html") if self.audit else None
