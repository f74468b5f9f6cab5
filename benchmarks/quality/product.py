"""The product under test: analysis and rendering with its defaults, in a colour to count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoring import SOLID
from bystander.analyze import analyze
from bystander.media.writer import EncoderSettings
from bystander.models import Models
from bystander.people.cast import load_cast
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.render import render
from bystander.settings import AnalysisSettings, ProfileName, load_profile

COLOUR = "#{:02x}{:02x}{:02x}".format(*SOLID)


@dataclass(frozen=True)
class Product:
    """Networks and settings, loaded once for all scenes."""

    models: Models
    analysis: AnalysisSettings
    encoder: EncoderSettings

    @classmethod
    def with_defaults(cls, models: Models) -> Product:
        profile = load_profile(ProfileName.BALANCED)
        return cls(models, profile.analysis, profile.encoder)

    def mask(self, folder: Path) -> Path:
        """Mask `folder`/video.mp4 but for the people in `folder`/cast.

        Returns:
            The masked video. The timeline that it was made from lies beside it.

        Raises:
            BystanderError: a photo or the video can't be used.
        """
        photos = sorted((folder / "cast").glob("*.jpg"))
        source, output = folder / "video.mp4", folder / "masked.mp4"
        timeline = analyze(
            source,
            folder / "timeline",
            models=self.models,
            settings=self.analysis,
            cast=load_cast(photos, self.models.faces),
        )
        effect = EffectSettings(name=EffectName.SOLID, color=COLOUR)
        render(source, timeline, output, effect=effect, encoder=self.encoder, overwrite=True)
        return output
