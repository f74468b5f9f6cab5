"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

from bystander.models import Segmenter
from training.cleaning.apply import amended
from training.cleaning.crowds import crowds, overcrowded
from training.cleaning.duplicates import repeated
from training.cleaning.files import broken, load, look
from training.cleaning.findings import Check, Finding, Findings
from training.cleaning.missing import unlabelled
from training.cleaning.settings import CleaningSettings
from training.cleaning.shapes import judged
from training.errors import DataError
from training.pictures import Picture

_ORDER = {check: place for place, check in enumerate(get_args(Check))}


def clean(
    pictures: Sequence[Picture],
    settings: CleaningSettings | None = None,
    segmenter: Segmenter | None = None,
) -> Findings:
    """Look for everything that is wrong with `pictures`.

    Pictures are decoded one by one; 2.5 kB are kept of each.

    Args:
        segmenter: finds people without annotation; without it they aren't looked for.

    Returns:
        The findings by check, within it in the order of the pictures, unlabelled people
        the most certain first.

    Raises:
        DataError: two pictures have the same key, or two annotations of one picture.
    """
    settings = settings or CleaningSettings()
    _check_keys(pictures)
    with ThreadPoolExecutor(settings.workers) as pool:
        looks = list(pool.map(look, (picture.path for picture in pictures)))
    found = [
        finding
        for picture, seen in zip(pictures, looks, strict=True)
        if (finding := broken(picture, seen))
    ]
    prints = {index: seen.print for index, seen in enumerate(looks) if seen.print is not None}
    found += repeated(pictures, prints, settings)
    gone = {finding.picture for finding in found if finding.action == "remove picture"}
    for picture in pictures:
        if picture.key not in gone:
            found += _in_picture(picture, settings, segmenter)
    found.sort(key=_place)
    return Findings(pictures=len(pictures), settings=settings, found=tuple(found))


def _in_picture(
    picture: Picture, settings: CleaningSettings, segmenter: Segmenter | None
) -> Iterator[Finding]:
    found = judged(picture, settings) + crowds(picture)
    yield from found
    left = amended(picture, found)
    if (too_grey := overcrowded(left, settings)) is not None:
        yield too_grey
    elif segmenter is not None:
        yield from unlabelled(left, load(left.path), segmenter, settings)


def _place(finding: Finding) -> tuple[int, float]:
    return _ORDER[finding.check], -finding.sighting.score if finding.sighting else 0.0


def _check_keys(pictures: Sequence[Picture]) -> None:
    seen: set[str] = set()
    for picture in pictures:
        people = {person.key for person in picture.people}
        if picture.key in seen or len(people) < len(picture.people):
            raise DataError(
                f"the key {picture.key}, or that of an annotation in it, is there twice",
                "Give the sources different names, and each annotation a key of its own.",
            )
        seen.add(picture.key)
