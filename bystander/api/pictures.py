"""Single pictures: who is in one, their faces as vectors, and the picture with all masked.

For BentoML's own endpoints. A picture comes as base64 in JSON: BentoML's file fields would
also take an address, and fetch it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.api.previews import mask_everyone, to_jpeg
from bystander.errors import UnreadablePhoto
from bystander.jobs.settings import LimitSettings
from bystander.masks import encode_runs
from bystander.media.photos import load_photo
from bystander.models import Models
from bystander.models.faces import quality
from bystander.models.segmenter import analysis_size
from bystander.people.heads import find_faces
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.sandbox import examine_photo
from bystander.settings import AnalysisSettings

MOST_BYTES: Final = 32 * 2**20
"""Of a request with a picture in it."""


class Pictures:
    """What can be done with one picture.

    Args:
        models: gives the networks.
        limits: for examining what comes in.
        scratch: a folder for it.
    """

    def __init__(self, models: Callable[[], Models], limits: LimitSettings, scratch: Path) -> None:
        self._models, self._limits, self._scratch = models, limits, scratch
        self._examining = BoundedSemaphore(limits.examined_at_once)
        self._settings = AnalysisSettings()

    def segment(self, image: str) -> list[dict[str, Any]]:
        """Everyone in a picture: box, score, silhouette.

        Args:
            image: base64 of a picture: JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF.

        Returns:
            For each person `box` (x0, y0, x1, y1) and `score`; `mask` is a silhouette's bitmap:
            its corner `x, y`, `width`, `height`, and the lengths of its runs row by row, the
            first one outside. All in pixels of `size`, width and height, at which was looked.

        Raises:
            PhotoError: it is no picture.
        """
        picture = self._picture(image)
        height, width = picture.shape[:2]
        grid = analysis_size(width, height, self._settings.long_side)
        small = np.asarray(cv2.resize(picture, grid, interpolation=cv2.INTER_AREA), np.uint8)
        [found] = self._models().segmenter.segment([small])
        return [
            {
                "size": grid,
                "box": [float(side) for side in person.box],
                "score": float(person.score),
                "mask": {
                    "x": person.mask.x,
                    "y": person.mask.y,
                    "width": person.mask.bits.shape[1],
                    "height": person.mask.bits.shape[0],
                    "runs": [int(run) for run in encode_runs(person.mask)],
                },
            }
            for person in found
        ]

    def embed(self, image: str) -> list[dict[str, Any]]:
        """Every face in a picture: box, score, quality, and a vector of length 1.

        Args:
            image: base64 of a picture: JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF.

        Raises:
            PhotoError: it is no picture.
        """
        picture, faces = self._picture(image), self._models().faces
        found = find_faces(picture, faces, self._settings.face_long_side)
        vectors = faces.embed(picture, found)
        return [
            {
                "box": [float(side) for side in face.box],
                "score": float(face.score),
                "quality": float(quality(face, picture)),
                "embedding": [float(value) for value in vector],
            }
            for face, vector in zip(found, vectors, strict=True)
        ]

    def mask(self, image: str, effect: EffectName) -> str:
        """The picture with everyone masked: base64 of a JPEG.

        Raises:
            PhotoError: it is no picture.
        """
        masked = mask_everyone(
            self._picture(image), self._models(), EffectSettings(name=effect), self._settings
        )
        return base64.b64encode(to_jpeg(masked)).decode()

    def _picture(self, image: str) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] RGB, decoded by the sandbox."""
        try:
            content = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnreadablePhoto("the picture is no base64", "Encode its file.") from error
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch, prefix="picture-") as folder:
            given, plain = Path(folder) / "given", Path(folder) / "plain.jpg"
            given.write_bytes(content)
            with self._examining:
                examine_photo(given, self._limits, plain)
            return load_photo(plain)
