"""What the confined child makes of a video and its timeline: everybody's masks, as COCO's JSON."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final, TextIO

from bystander.pipeline.export import export
from bystander.progress import Progress
from bystander.redaction.effects import EffectSettings
from bystander.sandbox.protocol import MASKS, TIMELINE, MasksFacts, MasksOrder
from bystander.timeline.archive import Timeline

_TOLD_SECONDS: Final = 0.5  # after which is said how far it is
_NICE: Final = 10  # jobs and requests go first


def write_masks(path: Path, folder: Path, answer: TextIO) -> MasksFacts:
    """Write the masks that the order in `folder` asks for, with the timeline that lies there.

    Args:
        answer: gets a line of JSON now and then: a list with the share that is done.

    Raises:
        VideoError: it can't be decoded.
        InvalidTimeline, TimelineMismatch: the timeline is damaged, or another video's.
        OutputUnwritable: they have more bytes than they may.
    """
    os.nice(_NICE)
    order, due = MasksOrder.load(folder), 0.0

    def report(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            share = min(1.0, progress.done / max(1, progress.total))
            answer.write(json.dumps([round(share, 4)]) + "\n")
            answer.flush()
            due = time.monotonic() + _TOLD_SECONDS

    timeline = Timeline.load(folder / TIMELINE)
    effect = EffectSettings(shape=order.shape)
    (made,) = export(timeline, folder / MASKS, "coco", video=path, effect=effect, report=report)
    return MasksFacts(size=made.stat().st_size)
