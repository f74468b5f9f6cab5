"""The figures as a table, as JSON and as curves."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bystander.errors import OutputUnwritable
from training.errors import DataError
from training.evaluation.metrics import RECALLS, Floats
from training.evaluation.scores import EXPOSED, FLOOR, GROWTH, OPERATING, Figure
from training.evaluation.truth import Rgb


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One network on one test set.

    Attributes:
        network, images: their names.
        figures: by name, see `MEANINGS`.
        curve: precision at `RECALLS`, float64 [101], at mask IoU 0.5.
        mistakes: people missed and false positives of each image, float64 [N].
    """

    network: str
    images: str
    figures: Mapping[str, Figure]
    curve: Floats
    mistakes: Floats


_SHARES = {
    "": f"from {OPERATING:g}",
    "_grown": f"from {OPERATING:g}, dilated {GROWTH} px",
    "_floor": f"from {FLOOR:g}",
    "_floor_grown": f"from {FLOOR:g}, dilated {GROWTH} px",
}
_KINDS = ("small", "medium", "large", "clear", "half-hidden", "hidden", "apart", "overlapped")

MEANINGS: Final[Mapping[str, str]] = {
    "ap50": "mask AP50",
    "ap": "mask AP50-95",
    "recall": f"recall from {OPERATING:g}",
    **{f"recall_{kind}": f"recall, {kind}" for kind in _KINDS},
    "recall_boxes": "recall by boxes, hidden people among them",
    "false_positives": "false positives an image",
    "boundary_iou": "boundary IoU",
    "oracle_iou": "IoU of each person's best silhouette (an oracle's choice)",
    "oracle_covered": "of each person under their best silhouette",
    "drawn_as_one": "people whose best silhouette is another's as well",
    **{f"missed{key}": f"pixels missed, {text}" for key, text in _SHARES.items()},
    **{
        f"exposed{key}": f"images with > {EXPOSED:.0%} of someone missed, {text}"
        for key, text in _SHARES.items()
    },
}
"""What each figure is called, in the order of the table."""

_PERCENT: Final = ("recall", "missed", "exposed", "oracle_covered", "drawn")
HEADINGS: Final = ("images", "figure")
_WIDEST: Final = 400


def table(rows: Sequence[Row], times: Mapping[str, float]) -> list[dict[str, str]]:
    """One line a set and figure, one column a network; differences are from the first.

    Args:
        times: milliseconds per image of each network.
    """
    sets = list(dict.fromkeys(row.images for row in rows))
    lines = []
    for images in sets:
        columns = {row.network: row.figures for row in rows if row.images == images}
        for name, meaning in MEANINGS.items():
            cells = {network: figures.get(name) for network, figures in columns.items()}
            measured = [figure for figure in cells.values() if _measured(figure)]
            if measured:
                shown = {network: _cell(name, figure) for network, figure in cells.items()}
                people = f", {measured[0].whole:.0f} people" if name.startswith("recall") else ""
                lines.append({"images": images, "figure": f"{meaning}{people}", **shown})
    spent = {network: f"{time:.1f}" for network, time in times.items()}
    lines.append({"images": "one frame, 640x384", "figure": "ms, one thread", **spent})
    return lines


def _measured(figure: Figure | None) -> TypeGuard[Figure]:
    return figure is not None and math.isfinite(figure.value)


def _cell(name: str, figure: Figure | None) -> str:
    if not _measured(figure):
        return "-"
    scale, digits = (100, 1) if name.startswith(_PERCENT) else (1, 3)
    unit = " %" if scale == 100 else ""
    if figure.change is None:
        low, high = scale * figure.low, scale * figure.high
        return f"{scale * figure.value:.{digits}f}{unit} [{low:.{digits}f}, {high:.{digits}f}]"
    change = figure.change
    value, low, high = (scale * number for number in (change.value, change.low, change.high))
    return (
        f"{scale * figure.value:.{digits}f}{unit} "
        f"({value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}])"
    )


def show(lines: Sequence[Mapping[str, str]]) -> None:
    """Print the table, a section for each test set."""
    shown = Table()
    for head in lines[0]:
        shown.add_column(head, justify="left" if head in HEADINGS else "right")
    for line, following in zip_longest(lines, lines[1:]):
        last = following is None or following["images"] != line["images"]
        shown.add_row(*map(escape, line.values()), end_section=last)
    # A file has no width: it gets lines as long as they need to be.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDEST)
    console.print(shown)


def markdown(lines: Sequence[Mapping[str, str]]) -> str:
    """The table for a model card."""
    heads = list(lines[0])
    rules = ["---" if head in HEADINGS else "---:" for head in heads]
    rows = [heads, rules, *([line[head] for head in heads] for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def as_json(rows: Sequence[Row], times: Mapping[str, float], **facts: object) -> str:
    """Every figure, and `facts` about how it was measured. What wasn't measured is null."""
    figures = [
        {
            "network": row.network,
            "images": row.images,
            "figures": {name: asdict(figure) for name, figure in row.figures.items()},
        }
        for row in rows
    ]
    content = {**facts, "milliseconds": dict(times), "rows": figures}
    return json.dumps(_without_nan(content), indent=1, ensure_ascii=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def arriving(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; what is written there appears when whole.

    Raises:
        OutputUnwritable: the folder or the file can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"can't write {path}: {error}", "Choose another folder, or free some space."
        ) from error


def precision_recall(rows: Sequence[Row]) -> Rgb:
    """The curves of all networks on one test set."""
    plot = Plot(figsize=(5.5, 4), layout="constrained")
    axes = plot.subplots()
    for row in rows:
        axes.plot(RECALLS, row.curve, label=f"{row.network}, AP50 {row.figures['ap50'].value:.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{rows[0].images}, mask IoU 0.5")
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
    return _rendered(plot)


def learning_curves(history: Path) -> Rgb:
    """Losses and validation figures of a training run.

    Args:
        history: the results.csv that Ultralytics writes, one line an epoch.

    Raises:
        DataError: it can't be read, or has no epochs.
    """
    try:
        with history.open(newline="", encoding="utf-8") as file:
            lines = [
                {key.strip(): float(value) for key, value in line.items()}
                for line in csv.DictReader(file)
            ]
        epochs = [line["epoch"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{history} isn't the history of a training run: {error!r}",
            "Give the results.csv of an Ultralytics run.",
        ) from error
    if not lines:
        raise DataError(f"{history} has no epochs", "Wait for the first one to end.")
    plot = Plot(figsize=(11, 4), layout="constrained")
    panels = plot.subplots(1, 3)
    titles = ("train/", "val/", "metrics/")
    for axes, prefix in zip(panels, titles, strict=True):
        for name in (key for key in lines[0] if key.startswith(prefix)):
            values = [line[name] for line in lines]
            axes.plot(epochs, values, marker=".", label=name.removeprefix(prefix))
        axes.set(title=prefix.rstrip("/"), xlabel="epoch")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    return _rendered(plot)


def _rendered(plot: Plot) -> Rgb:
    canvas = FigureCanvasAgg(plot)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[..., :3])
