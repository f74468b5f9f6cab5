"""From data to weights: the stages of a recipe, one after the other.

OUT/start.onnx        the network that training starts from, to compare with
OUT/cleaning/         findings.json, report.html
OUT/crowds/           train, val, test
OUT/dataset/          what training reads, with its manifest
OUT/training/         checkpoints, learning curves, person-seg.pt
OUT/export/           the network as fp32, fp16 and int8, parity.json
OUT/evaluation/       the table, curves and failures

A stage whose result is there is not done again; a training that was interrupted goes on.
To do a stage again, remove its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import cv2

from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import open_session
from bystander.progress import Report
from training.cleaning import apply, clean, greyed, read_overrides
from training.cleaning.files import load
from training.cleaning.report import write_report
from training.crowds.make import make_crowds, read_crowds
from training.dataset import DATA, build, read_manifest
from training.errors import DataError, DownloadInterrupted
from training.evaluate import compare
from training.evaluation.sets import SetPaths
from training.export import export
from training.export.files import save
from training.export.frames import frames
from training.pictures import Picture
from training.recipe import Recipe
from training.sources import CocoSource, read
from training.sources.base import resolve

CROWDS = "crowds"
"""Source of the synthetic pictures, in keys, in the manifest and for `repeats`."""

_DOUBTFUL = 0.05  # a person this likely spoils a background
_FRAMES = 100  # that int8 is calibrated on, and that parity is measured on

Say = Callable[[str], None]


class Stage(StrEnum):
    """Where a run may end."""

    CLEANING = "cleaning"
    DATASET = "dataset"
    TRAINING = "training"
    EXPORT = "export"
    EVALUATION = "evaluation"


def run(
    recipe: Recipe,
    out: Path,
    until: Stage = Stage.EVALUATION,
    say: Say = print,
    report: Report | None = None,
) -> None:
    """Make a network by `recipe` in the folder `out`.

    Args:
        until: the last stage to do.
        say: told what has begun.
        report: called with the progress of the evaluation.

    Raises:
        DataError, CheckpointError, ConfigError: see the stages.
    """
    out.mkdir(parents=True, exist_ok=True)
    start = _start(recipe, out)
    if until is Stage.CLEANING or not (out / "dataset" / DATA).is_file():
        say("cleaning")
        pictures = _cleaned(recipe, start, out / "cleaning")
        if until is Stage.CLEANING:
            return
        if recipe.crowds is not None:
            say("making crowds")
            segmenter = _segmenter(start)
            training = [picture for picture in pictures if picture.split == "train"]
            make_crowds(recipe.crowds, out / CROWDS, segmenter, training)
        say("building the data set")
        _check_splits(pictures, recipe)
        build(_mix(pictures, recipe, out / CROWDS), out / "dataset")
    if until is Stage.DATASET:
        return
    trained = out / "training" / "person-seg.pt"
    if not trained.is_file():
        # Here, because everything before needs no torch.
        from training.fine_tune import fine_tune

        say("training")
        checkpoint = _checkpoint(recipe, out)
        fine_tune(checkpoint, out / "dataset" / DATA, out / "training", recipe.training)
    if until is Stage.TRAINING:
        return
    say("exporting")
    exported = export(
        trained,
        out / "export",
        recipe.export,
        frames(_spread(out / "dataset", "train")),
        list(frames(_spread(out / "dataset", "val"))),
    )
    if until is Stage.EXPORT:
        return
    say("evaluating")
    sets = recipe.evaluation
    if recipe.crowds is not None:
        sets = SetPaths(
            coco=sets.coco, idmaps=(*sets.idmaps, str(out / CROWDS / "test")), clips=sets.clips
        )
    before = {}
    if recipe.training.weights is not None:
        before["before"] = resolve(recipe.training.weights, Path())
    compare(
        {
            "start": start,
            **before,
            "fp32": exported.fp32,
            "fp16": exported.fp16,
            "int8": exported.int8,
        },
        sets.open(),
        out / "evaluation",
        command="python -m training RECIPE, its last stage",
        history=out / "training" / "run" / "results.csv",
        markdown_file=out / "evaluation" / "evaluation.md",
        report=report,
    )


def _checkpoint(recipe: Recipe, out: Path) -> Path:
    """The file that training starts from; one that Ultralytics published is downloaded."""
    path = resolve(recipe.training.start, Path())
    if path.is_file() or path != Path(path.name):
        return path
    from ultralytics.utils.downloads import attempt_download_asset

    try:
        return Path(attempt_download_asset(out / path))
    except OSError as error:
        raise DownloadInterrupted(
            f"can't download {path} from Ultralytics: {error}",
            "Check the network, or name a file that is here as `training: start`.",
        ) from error


def _check_splits(pictures: Sequence[Picture], recipe: Recipe) -> None:
    splits = {picture.split for picture in pictures}
    if recipe.crowds is None and splits != {"train", "val"}:
        raise DataError(
            f"after cleaning the recipe's sources hold {' and '.join(splits) or 'no'} pictures",
            "Training needs pictures of both splits, train and val: add a source, or crowds.",
        )


def _start(recipe: Recipe, out: Path) -> Path:
    target = out / "start.onnx"
    if not target.is_file():
        from training.export.checkpoint import read_checkpoint, to_onnx

        save(to_onnx(read_checkpoint(_checkpoint(recipe, out)), recipe.export.opset), target, {})
    return target


def _segmenter(network: Path) -> PersonSegmenter:
    return PersonSegmenter(open_session(network), SegmenterSettings(confidence=_DOUBTFUL))


def _cleaned(recipe: Recipe, start: Path, folder: Path) -> list[Picture]:
    """What is to be learned from: nothing broken, and nothing that is tested on."""
    pictures = [picture for source in recipe.sources for picture in read(source, Path())]
    # Among validation pictures, so that cleaning finds them if they are in the training data.
    tests = [picture for source in _test_sources(recipe) for picture in read(source, Path())]
    findings = clean([*pictures, *tests], recipe.cleaning, _segmenter(start))
    write_report([*pictures, *tests], findings, folder)
    kept = apply([*pictures, *tests], findings, read_overrides(recipe.overrides))
    names = {source.name for source in recipe.sources}
    return [_painted(picture, folder / "greyed") for picture in kept if picture.source in names]


def _test_sources(recipe: Recipe) -> list[CocoSource]:
    return [
        CocoSource(
            name=f"test-{n}", annotations=paths.annotations, images=paths.images, split="val"
        )
        for n, paths in enumerate(recipe.evaluation.coco)
    ]


def _painted(picture: Picture, folder: Path) -> Picture:
    """The picture with its crowds painted over, as a file of its own if it has any."""
    people = tuple(person for person in picture.people if not person.crowd)
    if len(people) == len(picture.people):
        return picture
    path = folder / f"{picture.source}-{picture.path.stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = greyed(load(picture.path), picture)
    cv2.imwrite(str(path), cv2.cvtColor(grey, cv2.COLOR_RGB2BGR))
    return replace(picture, path=path, people=people)


def _mix(pictures: Sequence[Picture], recipe: Recipe, crowds: Path) -> Iterator[Picture]:
    yield from pictures
    if recipe.crowds is not None:
        licence = recipe.crowds.licence
        yield from read_crowds(crowds / "train", CROWDS, licence, "train")
        yield from read_crowds(crowds / "val", CROWDS, licence, "val")


def _spread(dataset: Path, split: str) -> list[Path]:
    """Pictures of the data set, evenly from its sources' beginning to their end."""
    files = [dataset / line.file for line in read_manifest(dataset) if line.split == split]
    step = max(1, -(-len(files) // _FRAMES))
    return files[::step]
