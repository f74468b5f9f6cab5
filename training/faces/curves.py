"""Curves for the report: matplotlib figures, as pixels or as SVG. They show no one."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from training.faces.metrics import Roc, Scores
from training.pages import Rgb

Panels = Mapping[str, Mapping[str, Roc]]
"""Curves by panel title and legend."""

_POINTS = 81  # of a curve that is drawn; more can't be told apart
_LOWEST_FAR = 1e-4
_LOWEST_TAR = 0.6
_BINS = np.linspace(-0.3, 1, 66)


def roc_figure(panels: Panels) -> Figure:
    """ROC curves, two panels a row; FAR is logarithmic, because rare mistakes count."""
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.8 * columns, 3.8 * rows), dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for (title, curves), axes in zip(panels.items(), grid, strict=False):
        _draw_roc(axes, title, curves)
    return figure


def histogram_figure(
    title: str, genuine: Scores, impostor: Scores, marks: Mapping[str, float]
) -> Figure:
    """Both distributions of similarity, and thresholds as upright lines."""
    figure = Figure(figsize=(5.5, 3.8), dpi=110, layout="constrained")
    axes = figure.subplots()
    for name, scores in (("one person", genuine), ("two people", impostor)):
        counts, _ = np.histogram(scores, _BINS)
        axes.stairs(counts / max(1, len(scores)), _BINS, label=name, fill=True, alpha=0.55)
    for (name, value), style in zip(marks.items(), ("--", ":"), strict=False):
        axes.axvline(value, color="black", linewidth=1, linestyle=style, label=f"{name} {value:g}")
    axes.set_title(title, fontsize=10)
    axes.set(xlabel="cosine similarity", ylabel="share of pairs")
    axes.legend(fontsize=8)
    return figure


def pixels(figure: Figure) -> Rgb:
    """The figure as uint8 [H, W, 3] RGB."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return np.asarray(Image.open(drawn).convert("RGB"))


def save_svg(figure: Figure, path: Path) -> None:
    """The figure as a small SVG; the same curves give the same bytes."""
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bystander"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    path.write_text(compact(drawn.getvalue()), encoding="utf-8")


def compact(svg: str) -> str:
    """The SVG in tenths of a pixel, each style written once: half the size."""
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    # Not where a tag follows: that is the text of a label.
    svg = re.sub(r"\d+\.\d{2,}(?![\d<])", lambda number: f"{float(number[0]):.1f}", svg)
    styles: dict[str, str] = {}

    def named(style: re.Match[str]) -> str:
        return f'class="{styles.setdefault(style[1], f"s{len(styles)}")}"'

    svg = re.sub(r'style="([^"]*)"', named, svg)
    rules = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    svg = svg.replace("</defs>", f"<style>{rules}</style></defs>", 1)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def _draw_roc(axes: Axes, title: str, curves: Mapping[str, Roc]) -> None:
    far = np.geomspace(_LOWEST_FAR, 1, _POINTS)
    for name, curve in curves.items():
        # A curve is a staircase: the best point at or below each FAR.
        rows = np.searchsorted(curve.far, far + 1e-12, side="right") - 1
        axes.plot(far, curve.tar[rows], label=name, linewidth=1.5)
    axes.set(xscale="log", xlabel="strangers accepted (FAR)", ylabel="same person accepted (TAR)")
    axes.set_ylim(_LOWEST_TAR, 1.005)
    axes.set_title(title, fontsize=10)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
