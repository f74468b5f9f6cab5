"""What the commands make of their arguments: effects and clicks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from bystander.errors import ConfigError, SelectionError
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
