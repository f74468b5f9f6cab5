"""Silhouettes of the people in a frame, from any network that `decoders` can read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bystander.geometry.instances import Instance
from bystander.geometry.types import Rgb
from bystander.models.decoders import decoder_of
from bystander.models.letterbox import Letterbox, Stretch
from bystander.models.sessions import Session
from bystander.models.silhouettes import (
    Candidate,
    SegmenterSettings,
    in_close_contact,
    instances_of,
    refined,
)

__all__ = ["PersonSegmenter", "SegmenterSettings", "analysis_size"]

_USUAL_SIZE_PX = (360, 640)  # height, width of 16:9 at analysis size


def analysis_size(width: int, height: int, long_side: int = 640) -> tuple[int, int]:
    """The size at which a video of `width` x `height` is analysed.

    Returns:
        width, height: even, of the same aspect, the longer one `long_side`.
    """
    scale = long_side / max(width, height)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


class PersonSegmenter:
    """Finds people and their silhouettes.

    Args:
        session: a YOLO segmentation export, of one class (person) or of COCO's 80, of
            dynamic or fixed size and batch; or an RF-DETR-Seg export.
        settings: what counts as a person.

    Raises:
        ModelContract: the session holds something else.
    """

    def __init__(self, session: Session, settings: SegmenterSettings | None = None) -> None:
        self._session = session
        self._settings = settings or SegmenterSettings()
        self._decoder = decoder_of(session)
        self._input = session.inputs[0].name
        self._batch = session.inputs[0].shape[0]
        # A first run here: a wrong network fails when it is opened, not in the middle of
        # a video, and the first frame isn't slower than the others: OpenVINO compiles for each
        # size, and most videos are analysed at this one.
        self.segment([np.zeros((*_USUAL_SIZE_PX, 3), dtype=np.uint8)])

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        """The people in each frame, the most certain first.

        Args:
            frames: uint8 [H, W, 3] RGB at analysis size, all of one size.

        Returns:
            For each frame its instances, in the frame's pixels.
        """
        step = self._batch or len(frames)
        found: list[list[Instance]] = []
        for start in range(0, len(frames), step or 1):
            found += self._segment_batch(frames[start : start + step])
        return found

    def _segment_batch(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        height, width = frames[0].shape[:2]
        size = width, height
        found = self._candidates(frames, self._decoder.fit(width, height))
        close = [
            number
            for number, people in enumerate(found)
            if in_close_contact(people, size, self._settings)
        ]
        half = self._decoder.fit_half(width, height)
        if close and half is not None:
            again = self._candidates([frames[number] for number in close], half)
            for number, smaller in zip(close, again, strict=True):
                found[number] = refined(found[number], smaller, size, self._settings)
        return [instances_of(people, size, self._settings) for people in found]

    def _candidates(self, frames: Sequence[Rgb], fit: Letterbox | Stretch) -> list[list[Candidate]]:
        blob = fit.blob(frames)
        if self._batch and len(frames) < self._batch:
            blob = np.pad(blob, ((0, self._batch - len(frames)), (0, 0), (0, 0), (0, 0)))
        outputs = self._session.run({self._input: blob})
        of_frames = [np.atleast_1d(output)[: len(frames)] for output in outputs]
        return self._decoder.candidates(of_frames, fit, self._settings)
