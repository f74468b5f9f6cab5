"""A run -> the same run over the clip reversed, at half or at twice its frame rate.

What was tuned on a clip as it is has to hold for these, too: who comes out from behind somebody
went behind them, everyone moves twice as far from frame to frame, or every frame comes twice.
Pixels are those of the clip, losslessly, so answers of the networks that a cache has serve again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, get_args

import av

from benchmarks.quality.clips import Run
from benchmarks.quality.truth import Truth
from bystander.tracking.clicks import Click

Variant = Literal["reversed", "half", "twice"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
RATES: Final[dict[Variant, Fraction]] = {
    "reversed": Fraction(1),
    "half": Fraction(1, 2),
    "twice": Fraction(2),
}


def varied(run: Run, variant: Variant, folder: Path) -> Run:
    """The run over a variant of its clip, which is made in `folder` unless it is there already.

    Frames are taken to be evenly spaced.
    """
    home = folder / "variants" / variant / run.clip
    home.mkdir(parents=True, exist_ok=True)
    with av.open(str(run.video)) as container:
        pictures = list(container.decode(video=0))
        rate = container.streams.video[0].average_rate
    assert rate is not None
    order = ordered(len(pictures), variant)
    faster = rate * RATES[variant]
    video = home / f"{run.video.parent.name}.mkv"
    if not video.is_file():
        _write([pictures[index] for index in order], faster, video)
    clicks = tuple(
        Click(_seconds(click.seconds, rate, order, faster), click.x, click.y)
        for click in run.clicks
    )
    truth = reordered(run.truth, order, home / f"{run.video.parent.name}-persons")
    return replace(run, name=f"{run.name} {variant}", video=video, truth=truth, clicks=clicks)


def ordered(count: int, variant: Variant) -> list[int]:
    """Which of `count` frames follow each other."""
    match variant:
        case "reversed":
            return list(range(count))[::-1]
        case "half":
            return list(range(0, count, 2))
        case "twice":
            return [index for index in range(count) for _ in range(2)]


def reordered(truth: Truth, order: Sequence[int], persons: Path) -> Truth:
    """The truth of frames in another order.

    Args:
        order: of each new frame, the number of the old one.
        persons: a folder for links to the id maps.
    """
    places: dict[int, list[int]] = {}
    for place, index in enumerate(order):
        places.setdefault(index, []).append(place)
    # Maps of the first frames alone can't be counted off from another beginning.
    maps = truth.persons if truth.map_count > max(order) else None
    if maps is not None:
        persons.mkdir(exist_ok=True)
        for place, index in enumerate(order):
            link = persons / f"{place:05d}.png"
            if not link.is_symlink():
                link.symlink_to(maps.resolve() / f"{index:05d}.png")
    return replace(
        truth,
        persons=None if maps is None else persons,
        faces=None
        if truth.faces is None
        else {
            place: found for index, found in truth.faces.items() for place in places.get(index, ())
        },
        regions=tuple(
            replace(region, frame=place)
            for region in truth.regions
            for place in places.get(region.frame, ())
        ),
        boxes=None if truth.boxes is None else [truth.boxes[index] for index in order],
    )


def _seconds(seconds: float, rate: Fraction, order: Sequence[int], faster: Fraction) -> float:
    """When the frame that is shown at `seconds` comes, or the one nearest to it that is left."""
    wanted = round(seconds * float(rate))
    place = min(range(len(order)), key=lambda place: abs(order[place] - wanted))
    return float(place / faster)


def _write(pictures: Sequence[av.VideoFrame], rate: Fraction, output: Path) -> None:
    unfinished = output.with_suffix(".partial.mkv")
    first = pictures[0]
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "0"})
        stream.width, stream.height = first.width, first.height
        stream.pix_fmt = first.format.name
        stream.codec_context.color_range = first.color_range
        stream.codec_context.colorspace = first.colorspace
        for number, picture in enumerate(pictures):
            copy = av.VideoFrame.from_ndarray(picture.to_ndarray(), format=first.format.name)
            copy.color_range, copy.colorspace = first.color_range, first.colorspace
            copy.pts, copy.time_base = number, 1 / rate
            container.mux(stream.encode(copy))
        container.mux(stream.encode())
    os.replace(unfinished, output)
