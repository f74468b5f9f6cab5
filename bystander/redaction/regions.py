"""A frame of the timeline and the verdicts -> whom to draw over, and whom to leave alone.

The one place that says who wins a pixel; rendering, the audit and the benchmarks ask it. The
timeline holds one final mask a person and frame, which was either *seen* (the network's
silhouette, a face, or pixels firmly remembered) or is a *guess* (filled in between sightings,
or continued beyond them):

    of a pixel                  | kept, seen there | kept, guessed there | nobody kept there
    masked, seen there          | masked           | masked              | masked
    masked, guessed there       | clear            | masked              | masked
    near somebody masked        | clear            | their soft edge     | their soft edge
    nobody masked near          | clear            | clear               | clear

Where another shape than the silhouette is drawn over, what that adds is *near somebody masked*,
and gives way to everybody kept, seen or guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bystander.choices import EffectName, ShapeName
from bystander.geometry.masks import Mask
from bystander.redaction.compositing import Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.shapes import KEPT_MARGIN_PX, covered
from bystander.timeline.types import Decision, FrameRecord, Origin, Sighting, Tracklet

GUESSES: Final = frozenset({Origin.FILLED, Origin.EXTENDED})
"""Nobody saw them there: what was seen of others stands against it."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is drawn in one frame.

    Attributes:
        masked: the people to draw over, each with the mask that has to be covered wholly.
        kept: what is seen of the people to keep, grid pixels; clear where no mask of `masked`
            lies.
        regions: of `masked`, one each, for the compositor.
    """

    masked: tuple[Sighting, ...]
    kept: tuple[Mask, ...]
    regions: tuple[Region, ...]


def drawn(
    record: FrameRecord,
    tracklets: Mapping[int, Tracklet],
    effect: EffectSettings | None = None,
) -> Drawn:
    """Decide who is drawn over in a frame, and where.

    Args:
        record: everyone in it; where the effect is `boxed` best with `steady` boxes.
        tracklets: by their ids; all of the record's are there.
        effect: tells what of everybody masked is drawn over; by default the silhouette.

    Raises:
        KeyError: a tracklet of the record is missing.
    """
    kept, guessed, wanted = [], [], []
    for sighting in record.sightings:
        if tracklets[sighting.tracklet].decision_at(record.index) is Decision.MASK:
            wanted.append(sighting)
        elif sighting.origin is Origin.SEEN:
            # Only the network's own silhouette: shoulders drawn below a face are a guess, too.
            kept.append(sighting.mask)
        else:
            guessed.append(sighting.mask)
    masked = [
        replace(sighting, mask=sighting.mask.without(kept)) if sighting.origin in GUESSES
        else sighting
        for sighting in wanted
    ]  # fmt: skip
    masked = [sighting for sighting in masked if sighting.mask.area]
    spared = []
    looks = [tracklets[one.tracklet].look_at(record.index) for one in masked]
    if effect is not None and ((effect.boxed and masked) or any(n is not None for n in looks)):
        spared = [mask.grown(KEPT_MARGIN_PX) for mask in (*kept, *guessed)]
    regions = (
        _region(one, tracklets[one.tracklet], effect, spared, look)
        for one, look in zip(masked, looks, strict=True)
    )
    return Drawn(tuple(masked), tuple(kept), tuple(regions))


def _region(
    sighting: Sighting,
    tracklet: Tracklet,
    effect: EffectSettings | None,
    spared: Sequence[Mask],
    look: int | None,
) -> Region:
    shape, place = None, None
    mask, box = sighting.mask, sighting.box
    if effect is not None and effect.boxed:
        shape = covered(mask, box, effect.shape, spared)
    if effect is not None and (effect.name is EffectName.PICTURE or look is not None):
        place = covered(mask, box, ShapeName.BOX, spared)
    return Region(mask, tracklet.height, tracklet.face, shape, place, look)
