"""`--set path=value` and `--without RULE` -> analysis settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from bystander.settings import AnalysisSettings

RULES: dict[str, tuple[str, Any]] = {
    "keyframes": ("keyframes.seconds", 0.0),
    "agreement": ("keyframes.agreement", 0.0),
    "half-size": ("segmenter.large_share", 1.0),
    "second-look": ("second_look.windows", 0),
    "edge-extension": ("filler.edge_extension", 0.0),
    "shot-extension": ("filler.shot_extension", 0.0),
    "extension": ("filler.extension", 0.0),
    "duplicates": ("segmenter.duplicate_containment", 1.0),
    "colours-in-association": ("tracking.colour_weight", 0.0),
    "heading": ("tracking.heading_weight", 0.0),
    "parts": ("tracking.part", 1.0),
    "swap-risk": ("tracking.swap_margin", 0.0),
    "hidden": ("tracking.hidden_seconds", 0.0),
    "carried": ("tracking.carried_distance", 0.0),
    "pixel-memory": ("tracking.memory_weight", 0.0),
    "flow-ownership": ("tracking.flow_weight", 0.0),
    "motion": ("tracking.motion_weight", 0.0),
    "contested-fading": ("tracking.contested_fading", 1.0),
    "detection-ownership": ("tracking.detection_weight", 0.0),
    "emerging": ("tracking.emerging_log_likelihood", -1000.0),
    "several-samples": ("identity.samples", 1),
    "samples-apart": ("identity.spread", 0.0),
    "face-quality": ("identity.quality", 0.0),
    "margin": ("identity.margin", 0.0),
}
"""Rule -> the setting that is the rule, and the value with which it does nothing."""


class UnknownSetting(ValueError):
    """A path that isn't in `AnalysisSettings`."""


def with_settings(
    settings: AnalysisSettings, changes: Sequence[tuple[str, Any]]
) -> AnalysisSettings:
    """The settings with others at dotted paths.

    Raises:
        UnknownSetting: no setting lies there.
        pydantic.ValidationError: a value is out of its setting's bounds.
    """
    document = settings.model_dump()
    for path, value in changes:
        *folders, name = path.split(".")
        place: Any = document
        for folder in folders:
            place = place.get(folder) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise UnknownSetting(f"no setting is called {path}")
        place[name] = value
    return AnalysisSettings.model_validate(document)


def parsed(assignment: str) -> tuple[str, list[Any]]:
    """ "a.b=1,2" as the path and its values.

    Raises:
        ValueError: it isn't of that form.
    """
    path, equals, values = assignment.partition("=")
    if not equals or not path or not values:
        raise ValueError(f"{assignment!r} is not PATH=VALUE")
    return path, [yaml.safe_load(value) for value in values.split(",")]


def without(rule: str) -> tuple[str, Any]:
    """The change that switches a rule off.

    Raises:
        UnknownSetting: there is no such rule.
    """
    if rule not in RULES:
        raise UnknownSetting(f"no rule is called {rule}; known: {', '.join(RULES)}")
    return RULES[rule]
