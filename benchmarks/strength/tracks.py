"""The people of real clips, masked and encoded by the product, and found again by themselves.

Each tracklet is cut in two: the attacker knows the first half of everybody in the shot, and
looks for the second among them. Tracklets of one shot, seen at the same time, are different
people. Both halves wear the same clothes in the same light, which makes this the easiest case
there is: nobody could do better with photos of another day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import Clip, frames
from benchmarks.strength.attacks import ATTACKS, Picture, averaged_body
from benchmarks.strength.portraits import GREY, moved
from benchmarks.strength.reidentification import Scores, face_probes, judge, likeness_of, pooled
from benchmarks.strength.table import Row, label
from bystander.choices import EffectName
from bystander.geometry.instances import Face
from bystander.geometry.masks import Bits, resized
from bystander.media.probe import probe
from bystander.models import Models
from bystander.models.bodies import BodyModel, HistogramBodies
from bystander.models.face_model import FaceModel
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings, cell_size
from bystander.redaction.shapes import covered, steady
from bystander.settings import AnalysisSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import Origin, Sighting

CLIPS: Final = ("hamilton", "opera", "schoolgirls", "interview")
FILL_CLIPS: Final = (*CLIPS, "composed-field", "plaza")
"""Those, and clips in which people move on, so that `fill` finds what is behind them."""
SAMPLES: Final = 5
"""Frames of each half that are looked at."""
LEAST_HEIGHT: Final = 80
"""Source pixels: whoever is smaller is hard to recognise unmasked."""
LEAST_FRAMES: Final = 20
BODY_ATTACKS: Final = ("untouched", "unsharp", "upsampled")
"""Deconvolution of whole bodies takes minutes, and gains nothing even on faces."""
LARGE_FACE: Final = 112
"""Pixels: what a recogniser looks at."""
FILLED_GREY_LEVELS: Final = 4.0
"""A pixel shows the background where fill differs by more from the blur, both encoded."""
MOSTLY: Final = 0.5
"""Share of somebody's pixels from which they are mostly filled."""

Half = int
Group = tuple[str, int]
"""A clip and a shot of it."""
Who = tuple[str, int]
"""A clip and a tracklet of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Someone in one frame, cut along the grid of cells; what isn't masked is grey.

    Attributes:
        source, output: uint8 [h, w, 3] RGB.
        outline: bool [h, w], what is masked.
        cell: the side of the cells, pixels.
        face: of them, if one was found in the source; pixels of the crop.
    """

    source: Picture
    output: Picture
    outline: Bits
    cell: int
    face: Face | None


@dataclass(frozen=True, slots=True)
class Track:
    """What is seen of one person, in the first and the second half."""

    who: Who
    group: Group
    halves: tuple[list[Look], list[Look]] = field(default_factory=lambda: ([], []))


class FaceFinder:
    """Finds the faces of a clip's frames once, however many effects are tried."""

    def __init__(self, model: FaceModel) -> None:
        self._model = model
        self._found: dict[tuple[str, int], list[Face]] = {}

    def faces(self, clip: Clip, index: int, picture: Picture) -> list[Face]:
        if (clip.name, index) not in self._found:
            self._found[clip.name, index] = self._model.detect(picture)
        return self._found[clip.name, index]


