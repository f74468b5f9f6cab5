"""Pictures of a video -> which moment of it shows most of the people to keep, and others, too."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.geometry.types import Rgb
from bystander.identity.cast import CastMember
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.server.http.views import ApiView
from bystander.server.models import Project
from bystander.settings import AnalysisSettings
from bystander.timeline.header import Header
from bystander.tracking.face_assignment import assign_face, detect_faces

MOMENTS: Final = 5
"""Of a video that are looked at."""
MAX_LOOKED_AT: Final = 50
"""Videos of which is known what shows in them: some vectors each."""


class MomentView(ApiView):
    """A moment of the video that shows people."""

    seconds: float = Field(description="from the first frame", examples=[4.6])
    people: int = Field(description="how many are in the picture then", examples=[3])
    kept: tuple[str, ...] = Field(
        description="names of those among them who look like people to keep", examples=[["Anna"]]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What shows at a moment.

    Attributes:
        seconds: from the first frame.
        vectors: of the faces, float32 [N, D] of length 1.
    """

    seconds: float
    people: int
    vectors: NDArray[np.float32]


class Glances:
    """Of the videos that were looked at last; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], list[Glance]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, project: Project, picture: Callable[[float], Rgb], models: Models) -> list[Glance]:
        """What shows at some moments of the project's video, evenly spread.

        Args:
            picture: gives the one shown at so many seconds, uint8 [H, W, 3] RGB.
        """
        facts = project.video.ready_facts
        key = (project.id, facts.model_dump_json())
        with self._lock:
            known = self._known.get(key)
        if known is None:
            number = min(MOMENTS, max(1, int(facts.duration)))
            moments = [facts.duration * (2 * n + 1) / (2 * number) for n in range(number)]
            known = [glance(at, picture(at), models) for at in moments]
            with self._lock:
                self._known[key] = known
                while len(self._known) > MAX_LOOKED_AT:
                    self._known.popitem(last=False)
        return known


def glance(seconds: float, picture: Rgb, models: Models) -> Glance:
    """What a picture shows.

    Args:
        picture: uint8 [H, W, 3] RGB, of the moment.
    """
    settings = AnalysisSettings()
    height, width = picture.shape[:2]
    grid = analysis_size(width, height, settings.long_side)
    small = np.asarray(cv2.resize(picture, grid, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    (found,) = models.segmenter.segment([small])
    faces = detect_faces(picture, models.faces, settings.face_long_side)
    scale = grid[1] / height
    alone = 0
    for face in faces:
        x0, y0, x1, y1 = (side * scale for side in face.box)
        alone += assign_face((x0, y0, x1, y1), found) is None
    vectors = models.faces.embed(picture, faces) if faces else np.zeros((0, 1), dtype=np.float32)
    return Glance(seconds, len(found) + alone, vectors)


def best_moment(
    glances: Sequence[Glance], members: Sequence[CastMember], same: float
) -> MomentView:
    """The one that shows most people to keep, and of those the one with most people.

    Args:
        glances: one at least.
        same: cosine similarity from which two faces are one person's.
    """
    views = [
        MomentView(
            seconds=round(seen.seconds, 3),
            people=seen.people,
            kept=tuple(
                member.name
                for member in members
                if len(seen.vectors) and member.similarity(seen.vectors).max() >= same
            ),
        )
        for seen in glances
    ]
    return max(views, key=lambda view: (len(view.kept), view.people))


def best_moment_of(header: Header, times: NDArray[np.float64]) -> MomentView:
    """The same of a video that was analysed, by its verdicts.

    Args:
        times: of its frames, and the end of the last one: seconds, [F + 1].
    """
    frames = header.video.frames
    kept = {t: person for person in header.persons if header.is_kept(person)
            for t in person.tracklets}  # fmt: skip
    bounds = sorted({0, frames, *(t.start for t in header.tracklets)} & set(range(frames + 1)))
    best, best_score = MomentView(seconds=0.0, people=0, kept=()), (-1, -1)
    for start, end in pairwise(bounds):
        at = (start + end) // 2
        there = [t.id for t in header.tracklets if t.start <= at < t.end]
        shown = {kept[t].id: kept[t] for t in there if t in kept}
        if (score := (len(shown), len(there))) > best_score:
            names = tuple(person.name or person.id for person in shown.values())
            seconds = round(float(times[at] - times[0]), 3)
            best, best_score = MomentView(seconds=seconds, people=len(there), kept=names), score
    return best
