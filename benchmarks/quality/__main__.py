"""One table of how well the promise holds, over made scenes and the clips that have truth.

python -m benchmarks.quality -o OUT                        everything
python -m benchmarks.quality -o OUT --only crosses-behind  one scene or clip; may be repeated
python -m benchmarks.quality -o OUT --sheets               only make the scenes, and look at them

OUT gets quality.json, and a folder for each scene with its files, the masked video and the
worst frames as PNG (bystanders outlined red, the kept green).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.material import SHARED, use_shared_models
from benchmarks.quality.clips import CLIPS, run_clip
from benchmarks.quality.pictures import save_sheet, save_worst
from benchmarks.quality.product import Product
from benchmarks.quality.reel import Studio
from benchmarks.quality.scenes import SCENES, Crew, Scene, name_of
from benchmarks.quality.score import score_scene
from benchmarks.quality.table import Row, as_json, as_table, row_of
from bystander.errors import BystanderError
from bystander.models import Models, load_models

WORST_FRAMES = 3


def run_scenes(
    wanted: Sequence[Callable[[Crew], Scene]], studio: Studio, models: Models, output: Path
) -> list[Row]:
    """Make, mask and measure scenes, each in a folder of `output` under its name."""
    product = Product.with_defaults(models)
    rows = []
    for make in wanted:
        folder = output / name_of(make)
        truth = studio.produce(make, folder)
        masked = product.mask(folder)
        score = score_scene(masked, truth)
        save_worst(folder, masked, truth, score.worst_frames(WORST_FRAMES))
        rows.append(row_of(name_of(make), score))
        print(f"{rows[-1].name}: {rows[-1].summary()}", flush=True)
    return rows


def make_sheets(wanted: Sequence[Callable[[Crew], Scene]], studio: Studio, output: Path) -> None:
    for make in wanted:
        folder = output / name_of(make)
        save_sheet(folder, studio.produce(make, folder))
        print(folder / "sheet.png", flush=True)


def main() -> None:
    scenes = {name_of(make): make for make in SCENES}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument(
        "--only", action="append", choices=[*scenes, *CLIPS], metavar="NAME", help="see --list"
    )
    parser.add_argument(
        "--cutouts",
        type=Path,
        default=SHARED / "images" / "cutouts",
        metavar="FOLDER",
        help="images/NAME.jpg and masks/NAME.png; by default the shared test data",
    )
    parser.add_argument("--seed", type=int, default=1, help="other people, other places")
    parser.add_argument("--sheets", action="store_true", help="make the scenes, mask nothing")
    parser.add_argument("--list", action="version", version="\n".join([*scenes, *CLIPS]))
    given = parser.parse_args()

    use_shared_models()
    made = [make for name, make in scenes.items() if not given.only or name in given.only]
    clips = [name for name in CLIPS if not given.only or name in given.only]
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    try:
        if made:
            models = load_models()
            studio = Studio.open(given.cutouts, models, given.seed)
            if given.sheets:
                make_sheets(made, studio, given.output)
                return
            rows += run_scenes(made, studio, models, given.output)
    except BystanderError as failure:
        sys.exit(str(failure))
    for name in clips:
        rows += run_clip(name, given.output)
    unfinished = given.output / "quality.json.partial"
    unfinished.write_text(json.dumps(as_json(rows), indent=1) + "\n")
    os.replace(unfinished, given.output / "quality.json")
    Console(width=None if sys.stdout.isatty() else 160).print(as_table(rows))


if __name__ == "__main__":
    main()
