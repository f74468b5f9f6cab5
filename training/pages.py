"""Reports one can look at: a single HTML file with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""

_JPEG_QUALITY = 85
_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #ddd; text-align: left }
td { font-variant-numeric: tabular-nums }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0 } img { max-width: 100%; max-height: 26rem }
figcaption { font-size: 13px; color: #444; max-width: 32rem }
</style>
<h1>{{ title }}</h1>
{% for block in blocks %}
{% if block.kind == "heading" %}<h2>{{ block.text }}</h2>
{% elif block.kind == "text" %}<p>{{ block.text }}</p>
{% elif block.kind == "table" %}
<table><tr>{% for name in block.columns %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in block.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% else %}
<div class="pictures">{% for picture in block.pictures %}<figure>
<img src="data:image/jpeg;base64,{{ picture.data }}" alt="{{ picture.caption }}">
<figcaption>{{ picture.caption }}</figcaption></figure>{% endfor %}</div>
{% endif %}{% endfor %}
</html>
"""
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
        path.write_text(_TEMPLATE.render(title=self.title, blocks=self._blocks), encoding="utf-8")


def _jpeg(rgb: Rgb) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(coded.tobytes()).decode()
