"""How much of who someone is is left in what masks them: attack x effect.

python -m benchmarks.strength -o OUT                  everything
python -m benchmarks.strength -o OUT --only portraits photos that the defaults were chosen on
python -m benchmarks.strength -o OUT --only others    photos of other people
python -m benchmarks.strength -o OUT --only hamilton  the people of a clip; may be repeated
python -m benchmarks.strength -o OUT --only fill      what fill and pictures leave, in all clips

OUT gets strength.json, and the masked clips, which are used again.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.material import SHARED, use_shared_models
from benchmarks.strength.attackers import attackers, collect
from benchmarks.strength.portraits import read_portraits
from benchmarks.strength.reidentification import judge
from benchmarks.strength.table import Row, print_tables
from benchmarks.strength.tracks import CLIPS, FILL_CLIPS, FaceFinder, attack_tracks, filled_shares
from bystander.choices import EffectName, ShapeName
from bystander.errors import BystanderError
from bystander.media.photos import load_photo, photo_files
from bystander.models import Models, load_models
from bystander.redaction.effects import EffectSettings

PHOTOS: Final = {"portraits": "lfw10", "others": "groups_bbt"}
"""Folders of faces: those that the defaults were chosen on, and those that they were not."""
STRENGTHS: Final = {"portraits": (0.25, 0.5, 1.0, 2.0), "others": (0.5, 1.0)}
TRACK_STRENGTHS: Final = (0.5, 1.0, 2.0)
FILL: Final = "fill"
PLACES: Final = 40


def effects(strengths: tuple[float, ...]) -> Iterator[EffectSettings]:
    for name in (EffectName.BLUR, EffectName.MOSAIC):
        for strength in strengths:
            yield EffectSettings(name=name, strength=strength, allow_weak=True)
    for shape in ShapeName:
        yield EffectSettings(name=EffectName.SOLID, shape=shape)
    for shape in (ShapeName.BLOB, ShapeName.BOX):
        yield EffectSettings(shape=shape)


def filling_effects() -> Iterator[EffectSettings]:
    """`fill`, and what it is to be compared with; a picture is drawn over its plain colour."""
    for name in (EffectName.SOLID, EffectName.BLUR, EffectName.FILL):
        yield EffectSettings(name=name)
    face = np.zeros((64, 64, 4), dtype=np.uint8)
    cv2.circle(face, (32, 32), 30, (40, 200, 250, 255), -1)
    for x in (22, 42):
        cv2.circle(face, (x, 26), 4, (20, 20, 20, 255), -1)
    cv2.ellipse(face, (32, 36), (16, 12), 0, 10, 170, (20, 20, 20, 255), 3)
    picture = base64.b64encode(cv2.imencode(".png", face)[1].tobytes()).decode()
    yield EffectSettings(name=EffectName.PICTURE, picture=picture)


def of_portraits(material: str, models: Models) -> Iterator[Row]:
    portraits = read_portraits(SHARED / "images" / "faces" / PHOTOS[material], models)
    files = photo_files(SHARED / "images" / "persons" / "val2017")[:PLACES]
    places = [load_photo(file) for file in files]
    for effect in effects(STRENGTHS[material]):
        evidence = collect(portraits, places, effect, models.faces)
        for attacker, scores in attackers(evidence, models.faces):
            yield Row.of(material, effect, attacker, judge([(scores, evidence.people)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.strength",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--only", action="append", choices=[*PHOTOS, *CLIPS, FILL], metavar="NAME")
    given = parser.parse_args()
    use_shared_models()
    given.output.mkdir(parents=True, exist_ok=True)
    wanted = given.only or [*PHOTOS, *CLIPS, FILL]
    rows: list[Row] = []
    try:
        models = load_models()
        for material in (name for name in PHOTOS if name in wanted):
            for row in of_portraits(material, models):
                print(row, flush=True)
                rows.append(row)
        clips = [name for name in CLIPS if name in wanted]
        finder = FaceFinder(models.faces)
        for effect in effects(TRACK_STRENGTHS) if clips else ():
            for row in attack_tracks(clips, effect, models, finder, given.output):
                print(row, flush=True)
                rows.append(row)
        if FILL in wanted:
            filled = filled_shares(FILL_CLIPS, models, given.output)
            for effect in filling_effects():
                for row in attack_tracks(FILL_CLIPS, effect, models, finder, given.output, filled):
                    row = replace(row, material=f"fill: {row.material}")
                    print(row, flush=True)
                    rows.append(row)
    except BystanderError as failure:
        sys.exit(str(failure))
    unfinished = given.output / "strength.json.partial"
    unfinished.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    os.replace(unfinished, given.output / "strength.json")
    print_tables(rows)


if __name__ == "__main__":
    main()
