"""One table of how well the promise holds, over made scenes and the clips that have truth.

python -m benchmarks.quality -o OUT                            everything, as users get it
python -m benchmarks.quality -o OUT --quick --cache DIR        in minutes: see below
python -m benchmarks.quality -o OUT --only schoolgirls         one clip or scene; may be repeated
python -m benchmarks.quality -o OUT --set tracking.max_gap=1   another setting; may be repeated
python -m benchmarks.quality -o OUT --without second-look      without a rule; may be repeated
python -m benchmarks.quality -o OUT --chunks 2 3               in chunks of 2 s, 3 s of overlap
python -m benchmarks.quality -o OUT --variant reversed         the same clips, backwards
python -m benchmarks.quality sweep -o OUT --set PATH=V1,V2     choose a setting, leaving one out
python -m benchmarks.quality ablation -o OUT                   what each rule earns
python -m benchmarks.quality references -o OUT                 ByteTrack and BoT-SORT beside us
python -m benchmarks.quality pointing -o OUT                   whom clicks mean, all over people
python -m benchmarks.quality sheets -o OUT                     only make the scenes, to look at

OUT gets quality.json, and a folder for each run with its timeline and its worst frames as PNG
(bystanders outlined red, the kept green, what is masked tinted). --cache keeps what the networks
answered, so that only the first time takes long. --quick draws at the size of the analysis
instead of encoding a video.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from benchmarks.material import use_shared_models
from benchmarks.quality import sweep
from benchmarks.quality.clips import CLIPS, Run, clip_runs
from benchmarks.quality.harness import Harness, default_settings, measure_all
from benchmarks.quality.made import MADE, made_runs, save_sheets
from benchmarks.quality.options import RULES, UnknownSetting, parsed, with_settings, without
from benchmarks.quality.pointing import pointing, pointing_table
from benchmarks.quality.references import reference_rows
from benchmarks.quality.table import as_json, as_table
from benchmarks.quality.variants import VARIANTS, varied
from bystander.errors import BystanderError
from bystander.settings import AnalysisSettings

Settings = list[tuple[str, AnalysisSettings]]


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    use_shared_models()
    given.output.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 190)
    try:
        candidates = _candidates(given)
        if given.what == "sheets":
            runs = made_runs(given.only or list(MADE), given.cache or given.output, given.seed)
            save_sheets(runs, given.output)
            return
        runs = _runs(given)
        if given.what in ("sweep", "ablation"):
            _compare(given, runs, candidates, console)
            return
        ((_, settings),) = candidates
        harness = Harness(
            given.cache,
            settings,
            "grid" if given.quick else "video",
            keep=given.output,
            chunks=tuple(given.chunks) if given.chunks else None,
        )
        if given.what == "pointing":
            _point(harness, runs, given.output, console)
            return
        rows = measure_all(harness, runs)
        if given.what == "references":
            rows = reference_rows(harness, runs, rows)
    except (BystanderError, UnknownSetting, ValidationError) as failure:
        sys.exit(str(failure))
    _write(given.output / "quality.json", as_json(rows))
    console.print(as_table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="table",
        choices=("table", "sweep", "ablation", "references", "pointing", "sheets"),
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument(
        "--only", action="append", choices=[*CLIPS, *MADE], metavar="NAME", help="see --list"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the networks' answers there"
    )
    parser.add_argument("--quick", action="store_true", help="draw at grid size, encode nothing")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="changes")
    parser.add_argument(
        "--without", action="append", default=[], choices=RULES, metavar="RULE",
        help=", ".join(RULES),
    )  # fmt: skip
    parser.add_argument(
        "--chunks", type=float, nargs=2, metavar=("SECONDS", "OVERLAP"), help="look in chunks"
    )
    parser.add_argument(
        "--variant", choices=VARIANTS, help="clips and scenes reversed, at half or twice the rate"
    )
    parser.add_argument("--seed", type=int, default=1, help="of made scenes: other people, places")
    parser.add_argument("--list", action="version", version="\n".join([*CLIPS, *MADE]))
    return parser


def _candidates(given: argparse.Namespace) -> Settings:
    """The settings to measure, with a label each; several only where a sweep is asked for.

    Raises:
        UnknownSetting, ValidationError: a setting that isn't there, or a value out of bounds.
    """
    try:
        changes = [parsed(change) for change in given.changes]
    except ValueError as failure:
        raise UnknownSetting(str(failure)) from failure
    rules = [without(rule) for rule in given.without]
    if given.what != "sweep":
        joined = [(path, values[0] if len(values) == 1 else values) for path, values in changes]
        whole = with_settings(default_settings(), [*rules, *joined])
        if given.what != "ablation":
            return [("", whole)]
        others = [(f"without {rule}", with_settings(whole, [without(rule)])) for rule in RULES]
        return [("all rules", whole), *others]
    found = []
    for values in product(*(values for _, values in changes)):
        chosen = [(path, value) for (path, _), value in zip(changes, values, strict=True)]
        label = " ".join(f"{path.rsplit('.', 1)[-1]}={value}" for path, value in chosen)
        found.append((label, with_settings(default_settings(), [*rules, *chosen])))
    return found


def _runs(given: argparse.Namespace) -> list[Run]:
    wanted = given.only or [*CLIPS, *MADE]
    runs = [run for name in wanted if name in CLIPS for run in clip_runs(name)]
    home = given.cache or given.output
    runs += made_runs([name for name in wanted if name in MADE], home, given.seed)
    return [varied(run, given.variant, home) for run in runs] if given.variant else runs


def _point(harness: Harness, runs: Sequence[Run], output: Path, console: Console) -> None:
    """Click on everybody in each clip and scene that has id maps, once."""
    told = {run.clip: run for run in runs if run.truth.persons is not None}
    if not told:
        sys.exit("none of these clips and scenes has id maps: nobody knows whom a click hits")
    tallies = {}
    for name, run in told.items():
        tallies[name] = pointing(harness, run)
        print(f"{name}: {tallies[name]}", flush=True)
    document = {
        name: {place: asdict(tally) for place, tally in by_place.items()}
        for name, by_place in tallies.items()
    }
    _write(output / "pointing.json", document)
    console.print(pointing_table(tallies))


def _compare(
    given: argparse.Namespace, runs: Sequence[Run], candidates: Settings, console: Console
) -> None:
    """Measure every candidate on every run, always by drawing at grid size."""
    rows = []
    for label, settings in candidates:
        print(f"{label}:", flush=True)
        rows.append(measure_all(Harness(given.cache, settings, brief=True), runs))
    clip_of = {run.name: run.clip for run in runs}
    costs = sweep.costs_by_clip(rows, clip_of)
    labels = [label for label, _ in candidates]
    measured = {label: as_json(measured) for label, measured in zip(labels, rows, strict=True)}
    _write(given.output / f"{given.what}.json", {**sweep.as_json(costs, labels), "rows": measured})
    if given.what == "ablation":
        console.print(sweep.ablation_table(rows, labels, clip_of))
    else:
        console.print(sweep.sweep_table(costs, labels))


def _write(path: Path, document: dict[str, Any]) -> None:
    unfinished = path.with_name(f"{path.name}.partial")
    unfinished.write_text(json.dumps(document, indent=1) + "\n")
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
