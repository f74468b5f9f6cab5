"""Reports one can look at: a single HTML file with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""

_JPEG_QUALITY = 85


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("training"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


@dataclass
class Page:
    """Blocks in the order they are added; `save` writes them.

    Attributes:
        title: headline and window title.
    """

    title: str
    _blocks: list[dict[str, object]] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self._blocks.append({"kind": "heading", "text": text})

    def text(self, text: str) -> None:
        self._blocks.append({"kind": "text", "text": text})

    def table(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows with the same keys; the keys are the columns' names. Nothing for no rows."""
        listed = [dict(row) for row in rows]
        if listed:
            cells = [list(row.values()) for row in listed]
            self._blocks.append({"kind": "table", "columns": list(listed[0]), "rows": cells})

    def pictures(self, pictures: Sequence[tuple[Rgb, str]]) -> None:
        """Pictures side by side, each with its caption."""
        coded = [{"data": _jpeg(rgb), "caption": caption} for rgb, caption in pictures]
        if coded:
            self._blocks.append({"kind": "pictures", "pictures": coded})

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        template = _templates().get_template("page.html")
        path.write_text(template.render(title=self.title, blocks=self._blocks), encoding="utf-8")


def _jpeg(rgb: Rgb) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(coded.tobytes()).decode()
