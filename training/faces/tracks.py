"""Face tracks from clips: labels for nothing.

Within a shot, a face that overlaps one box of the look before, and no other, is the same
person; two tracks in one look are two people. That gives genuine and impostor pairs under a
video's own light, blur and compression without anybody labelling them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import box_iou
from bystander.geometry.types import Box
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models.face_model import FaceModel
from bystander.tracking.face_assignment import detect_faces
from bystander.tracking.shots import detect_cuts, thumbnail
from training.errors import DataError
from training.faces.metrics import Scores
from training.faces.samples import Samples, joined, measure
from training.faces.settings import FaceExperimentSettings


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The faces of one frame.

    Attributes:
        frame: its index.
        seconds: its time.
        shot: number of the shot.
        boxes: in pixels of the frame.
        samples: the same faces, embedded.
    """

    frame: int
    seconds: float
    shot: int
    boxes: tuple[Box, ...]
    samples: Samples


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One person's face over a time.

    Attributes:
        clip: name of the clip.
        frames: intp [N], rising.
        seconds: float64 [N].
        boxes: float64 [N, 4] x0, y0, x1, y1 in pixels of the frame.
        samples: N faces.
    """

    clip: str
    frames: NDArray[np.intp]
    seconds: Scores
    boxes: Scores
    samples: Samples

    def meets(self, other: FaceTrack) -> bool:
        """Whether both were seen in one frame: two people, then."""
        return self.clip == other.clip and bool(np.intersect1d(self.frames, other.frames).size)

    def usable(self, least_quality: float) -> FaceTrack:
        """Only the faces that are good enough to count."""
        return self.rows(np.flatnonzero(self.samples.quality >= least_quality))

    def rows(self, rows: NDArray[np.intp]) -> FaceTrack:
        """Only these faces."""
        return FaceTrack(
            self.clip, self.frames[rows], self.seconds[rows], self.boxes[rows], self.samples[rows]
        )


Case = tuple[FaceTrack, NDArray[np.float32]]
"""A track, and a person's photos to compare it with: float32 [R, D]."""


def clip_video(clip: Path) -> Path:
    """The clip itself, or `video.*` in its folder.

    Raises:
        DataError: there is none.
    """
    found = clip if clip.is_file() else next(iter(sorted(clip.glob("video.*"))), None)
    if found is None:
        raise DataError(f"{clip} holds no video", "Give a video, or a folder with a video.mp4.")
    return found


def read_tracks(clip: Path, model: FaceModel, settings: FaceExperimentSettings) -> list[FaceTrack]:
    """The face tracks of a clip.

    Raises:
        DataError: there is no video.
        VideoError: it can't be read.
    """
    looks = list(_looks(clip_video(clip), model, settings))
    return [
        FaceTrack(
            clip.stem,
            np.array([looks[i].frame for i, _ in members], dtype=np.intp),
            np.array([looks[i].seconds for i, _ in members]),
            np.array([looks[i].boxes[j] for i, j in members]),
            joined([looks[i].samples[[j]] for i, j in members]),
        )
        for members in linked(looks, settings)
    ]


def linked(looks: Sequence[Look], settings: FaceExperimentSettings) -> list[list[tuple[int, int]]]:
    """Which faces are one person's: lists of (look, face).

    A track ends at a cut, after `settings.gap` seconds, and wherever a face overlaps two
    boxes or a box two faces: rather two short tracks than one of two people.
    """
    tracks: list[list[tuple[int, int]]] = []
    for i, look in enumerate(looks):
        live = [
            track
            for track in tracks
            if looks[track[-1][0]].shot == look.shot
            and look.seconds - looks[track[-1][0]].seconds <= settings.gap + 1e-6
        ]
        overlap = np.array(
            [[box_iou(looks[p].boxes[q], box) for box in look.boxes] for p, q in _ends(live)]
        ).reshape(len(live), len(look.boxes))
        near = overlap >= settings.rival_iou
        for j in range(len(look.boxes)):
            candidates = np.flatnonzero(near[:, j])
            alone = len(candidates) == 1 and near[candidates[0]].sum() == 1
            if alone and overlap[candidates[0], j] >= settings.link_iou:
                live[candidates[0]].append((i, j))
            else:
                tracks.append([(i, j)])
    return tracks


def _ends(tracks: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    return [track[-1] for track in tracks]


def _looks(video: Path, model: FaceModel, settings: FaceExperimentSettings) -> Iterator[Look]:
    info = probe(video)
    due, shot = 0.0, -1
    with VideoReader(video, info) as reader:
        shown = ((frame, frame.rgb()) for frame in reader)
        items = ((frame, picture, thumbnail(picture)) for frame, picture in shown)
        for (frame, picture, _), cut in detect_cuts(items, lambda item: item[2]):
            shot += cut
            now = float(frame.pts * info.time_base)
            if not cut and now < due - 1e-6:
                continue
            due = now + 1 / settings.looks_per_second
            faces = detect_faces(picture, model, settings.long_side)
            boxes = tuple(face.box for face in faces)
            yield Look(frame.index, now, shot, boxes, measure(picture, faces, model))
