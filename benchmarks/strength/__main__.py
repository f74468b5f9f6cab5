"""How much of who someone is is left in what masks them: attack x effect.

python -m benchmarks.strength -o OUT                  everything
python -m benchmarks.strength -o OUT --only portraits photos that the defaults were chosen on
python -m benchmarks.strength -o OUT --only others    photos of other people
python -m benchmarks.strength -o OUT --only hamilton  the people of a clip; may be repeated

OUT gets strength.json, and the masked clips, which are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.material import SHARED, use_shared_models
from benchmarks.strength.attackers import attackers, collect
from benchmarks.strength.portraits import read_portraits
from benchmarks.strength.reidentification import judge
from benchmarks.strength.table import Row, print_tables
from benchmarks.strength.tracks import CLIPS, FaceFinder, attack_tracks
from bystander.choices import EffectName, ShapeName
from bystander.errors import BystanderError
from bystander.media.photos import load_photo, photo_files
from bystander.models import Models, load_models
from bystander.redaction.effects import EffectSettings

PHOTOS: Final = {"portraits": "lfw10", "others": "groups_bbt"}
"""Folders of faces: those that the defaults were chosen on, and those that they were not."""
STRENGTHS: Final = {"portraits": (0.25, 0.5, 1.0, 2.0), "others": (0.5, 1.0)}
TRACK_STRENGTHS: Final = (0.5, 1.0, 2.0)
PLACES: Final = 40


def effects(strengths: tuple[float, ...]) -> Iterator[EffectSettings]:
    for name in (EffectName.BLUR, EffectName.MOSAIC):
        for strength in strengths:
            yield EffectSettings(name=name, strength=strength, allow_weak=True)
    for shape in ShapeName:
        yield EffectSettings(name=EffectName.SOLID, shape=shape)
    for shape in (ShapeName.BLOB, ShapeName.BOX):
        yield EffectSettings(shape=shape)


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
    parser.add_argument("--only", action="append", choices=[*PHOTOS, *CLIPS], metavar="NAME")
    given = parser.parse_args()
    use_shared_models()
    given.output.mkdir(parents=True, exist_ok=True)
    wanted = given.only or [*PHOTOS, *CLIPS]
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
    except BystanderError as failure:
        sys.exit(str(failure))
    unfinished = given.output / "strength.json.partial"
    unfinished.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    os.replace(unfinished, given.output / "strength.json")
    print_tables(rows)


if __name__ == "__main__":
    main()
