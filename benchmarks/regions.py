"""Who can be seen: masks the clips that have ground truth and counts what leaks.

python -m benchmarks.regions                        all clips
python -m benchmarks.regions hamilton               one of them
python -m benchmarks.regions --score OUT hamilton   a video that was masked before
python -m benchmarks.regions --save DIR             and draw the worst frames there
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.material import Clip, frames, use_shared_models
from benchmarks.scoring import (
    SOLID,
    InstanceScore,
    Region,
    person_ids,
    score_instances,
    score_regions,
)

REGION_CLIPS = ("hamilton", "opera")
INSTANCE_CLIP = "schoolgirls"
WORST_FRAMES = 4

Picture = NDArray[np.uint8]


def mask(video: Path, output: Path, *options: str) -> None:
    """`bystander mask` in a process of its own, with the solid colour that is counted."""
    colour = "#{:02x}{:02x}{:02x}".format(*SOLID)
    command = [sys.executable, "-m", "bystander", "mask", str(video), "-o", str(output)]
    command += ["--effect", "solid", "--color", colour, "--overwrite", *options]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr or done.stdout}")
    print(f"  masked in {time.perf_counter() - started:.1f} s {' '.join(options[-2:])}")


def click_on(folder: Path, person: int) -> tuple[int, int, int]:
    """Frame, x, y of a pixel that is surely on `person`: nearest the silhouette's centroid.

    The frame is the first one that shows the person.
    """
    for index in range(len(list(folder.glob("*.png")))):
        rows, columns = np.nonzero(person_ids(folder, index) == person)
        if rows.size:
            distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
            nearest = int(distance.argmin())
            return index, int(columns[nearest]), int(rows[nearest])
    raise ValueError(f"person {person} is in no frame of {folder}")


def report_regions(name: str, regions: list[Region]) -> None:
    satisfied = sum(region.satisfied for region in regions)
    print(f"{name}: {satisfied} of {len(regions)} regions")
    for region in regions:
        if not region.satisfied:
            print(
                f"  frame {region.frame}: expected to {region.expect} {region.who},"
                f" {region.masked:.0%} of {region.box} is masked"
            )


def report_instances(name: str, score: InstanceScore) -> None:
    leaks = score.leaks
    total = len({person.frame for person in score.people})
    kept = "" if score.kept is None else f" keeping {score.kept} ({score.kept_masked:.1%} masked)"
    print(
        f"{name}{kept}: {score.leak:.2%} of bystander pixels visible,"
        f" more than 5 % of someone in {len({leak.frame for leak in leaks})} of {total} frames,"
        f" {score.excess:.0%} as much masked where nobody is"
    )
    for leak in leaks[:WORST_FRAMES]:
        print(f"  frame {leak.frame}: {leak.visible:.0%} of person {leak.person} shows")


def draw_regions(source: Picture, output: Picture, regions: list[Region]) -> Picture:
    """Source and output side by side; boxes green where satisfied, red where not."""
    pictures = [source.copy(), output.copy()]
    for region in regions:
        x0, y0, x1, y1 = region.box
        colour = (0, 255, 0) if region.satisfied else (255, 0, 0)
        for picture in pictures:
            cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), colour, 2)
    return np.hstack(pictures)


def draw_instances(source: Picture, output: Picture, ids: Picture, kept: int | None) -> Picture:
    """Source and output side by side; bystanders outlined red, the kept person green."""
    pictures = [source.copy(), output.copy()]
    for person in np.unique(ids[ids > 0]):
        colour = (0, 255, 0) if person == kept else (255, 0, 0)
        silhouette = (ids == person).astype(np.uint8)
        outline, _ = cv2.findContours(silhouette, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for picture in pictures:
            cv2.drawContours(picture, outline, -1, colour, 1)
    return np.hstack(pictures)


def picked(video: Path, indices: set[int]) -> dict[int, Picture]:
    """The frames of `video` with these indices."""
    return {index: frame for index, (_, frame) in enumerate(frames(video)) if index in indices}


def save_regions(folder: Path, clip: Clip, output: Path, regions: list[Region]) -> None:
    """Draw every frame that has regions."""
    indices = {region.frame for region in regions}
    before, after = picked(clip.video, indices), picked(output, indices)
    for index in sorted(indices):
        inside = [region for region in regions if region.frame == index]
        drawn = draw_regions(before[index], after[index], inside)
        Image.fromarray(drawn).save(folder / f"{clip.name}-{index:05d}.png")


def save_instances(folder: Path, clip: Clip, output: Path, score: InstanceScore) -> None:
    """Draw the worst frames."""
    indices = set(score.worst_frames(WORST_FRAMES))
    before, after = picked(clip.video, indices), picked(output, indices)
    suffix = "" if score.kept is None else f"-keep{score.kept}"
    for index in sorted(indices):
        ids = person_ids(clip.persons, index)
        drawn = draw_instances(before[index], after[index], ids, score.kept)
        Image.fromarray(drawn).save(folder / f"{clip.name}{suffix}-{index:05d}.png")


def score(clip: Clip, output: Path, kept: int | None, save: Path | None) -> None:
    """Measure one masked video, print the result, and draw it where asked."""
    if clip.persons.is_dir():
        instances = score_instances(output, clip.persons, kept)
        report_instances(clip.name, instances)
        if save:
            save_instances(save, clip, output, instances)
    else:
        regions = score_regions(output, clip.truth)
        report_regions(clip.name, regions)
        if save:
            save_regions(save, clip, output, regions)


def mask_and_score(clip: Clip, folder: Path, save: Path | None) -> None:
    """Mask the clip as its truth asks (once a person, where clicks are tried) and measure."""
    truth = json.loads(clip.truth.read_text())
    output = folder / f"{clip.name}.mp4"
    if "cast" in truth:
        mask(clip.video, output, "--cast", str(clip.folder / truth["cast"]))
        score(clip, output, None, save)
        return
    mask(clip.video, output)
    score(clip, output, None, save)
    seconds = [at for at, _ in frames(clip.video)]
    for person in truth["keep_one_of"]:
        index, x, y = click_on(clip.persons, person)
        output = folder / f"{clip.name}-keep{person}.mp4"
        mask(clip.video, output, "--keep-at", f"{seconds[index]:.6f}:{x},{y}")
        score(clip, output, person, save)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = (*REGION_CLIPS, INSTANCE_CLIP)
    parser.add_argument("clips", nargs="*", metavar="CLIP", help=f"of {', '.join(names)}")
    parser.add_argument("--score", type=Path, metavar="OUT", help="score this file, mask nothing")
    parser.add_argument("--kept", type=int, metavar="ID", help="with --score: who is kept")
    parser.add_argument("--save", type=Path, metavar="DIR", help="where to draw the worst frames")
    parser.add_argument("--outputs", type=Path, metavar="DIR", help="keep the masked videos here")
    arguments = parser.parse_args()

    clips = [Clip(name) for name in arguments.clips or names]
    for clip in clips:
        if not clip.truth.exists():
            sys.exit(f"{clip.name}: no {clip.truth}. Set BYSTANDER_SHARED to the shared test data.")
    for folder in (arguments.save, arguments.outputs):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    if arguments.score:
        if len(clips) != 1:
            parser.error("--score needs exactly one CLIP")
        score(clips[0], arguments.score, arguments.kept, arguments.save)
        return
    use_shared_models()
    with tempfile.TemporaryDirectory(prefix="bystander-regions-") as scratch:
        for clip in clips:
            mask_and_score(clip, arguments.outputs or Path(scratch), arguments.save)


if __name__ == "__main__":
    main()
