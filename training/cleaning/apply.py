"""Carrying out what cleaning found, except where a person decided otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from pydantic import Field

from bystander.config import Settings, read_config
from training.cleaning.findings import Action, Finding, Findings
from training.cleaning.shapes import clipped_box, outlines, rectangle, usable
from training.errors import DataError
from training.pictures import Annotation, Picture

_STRENGTH = {action: strength for strength, action in enumerate(get_args(Action))}


class Overrides(Settings):
    """Decisions of a person, which go before any finding.

    A key is that of a picture, or `PICTURE#ANNOTATION`, as the report shows them.
    """

    keep: tuple[str, ...] = Field(default=(), description="as if nothing had been found")
    remove: tuple[str, ...] = Field(default=(), description="whatever has been found")


def read_overrides(path: Path | None) -> Overrides:
    """The decisions in the YAML file at `path`; none without a file.

    Raises:
        ConfigError: it is unreadable, or has other keys than `keep` and `remove`.
    """
    return read_config(path, Overrides) if path is not None else Overrides()


def apply(
    pictures: Sequence[Picture], findings: Findings, overrides: Overrides | None = None
) -> list[Picture]:
    """The pictures and annotations that are to be learned from; the arguments stay as they are.

    What is to be grey is left as an annotation with `crowd` set, see `training.cleaning.greyed`.

    Raises:
        DataError: an override names nothing in `pictures`, or is to be kept and removed.
    """
    overrides = overrides or Overrides()
    keep, remove = set(overrides.keep), set(overrides.remove)
    _check(keep, remove, pictures)
    by_picture: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings.found:
        by_picture[finding.picture].append(finding)
    cleaned = []
    for picture in pictures:
        found = [each for each in by_picture[picture.key] if _key(each) not in keep]
        found += [_demanded(picture, key) for key in _keys(picture) if key in remove]
        if all(finding.action != "remove picture" for finding in found):
            cleaned.append(amended(picture, found))
    return cleaned


def amended(picture: Picture, found: Iterable[Finding]) -> Picture:
    """`picture` with its annotations removed, clipped or made crowds as `found` says."""
    actions: dict[str, Action] = {}
    for finding in sorted(found, key=lambda finding: -_STRENGTH[finding.action]):
        if finding.annotation is not None:
            actions[finding.annotation] = finding.action  # the strongest comes last
    people = (_amended(person, actions.get(person.key), picture) for person in picture.people)
    return replace(picture, people=tuple(person for person in people if person is not None))


def _amended(person: Annotation, action: Action | None, picture: Picture) -> Annotation | None:
    if action == "remove annotation":
        return None
    if action == "clip annotation":
        parts = usable(person, picture.width, picture.height)
        box = person.box and clipped_box(person.box, picture.width, picture.height)
        return replace(person, polygons=parts, box=box)
    if action == "grey out" and not person.crowd:
        # The silhouette or the box is wrong: whoever it is, is in one of the two.
        parts = outlines(person)
        if person.box is not None and np.isfinite(person.box).all():
            parts += (rectangle(person.box),)
        return replace(person, polygons=parts, crowd=True)
    return person


def _keys(picture: Picture) -> list[str]:
    return [picture.key, *(f"{picture.key}#{person.key}" for person in picture.people)]


def _key(finding: Finding) -> str:
    if finding.annotation is None:
        return finding.picture
    return f"{finding.picture}#{finding.annotation}"


def _demanded(picture: Picture, key: str) -> Finding:
    if key == picture.key:
        return Finding("broken file", "remove picture", picture.key, "A person said so.")
    annotation = key.removeprefix(f"{picture.key}#")
    return Finding("degenerate", "remove annotation", picture.key, "A person said so.", annotation)


def _check(keep: set[str], remove: set[str], pictures: Iterable[Picture]) -> None:
    if both := sorted(keep & remove):
        raise DataError(
            f"the overrides keep and remove {', '.join(both)}", "Take it out of one of the lists."
        )
    unknown = (keep | remove).difference(key for picture in pictures for key in _keys(picture))
    if unknown:
        raise DataError(
            f"the overrides name what isn't in any source: {', '.join(sorted(unknown))}",
            "Copy the keys from the report; an annotation's is PICTURE#ANNOTATION.",
        )