def attack_tracks(
    clips: Sequence[str],
    effect: EffectSettings,
    models: Models,
    finder: FaceFinder,
    work: Path,
    filled: Mapping[Who, float] | None = None,
) -> Iterator[Row]:
    """Mask the clips, unless they were, and attack everybody in them.

    Args:
        clips: names.
        effect: what they are masked with.
        models: that mask, and that attack.
        finder: kept from effect to effect.
        work: where timelines and masked clips stay.
        filled: `filled_shares`, to give rows of those who are mostly filled and those who aren't,
            by what is seen of their bodies; each is still looked for among everybody.
    """
    tracks = [
        track
        for name in clips
        for track in _looked_at(
            Clip(name), *_masked(Clip(name), effect, models, work), effect, finder
        )
    ]
    several = _several(tracks)
    mostly = [
        np.array([filled is not None and filled[track.who] >= MOSTLY for track in group])
        for group in several
    ]
    for attacker, groups in _attackers(tracks, models):
        if groups:
            yield Row.of("tracks", effect, attacker, judge(groups))
        if filled is None or "face" in attacker:
            continue
        for name, wanted in (("filled", True), ("blurred", False)):
            parts = [
                (scores[mine == wanted], truth[mine == wanted])
                for (scores, truth), mine in zip(groups, mostly, strict=True)
            ]
            if any(len(truth) for _, truth in parts):
                yield Row.of(f"tracks, mostly {name}", effect, attacker, judge(parts))


def filled_shares(clips: Sequence[str], models: Models, work: Path) -> dict[Who, float]:
    """Of everybody who is attacked, the share of their pixels in which `fill` shows no blur."""
    found: dict[Who, list[float]] = defaultdict(list)
    for clip in map(Clip, clips):
        timeline, filled = _masked(clip, EffectSettings(name=EffectName.FILL), models, work)
        _, blurred = _masked(clip, EffectSettings(), models, work)
        plan = sampled(timeline)
        pairs = zip(timeline.frames(), frames(filled), frames(blurred), strict=True)
        for record, (_, one), (_, other) in pairs:
            away = np.abs(_smooth_luma(one) - _smooth_luma(other)) > FILLED_GREY_LEVELS
            size = away.shape[1], away.shape[0]
            for sighting in record.sightings:
                if (record.index, sighting.tracklet) in plan:
                    theirs = resized(sighting.mask.on_grid(*timeline.header.grid), size)
                    found[clip.name, sighting.tracklet].append(float(away[theirs].mean()))
    return {who: float(np.mean(shares)) for who, shares in found.items()}


def _smooth_luma(picture: Picture) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.blur(grey, (5, 5)))


def _several(tracks: Iterable[Track]) -> list[list[Track]]:
    """Everybody by clip and shot, where there is anybody to take them for."""
    groups: dict[Group, list[Track]] = defaultdict(list)
    for track in tracks:
        groups[track.group].append(track)
    return [group for group in groups.values() if len(group) > 1]


def _masked(
    clip: Clip, effect: EffectSettings, models: Models, work: Path
) -> tuple[Timeline, Path]:
    path = work / f"{clip.name}.timeline"
    if not path.exists():
        analyze(clip.video, path, models=models, settings=AnalysisSettings())
    timeline = Timeline.load(path)
    output = work / f"{clip.name}-{label(effect).replace(' ', '')}.mp4"
    if not output.exists():
        render(clip.video, timeline, output, effect=effect)
    return timeline, output


def _looked_at(
    clip: Clip, timeline: Timeline, output: Path, effect: EffectSettings, finder: FaceFinder
) -> list[Track]:
    header = timeline.header
    plan = sampled(timeline)
    tracks = {t.id: Track((clip.name, t.id), (clip.name, t.shot)) for t in header.tracklets}
    records = steady(timeline.frames(), effect, probe(clip.video).time_base)
    pairs = zip(records, frames(clip.video), frames(output), strict=True)
    for record, (_, source), (_, masked) in pairs:
        wanted = [s for s in record.sightings if (record.index, s.tracklet) in plan]
        found = finder.faces(clip, record.index, source) if wanted else []
        for sighting in wanted:
            half = plan[record.index, sighting.tracklet]
            look = _look(source, masked, sighting, found, header, effect)
            tracks[sighting.tracklet].halves[half].append(look)
    return [track for track in tracks.values() if all(track.halves)]


