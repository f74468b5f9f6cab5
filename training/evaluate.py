"""Networks side by side: `python -m training.evaluate --start A.onnx --candidate B.onnx ...`.

Runs them on the same images with the product's own settings and writes one table: to the
terminal, as JSON, for the model card, and on a page with curves and what goes wrong.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bystander.cli.console import open_console
from bystander.config import read_config
from bystander.progress import ProgressMeter, Report
from training.evaluation.failures import failures, worst
from training.evaluation.metrics import resamples
from training.evaluation.networks import Network, milliseconds, open_network
from training.evaluation.report import (
    Row,
    arriving,
    as_json,
    learning_curves,
    markdown,
    precision_recall,
    show,
    table,
)
from training.evaluation.scores import EXPOSED, FLOOR, GROWTH, OPERATING, Scores, Tally
from training.evaluation.sets import CocoPaths, SetPaths
from training.evaluation.truth import Rgb, TestSet
from training.pages import Page

RESAMPLES = 1000
"""Enough that the ends of a 95 % interval hold still in the digits shown."""

METHOD = (
    f"Every network runs as the product runs it, on the same images at analysis size. "
    f"A person is found by a silhouette of IoU 0.5 or more, from confidence {OPERATING:g}, "
    f"where tracking takes a detection for somebody new; {FLOOR:g} is where the product "
    f"forgets one. Missed pixels are those of people under no silhouette; for comparison "
    f"with a plain masking also with silhouettes dilated by {GROWTH} px. In an exposed image "
    f"someone has more than {EXPOSED:.0%} missed. Intervals hold 95 % of {RESAMPLES} "
    f"bootstrap samples of images, and differences are taken within each sample. Frames of "
    f"one clip resemble each other, so that a clip's intervals are too narrow."
)

app = typer.Typer(add_completion=False)


def evaluate_networks(
    networks: Mapping[str, Network], sets: Sequence[TestSet], report: Report | None = None
) -> list[Row]:
    """Every network on every test set; the first network is what the others are compared to.

    Args:
        networks: by name.
        sets: the images, with the truth.
        report: called with the progress.

    Returns:
        Set by set, in the networks' order.

    Raises:
        DataError: an image or its truth can't be read.
    """
    rows = []
    for images in sets:
        meter = ProgressMeter(images.name, images.count, report)
        tallies = {name: Tally() for name in networks}
        for scene in images.scenes():
            for name, network in networks.items():
                found = network.product.segment([scene.rgb])[0]
                tallies[name].add(scene, found, network.sensitive.segment([scene.rgb])[0])
            meter.step()
        weights = resamples(images.count, RESAMPLES)
        start: Scores | None = None
        for name, tally in tallies.items():
            scores = tally.scores()
            figures = scores.figures(weights, start)
            rows.append(Row(name, images.name, figures, scores.curve(), scores.mistakes()))
            start = start or scores
    return rows


def compare(
    files: Mapping[str, Path],
    sets: Sequence[TestSet],
    output: Path,
    command: str,
    history: Path | None = None,
    markdown_file: Path | None = None,
    worst_images: int = 8,
    report: Report | None = None,
) -> list[dict[str, str]]:
    """Evaluate networks, and write evaluation.json and evaluation.html to `output`.

    Args:
        files: ONNX files by name; the first is what the others are compared to.
        sets: the images, with the truth.
        command: how to get the figures again, for the report.
        history: results.csv of the training run, for learning curves.
        markdown_file: the table is written here, for the model card.
        worst_images: failures shown of each test set and candidate.
        report: called with the progress.

    Returns:
        The table's lines.

    Raises:
        DataError: an image or its truth can't be read.
        ModelError: a file can't be read, or isn't a segmenter.
    """
    curves = [learning_curves(history)] if history else []
    networks = {name: open_network(path) for name, path in files.items()}
    rows = evaluate_networks(networks, sets, report)
    times = milliseconds(networks, next(sets[-1].scenes()).rgb)
    lines = table(rows, times)
    facts = {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "method": METHOD,
        "networks": {name: _checksum([path]) for name, path in files.items()},
        "sets": {one.name: {"images": one.count, "truth": _checksum(one.files)} for one in sets},
    }
    page = _page(rows, lines, curves)
    _add_failures(page, rows, networks, sets, worst_images)
    with arriving(output / "evaluation.json") as path:
        path.write_text(as_json(rows, times, **facts), encoding="utf-8")
    with arriving(output / "evaluation.html") as path:
        page.save(path)
    if markdown_file:
        with arriving(markdown_file) as path:
            path.write_text(markdown(lines), encoding="utf-8")
    return lines


@app.command()
def evaluate(
    start: Annotated[Path, typer.Option(help="ONNX file of the network to compare with.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is written.")],
    candidate: Annotated[
        list[Path] | None, typer.Option(help="ONNX file; may be repeated.")
    ] = None,
    sets: Annotated[
        Path | None,
        typer.Option(help="YAML that lists test sets: configs/training/evaluation.yaml"),
    ] = None,
    coco: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="JSON FOLDER", help="People annotated as in COCO."),
    ] = None,
    idmaps: Annotated[list[str] | None, typer.Option(help="Folder of composed crowds.")] = None,
    clip: Annotated[list[str] | None, typer.Option(help="Folder of a marked clip.")] = None,
    history: Annotated[
        Path | None, typer.Option(help="results.csv of the training run, for learning curves.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write the table here, for the model card.")
    ] = None,
    worst_images: Annotated[
        int, typer.Option("--worst", min=0, help="Failures shown of each test set and candidate.")
    ] = 8,
) -> None:
    """Compare networks in one table: what the product would do with each of them."""
    with open_console(as_json=False) as console:
        images = _listed(sets, coco, idmaps, clip).open()
        files = _named([start, *(candidate or ())])
        with console.progress() as report:
            lines = compare(
                files,
                images,
                output,
                command=f"python -m training.evaluate {shlex.join(sys.argv[1:])}",
                history=history,
                markdown_file=markdown_file,
                worst_images=worst_images,
                report=report,
            )
        show(lines)
        console.note(f"{output / 'evaluation.html'} shows the curves and the failures")


def _listed(
    sets: Path | None,
    coco: tuple[str, str] | None,
    idmaps: Sequence[str] | None,
    clips: Sequence[str] | None,
) -> SetPaths:
    """The test sets of the YAML file, and those of the command line."""
    listed = read_config(sets, SetPaths) if sets else SetPaths()
    given = (CocoPaths(annotations=coco[0], images=coco[1]),) if coco else ()
    return SetPaths(
        coco=(*listed.coco, *given),
        idmaps=(*listed.idmaps, *(idmaps or ())),
        clips=(*listed.clips, *(clips or ())),
    )


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """The files by a short name, in their order; the whole path where a name is taken."""
    named: dict[str, Path] = {}
    for path in paths:
        named[str(path) if path.stem in named else path.stem] = path
    return named


def _checksum(files: Sequence[Path]) -> str:
    """SHA-256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _page(rows: Sequence[Row], lines: Sequence[Mapping[str, str]], curves: Sequence[Rgb]) -> Page:
    page = Page("Networks side by side")
    page.text(METHOD)
    page.table(lines)
    page.heading("Precision and recall")
    names = dict.fromkeys(row.images for row in rows)
    page.pictures([(precision_recall([r for r in rows if r.images == n]), n) for n in names])
    if curves:
        page.heading("Training")
        page.pictures([(curve, "Losses and validation figures by epoch") for curve in curves])
    return page


def _add_failures(
    page: Page,
    rows: Sequence[Row],
    networks: Mapping[str, Network],
    sets: Sequence[TestSet],
    count: int,
) -> None:
    """The worst images of each candidate, the start network's beside them."""
    start, *candidates = networks
    for name in candidates or [start]:
        shown = {key: networks[key] for key in dict.fromkeys((start, name))}
        for images in sets:
            row = next(r for r in rows if (r.network, r.images) == (name, images.name))
            page.heading(f"{images.name}: where {name} makes most mistakes")
            page.text("Found people green, missed people and parts red, false positives yellow.")
            chosen = worst(row.mistakes, count, images.alike)
            page.pictures([(f.rgb, f.caption) for f in failures(images, chosen, shown)])


if __name__ == "__main__":
    app()
