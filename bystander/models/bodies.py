"""Recognising bodies: the same clothes and build again, where no face can be seen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import ModelContract
from bystander.geometry.types import Rgb
from bystander.models.face_model import normalised
from bystander.models.sessions import Session, SessionSettings, open_session

Silhouette = NDArray[np.bool_]


class BodyModel(Protocol):
    """Turns people into vectors that are near to those of the same person."""

    @property
    def name(self) -> str: ...

    @property
    def across_shots(self) -> bool:
        """Whether vectors can be compared over a cut, where light and view change."""
        ...

    def embed(
        self, crops: Sequence[Rgb], masks: Sequence[Silhouette] | None = None
    ) -> NDArray[np.float32]:
        """One vector for each person.

        Args:
            crops: uint8 [h, w, 3] RGB, each one person's box; sizes may differ.
            masks: bool [h, w] for each crop, its person's silhouette.

        Returns:
            float32 [N, D], of length 1.
        """
        ...


class OSNetBodies:
    """OSNet (Zhou et al. 2019), trained to find people again in other cameras.

    It looks at whole boxes, background included, as it was trained: `masks` are not used.

    Raises:
        ModelCorrupt, ModelContract: the file is damaged, or holds another network.
    """

    name = "osnet"
    across_shots = True

    _WIDTH, _HEIGHT = 128, 256
    # ImageNet's, RGB.
    _MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    _DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)

    def __init__(self, path: Path, sessions: SessionSettings | None = None) -> None:
        self.files = (path,)
        how = (sessions or SessionSettings()).reference()
        self._session: Session = open_session(path, how)
        shapes = [tensor.shape for tensor in self._session.inputs]
        outputs = [tensor.shape for tensor in self._session.outputs]
        if shapes != [(None, 3, self._HEIGHT, self._WIDTH)] or [len(s) for s in outputs] != [2]:
            raise ModelContract(
                f"{path} takes {shapes} and gives {outputs}, not [B, 3, 256, 128] and [B, D]",
                "Export OSNet with a dynamic batch, without its classifier.",
            )
        self._dimensions = outputs[0][1]

    def embed(
        self, crops: Sequence[Rgb], masks: Sequence[Silhouette] | None = None
    ) -> NDArray[np.float32]:
        if not crops:
            return np.zeros((0, self._dimensions or 0), dtype=np.float32)
        size = self._WIDTH, self._HEIGHT
        pictures = np.stack([cv2.resize(c, size, interpolation=cv2.INTER_LINEAR) for c in crops])
        inputs = (pictures.astype(np.float32) / 255 - self._MEAN) / self._DEVIATION
        blob = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
        return normalised(self._session.run({self._session.inputs[0].name: blob})[0])


class HistogramBodies:
    """Colours of clothes, from head to foot: needs no network.

    A hue-saturation-value histogram for each of six horizontal stripes. Their square roots
    are the vector, so that its dot product is the Bhattacharyya coefficient, 0 to 1.
    """

    name = "histogram"
    across_shots = False
    files: tuple[Path, ...] = ()

    _STRIPES = 6
    _BINS = (12, 4, 4)  # few, so that light and noise move little between them
    _RANGES = (0, 180, 0, 256, 0, 256)  # OpenCV's hue, saturation, value

    def embed(
        self, crops: Sequence[Rgb], masks: Sequence[Silhouette] | None = None
    ) -> NDArray[np.float32]:
        if not crops:
            return np.zeros((0, self._STRIPES * int(np.prod(self._BINS))), dtype=np.float32)
        inside = masks if masks is not None else [np.ones(c.shape[:2], dtype=bool) for c in crops]
        return np.stack([self._vector(*pair) for pair in zip(crops, inside, strict=True)])

    def _vector(self, crop: Rgb, mask: Silhouette) -> NDArray[np.float32]:
        colours = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)
        inside = mask.astype(np.uint8)
        edges = np.linspace(0, len(crop), self._STRIPES + 1).round().astype(int)
        stripes = [
            cv2.calcHist(
                [colours[top:bottom]],
                [0, 1, 2],
                inside[top:bottom],
                list(self._BINS),
                list(self._RANGES),
            ).ravel()
            for top, bottom in itertools.pairwise(edges)
            if bottom > top
        ]
        # A crop flatter than its stripes leaves some empty.
        stripes += [np.zeros_like(stripes[0])] * (self._STRIPES - len(stripes))
        roots = [np.sqrt(stripe / max(float(stripe.sum()), 1.0)) for stripe in stripes]
        vector: NDArray[np.float32] = normalised(np.concatenate(roots)[np.newaxis])[0]
        return vector