def sampled(timeline: Timeline) -> dict[tuple[int, int], Half]:
    """Frame and tracklet to its half, for everyone large and long enough to be known."""
    seen: dict[int, list[int]] = defaultdict(list)
    for record in timeline.frames():
        for sighting in record.sightings:
            if sighting.origin is Origin.SEEN:
                seen[sighting.tracklet].append(record.index)
    plan = {}
    for tracklet in timeline.header.tracklets:
        indices = seen[tracklet.id]
        if tracklet.height < LEAST_HEIGHT or len(indices) < LEAST_FRAMES:
            continue
        # A gap between the halves, so that they are not nearly the same picture.
        for half, part in enumerate(
            (indices[: len(indices) * 2 // 5], indices[-len(indices) * 2 // 5 :])
        ):
            for at in np.linspace(0, len(part) - 1, SAMPLES).round().astype(int):
                plan[part[at], tracklet.id] = half
    return plan


def _look(
    source: Picture,
    masked: Picture,
    sighting: Sighting,
    faces: Sequence[Face],
    header: Header,
    effect: EffectSettings,
) -> Look:
    tracklet, grid = header.tracklet(sighting.tracklet), header.grid
    height, width = source.shape[:2]
    across, down = width / grid[0], height / grid[1]
    x0, y0, x1, y1 = sighting.mask.box
    cover = covered(sighting.mask, sighting.box, effect.shape, ())  # nobody is kept
    tall = max(tracklet.height, (y1 - y0) * down)
    cut_off = x0 <= 0 or x1 >= grid[0]
    cell = cell_size(effect, tall, (x1 - x0) * across, tracklet.face, cut_off)
    x0, y0, x1, y1 = cover.clipped(*grid).box
    left, top = (int(v) // cell * cell for v in (x0 * across, y0 * down))
    part = np.s_[top : round(y1 * down), left : round(x1 * across)]
    outline, own = (
        resized(mask.on_grid(*grid), (width, height))[part] for mask in (cover, sighting.mask)
    )
    theirs = [face for face in faces if sighting.mask.contains(*_centre(face, across, down))]
    face = max(theirs, key=lambda face: face.score, default=None)
    clear, drawn = (
        np.ascontiguousarray(np.where(bits[..., np.newaxis], p[part], GREY), dtype=np.uint8)
        for p, bits in ((source, own), (masked, outline))
    )
    face = None if face is None else moved(face, -left, -top)
    return Look(clear, drawn, outline, cell, face)


def _centre(face: Face, across: float, down: float) -> tuple[float, float]:
    x0, y0, x1, y1 = face.box
    return (x0 + x1) / 2 / across, (y0 + y1) / 2 / down


def _attackers(
    tracks: Sequence[Track], models: Models
) -> Iterator[tuple[str, list[tuple[Scores, NDArray[np.intp]]]]]:
    bodies, colours = models.bodies, HistogramBodies()
    several = _several(tracks)
    yield "body, unmasked", [_matched(_bodies(g, bodies, "source", "source")) for g in several]
    for name in BODY_ATTACKS:
        found = [_matched(_bodies(g, bodies, "source", "output", name)) for g in several]
        yield f"body, {name}, pooled", found
    yield "body, averaged", [_matched(_averaged_bodies(g, bodies)) for g in several]
    yield (
        "informed body, pooled",
        [_matched(_bodies(g, bodies, "output", "output")) for g in several],
    )
    yield "informed colours", [_matched(_bodies(g, colours, "output", "output")) for g in several]
    yield "informed size", [_matched(_sizes(g)) for g in several]
    yield from _face_attackers(several, models)


def _matched(scores: Scores) -> tuple[Scores, NDArray[np.intp]]:
    return scores, np.arange(len(scores))


def _bodies(
    group: Sequence[Track], model: BodyModel, known: str, probed: str, attack: str = "untouched"
) -> Scores:
    """Second halves against first ones, each pooled."""

    def half(track: Track, which: Half, picture: str, name: str) -> NDArray[np.float32]:
        looks = track.halves[which]
        crops = [ATTACKS[name](getattr(look, picture), look.cell) for look in looks]
        return pooled(model.embed(crops, [look.outline for look in looks]))

    gallery = np.stack([half(track, 0, known, "untouched") for track in group])
    probes = np.stack([half(track, 1, probed, attack) for track in group])
    return (probes @ gallery.T).astype(np.float64)


def _sizes(group: Sequence[Track]) -> Scores:
    """Second halves against first ones, by nothing but height and width of what is drawn over."""
    first, second = (
        np.stack(
            [np.log([look.outline.shape for look in t.halves[which]]).mean(axis=0) for t in group]
        )
        for which in (0, 1)
    )
    return np.asarray(-np.abs(second[:, np.newaxis] - first).sum(axis=2), dtype=np.float64)


def _averaged_bodies(group: Sequence[Track], model: BodyModel) -> Scores:
    gallery = np.stack([pooled(model.embed([k.source for k in t.halves[0]])) for t in group])
    laid = [averaged_body([look.output for look in track.halves[1]]) for track in group]
    return (model.embed(laid) @ gallery.T).astype(np.float64)


def _face_attackers(
    groups: Iterable[list[Track]], models: Models
) -> Iterator[tuple[str, list[tuple[Scores, NDArray[np.intp]]]]]:
    """Of those whose face is seen in both halves."""
    results: dict[str, list[tuple[Scores, NDArray[np.intp]]]] = defaultdict(list)
    for group in groups:
        faced = [[[k for k in half if k.face] for half in track.halves] for track in group]
        faced = [halves for halves in faced if all(halves)]
        if len(faced) < 2:
            continue
        for name, scores in _faces(faced, models).items():
            results[name].append(_matched(scores))
    yield from results.items()


def _around_face(look: Look, face: Face) -> tuple[Picture, Face, int]:
    """The output for a face's height around it, cut along the grid, the face in it, and the
    side of the cells; larger faces than a recogniser looks at are shrunk."""
    x0, y0, x1, y1 = face.box
    reach = y1 - y0
    left, top = (max(0, int(edge - reach) // look.cell * look.cell) for edge in (x0, y0))
    part = look.output[top : int(y1 + reach), left : int(x1 + reach)]
    face = moved(face, -left, -top)
    # Cells are multiples of four, so that their grid stays one of whole pixels.
    times = 4 if reach >= 4 * LARGE_FACE else 2 if reach >= 2 * LARGE_FACE else 1
    height, width = (side // times for side in part.shape[:2])
    part = part[: height * times, : width * times]
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    a, b, c, d = (value / times for value in face.box)
    shrunk = Face((a, b, c, d), face.score, np.divide(face.landmarks, times, dtype=np.float32))
    return np.ascontiguousarray(small, dtype=np.uint8), shrunk, look.cell // times


def _faces(people: Sequence[Sequence[Sequence[Look]]], models: Models) -> dict[str, Scores]:
    """Scores by attack; `people` are two halves each, every look with a face."""

    def probes(looks: Sequence[Look]) -> dict[str, NDArray[np.float32]]:
        parts = [_around_face(look, look.face) for look in looks if look.face is not None]
        outputs, faces, cells = zip(*parts, strict=True)
        return face_probes(outputs, faces, cells, models.faces)

    def clear(looks: Sequence[Look]) -> NDArray[np.float32]:
        found = [models.faces.embed(k.source, [k.face]) for k in looks if k.face is not None]
        return np.concatenate(found)

    known = [clear(first) for first, _ in people]
    masked_known = [probes(first)["pooled"] for first, _ in people]
    found = [probes(second) for _, second in people]
    likeness = [[likeness_of(probe, one) for one in known] for probe in found]
    results = {
        f"face, {name}": np.array([[one[name] for one in row] for row in likeness])
        for name in found[0]
    }
    unmasked = [pooled(clear(second)) for _, second in people]
    results["face, unmasked"] = np.array(
        [[float((known_face @ face).max()) for known_face in known] for face in unmasked]
    )
    results["informed face, pooled"] = np.array(
        [[float((p["pooled"] @ m.T).max()) for m in masked_known] for p in found]
    )
    return results
