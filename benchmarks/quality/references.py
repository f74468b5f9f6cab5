"""Runs -> rows of ByteTrack and BoT-SORT on the same detections, beside ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.clips import Run
from benchmarks.quality.harness import Harness
from benchmarks.quality.table import Row
from benchmarks.quality.tracking import REFERENCES, reference_boxes, tracking_score
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.pipeline.looking import observe


def reference_rows(harness: Harness, runs: Sequence[Run], rows: Sequence[Row]) -> list[Row]:
    """The rows, with those of the references after the first run over each clip with ids."""
    told: list[Row] = []
    seen: set[str] = set()
    for run, row in zip(runs, rows, strict=True):
        told.append(row)
        if row.hota is not None and run.clip not in seen:
            seen.add(run.clip)
            told += _rows(harness, run)
    return told


def _rows(harness: Harness, run: Run) -> list[Row]:
    info = probe(run.video)
    found, pictures = _detections(harness, run)
    height, width = pictures[0].shape[:2]
    across, down = info.width / width, info.height / height
    rows = []
    for name in REFERENCES:
        frames = reference_boxes(name, found, pictures, float(info.average_rate))
        scaled = [
            {
                n: (x0 * across, y0 * down, x1 * across, y1 * down)
                for n, (x0, y0, x1, y1) in f.items()
            }
            for f in frames
        ]
        score = tracking_score(scaled, run.truth)
        assert score is not None
        rows.append(
            Row(
                f"{run.clip} {name}",
                found=score.found,
                there=run.truth.people,
                hota=round(score.hota, 5),
                idf1=round(score.idf1, 5),
                reference=name,
            )
        )
    return rows


def _detections(
    harness: Harness, run: Run
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.uint8]]]:
    """What the network finds: boxes and scores, float32 [N, 5]; and BGR pictures; on the grid."""
    info = probe(run.video)
    boxes, pictures = [], []
    for seen, _ in observe(VideoReader(run.video, info), info, harness.models, harness.settings):
        rows = [[*i.box, i.score] for i in seen.instances]
        boxes.append(np.array(rows, dtype=np.float32).reshape(-1, 5))
        pictures.append(np.ascontiguousarray(seen.view.grid[:, :, ::-1]))
    return boxes, pictures
