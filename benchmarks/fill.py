"""How like the true background `--effect fill` is, how much it fills, and what that takes.

    python -m benchmarks.fill -o OUT

Real people, cut out, walk through streets without anybody, which are known (`benchmarks.quality`).
They are masked by their exact silhouettes, so that nothing but the effect is measured; everybody
is. OUT gets each scene, filled and blurred, and `table.md`: the share of what is masked that is
filled, and there and in all of what people covered, PSNR of luma against the true street; CPU
seconds beside the blur's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import frames, use_shared_models
from benchmarks.quality.actors import SOURCES, cast_of
from benchmarks.quality.made import CUTOUTS
from benchmarks.quality.motion import (
    STREET_SIZE,
    Actors,
    Streets,
    keeping,
    path,
    real_crowd,
    real_near_passes,
    role,
    shot,
)
from benchmarks.quality.people import Rgb, read_photos
from benchmarks.quality.places import build_place, empty_strips
from benchmarks.quality.reel import write_scene
from benchmarks.quality.scenes import Scene
from benchmarks.quality.stage import Camera, film
from benchmarks.quality.truth import person_ids
from bystander.choices import EffectName
from bystander.geometry.masks import Mask
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import load_models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import FrameRecord, Shot, Sighting, Tracklet

SEED = 7
FILLED_GREY_LEVELS = 2.0
"""A pixel that is further from the blur than this shows the background."""


def still_passers(actors: Actors, streets: Streets) -> Scene:
    """Three people pass each other before a camera that stands still."""
    roles = [
        role(3, actors["runner"], 260, path((0, -60, 420), (80, 900, 420))),
        role(2, actors["small girl"], 230, path((0, 900, 440), (80, -40, 440))),
        role(1, actors["rapper"], 360, path((0, -80), (80, 940))),
    ]
    return keeping(shot(streets, roles, Camera(pan=0)))


def panned_passers(actors: Actors, streets: Streets) -> Scene:
    """The same, while the camera pans."""
    still = still_passers(actors, streets).shots[0]
    return keeping(replace(still, camera=Camera(pan=2)))


SCENES: tuple[Callable[[Actors, Streets], Scene], ...] = (
    still_passers,
    panned_passers,
    real_near_passes,
    real_crowd,
)


@dataclass(frozen=True)
class Row:
    """What came of one scene: PSNR in dB, shares of 1, seconds of CPU."""

    name: str
    filled: float
    psnr_filled: float
    psnr_all: float
    psnr_blurred: float
    cpu_fill: float
    cpu_blur: float


def measure(make: Callable[[Actors, Streets], Scene], streets: Streets, folder: Path) -> Row:
    """Film a scene in `folder`, fill and blur everybody, and compare with the empty street."""
    scene = make(cast_of(list(SOURCES)), streets)
    (taken,) = scene.shots
    write_scene(folder, scene, film(taken, np.random.default_rng(SEED)))
    video = folder / "video.mp4"
    timeline = exact_timeline(video, folder / "persons", folder / "timeline")
    spent = {}
    for name in (EffectName.FILL, EffectName.BLUR):
        begun = time.process_time()
        output = folder / f"{name}.mp4"
        render(video, timeline, output, effect=EffectSettings(name=name), overwrite=True)
        spent[name] = time.process_time() - begun
    # The same camera and the same chance, without anybody and without noise.
    empty = replace(taken, roles=(), camera=replace(taken.camera, noise=0.0))
    places = (take.rgb for take in film(empty, np.random.default_rng(SEED)))
    errors: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]] = []
    outputs = (frames(folder / f"{name}.mp4") for name in (EffectName.FILL, EffectName.BLUR))
    for number, (place, (_, filled), (_, blurred)) in enumerate(zip(places, *outputs, strict=True)):
        there = person_ids(folder / "persons", number) > 0
        true, shown, blur = (_luma(one)[there] for one in (place, filled, blurred))
        errors.append(
            ((shown - true) ** 2, (blur - true) ** 2, np.abs(shown - blur) > FILLED_GREY_LEVELS)
        )
    shown, blur, is_filled = (np.concatenate(part) for part in zip(*errors, strict=True))
    return Row(
        make.__name__.replace("_", " "),
        float(is_filled.mean()),
        _psnr(shown[is_filled]),
        _psnr(shown),
        _psnr(blur),
        spent[EffectName.FILL],
        spent[EffectName.BLUR],
    )


def exact_timeline(video: Path, persons: Path, output: Path) -> Timeline:
    """The timeline of whoever is in `persons`, all to be masked; no network looks."""
    info = probe(video)
    grid = analysis_size(*info.display_size)
    seen: dict[int, list[int]] = {}
    with TimelineWriter(output) as writer:
        for frame in VideoReader(video, info):
            sightings = list(_sightings(person_ids(persons, frame.index), grid))
            for one in sightings:
                seen.setdefault(one.tracklet, []).append(frame.index)
            writer.add_frame(FrameRecord(frame.index, frame.pts, tuple(sightings)))
        facts = SourceVideo(
            *info.display_size,
            (info.time_base.numerator, info.time_base.denominator),
            info.frame_count,
            float(info.average_rate),
            fingerprint(video),
            info.origin_pts,
        )
        tracklets = tuple(
            Tracklet(who, 0, at[0], at[-1] + 1, len(at), info.display_size[1] * 0.75, None, ())
            for who, at in sorted(seen.items())
        )
        shots = (Shot(0, info.frame_count),)
        writer.finish(Header(facts, grid, shots, tracklets, (), {}))
    return Timeline.load(output)


def _sightings(ids: NDArray[np.uint8], grid: tuple[int, int]) -> Iterator[Sighting]:
    for who in np.unique(ids[ids > 0]).tolist():
        part = (ids == who).astype(np.float32)
        mask = Mask.from_frame(cv2.resize(part, grid, interpolation=cv2.INTER_AREA) > 0)
        x0, y0, x1, y1 = (float(side) for side in mask.box)
        yield Sighting(int(who), (x0, y0, x1, y1), 1.0, mask)


def _luma(picture: Rgb) -> NDArray[np.float64]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.float64)


def _psnr(squares: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / squares.mean())) if squares.size else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fill", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    output: Path = parser.parse_args().output
    use_shared_models()
    photos = read_photos(CUTOUTS, np.random.default_rng(SEED))
    strips = empty_strips(photos, load_models().segmenter, 6)
    streets = [build_place(strips, STREET_SIZE, np.random.default_rng(SEED))]
    rows = [measure(make, streets, output / make.__name__) for make in SCENES]
    lines = [
        "| scene | filled | PSNR where filled | PSNR, all | blur alone | CPU s, fill | blur |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {r.name} | {100 * r.filled:.0f} % | {r.psnr_filled:.1f} dB | {r.psnr_all:.1f} dB "
            f"| {r.psnr_blurred:.1f} dB | {r.cpu_fill:.1f} | {r.cpu_blur:.1f} |"
            for r in rows
        ),
    ]
    (output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
