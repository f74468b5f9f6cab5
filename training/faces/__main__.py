"""How far the face recognisers can be trusted.

python -m training.faces -o OUT --lfw FOLDER                  photos alone
    --groups FOLDER                                           and other people to test on
    --clip FOLDER --clip VIDEO ...                            and face tracks
    --pack mobilefacenet --pack dlib                          which face packs (both)
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bystander.choices import ProfileName
from bystander.errors import BystanderError
from bystander.models.face_packs import open_faces
from bystander.models.sessions import SessionSettings
from bystander.models.store import Catalogue, ModelStore
from bystander.settings import load_profile
from training.faces import report
from training.faces.experiments import Bench, Material, draw_curves, examine
from training.faces.settings import FaceExperimentSettings

PACKS = ("mobilefacenet", "dlib")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.faces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--lfw", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--groups", type=Path, metavar="FOLDER")
    parser.add_argument("--clip", type=Path, action="append", default=[], metavar="CLIP")
    parser.add_argument("--pack", action="append", metavar="PACK")
    given = parser.parse_args(arguments)
    material = Material(given.lfw, given.groups, tuple(given.clip))
    try:
        measure(given.output, material, given.pack or PACKS)
    except BystanderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(output: Path, material: Material, packs: Sequence[str]) -> None:
    """Run all experiments on each pack and write the report into `output`."""
    settings = FaceExperimentSettings()
    product = load_profile(ProfileName.BALANCED).analysis
    store = ModelStore.from_environment(Catalogue.load())
    found = []
    for pack in packs:
        started = time.perf_counter()
        bench = Bench(open_faces(pack, store, SessionSettings(threads=1)), settings, product)
        found.append(examine(bench, material))
        draw_curves(found[-1])
        print(f"{pack}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    report.save(found, settings, output)
    print(output / report.REPORT)


if __name__ == "__main__":
    sys.exit(main())
