"""The report that a person reads, and the figures that a program reads."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from training.faces.curves import roc_figure, save_svg
from training.faces.experiments import PHOTOS, RIVALS
from training.faces.findings import Findings
from training.faces.settings import FaceExperimentSettings
from training.faces.verification import Row
from training.pages import Page

REPORT: Final = "faces.html"
FIGURES: Final = "faces.json"
CURVES: Final = "faces.svg"


def save(found: Sequence[Findings], settings: FaceExperimentSettings, folder: Path) -> None:
    """Write faces.html, faces.json and faces.svg into `folder`; each appears whole.

    None of them holds a face or a vector of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _atomically(folder / REPORT, page(found).save)
    figures = {
        "settings": settings.model_dump(),
        "packs": {
            findings.pack: [
                {"title": section.title, "rows": [_plain(row) for row in section.rows]}
                for section in findings.sections
            ]
            for findings in found
        },
    }
    text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
    _atomically(folder / FIGURES, lambda path: path.write_text(text, encoding="utf-8"))
    panels = {
        f"{findings.pack}: {title}": curves
        for findings in found
        for title, curves in findings.rocs.items()
        if title in (PHOTOS, RIVALS)
    }
    _atomically(folder / CURVES, lambda path: save_svg(roc_figure(panels), path))


def page(found: Sequence[Findings]) -> Page:
    """Tables and curves of every pack."""
    result = Page("How far the face recognisers can be trusted")
    for findings in found:
        result.heading(f"Pack {findings.pack}")
        result.pictures(findings.curves)
        for section in findings.sections:
            result.heading(section.title)
            if section.text:
                result.text(section.text)
            result.table(_filled(section.rows))
    return result


def _filled(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The rows as text, each with every column of any of them."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return [{column: _text(row.get(column, "")) for column in columns} for row in rows]


def _text(value: str | int | float) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4f}"
    return str(value)


def _plain(row: Row) -> dict[str, str | int | float | None]:
    """A row as JSON can hold it."""
    return {key: _number(value) for key, value in row.items()}


def _number(value: str | int | float) -> str | int | float | None:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value if isinstance(value, str) else int(value)


def _atomically(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
