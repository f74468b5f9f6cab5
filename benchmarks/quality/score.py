"""The promise in numbers: who shows who mustn't, and who is masked who may be seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.material import frames
from benchmarks.quality.reel import Truth
from benchmarks.quality.stage import SeenFace
from benchmarks.scoring import (
    VISIBLE_SHARE,
    PersonInFrame,
    masked_pixels,
    score_instances,
)

CLEAR_SHARE = 0.80
"""The kept person is kept in a frame that leaves this share of them clear."""
FACE_SHARE = 0.25
"""A face of which more than this shows is visible."""
MISTAKEN_SHARE, MISTAKEN_FRAMES = 0.5, 2
"""Mistaken for another: more than half of them is wrong in more than two frames."""
SLIVER = 0.10
"""Of the most that is ever seen of someone: less than this can't tell who they are."""


@dataclass(frozen=True)
class QualityScore:
    """A masked video measured against the silhouette of everyone in every frame.

    Attributes:
        kept: ids of people who must be clear.
        either: ids of people who may be clear or masked, and count for nothing.
        people: everyone in every frame, in order of frames.
        nobody_masked: pixels masked where nobody is, over the video.
        faces: bystanders' faces that show, one a frame; None where the truth has no faces.
    """

    kept: frozenset[int]
    either: frozenset[int]
    people: Sequence[PersonInFrame]
    nobody_masked: int
    faces: int | None

    @property
    def bystanders(self) -> list[PersonInFrame]:
        return [p for p in self.people if p.person not in self.kept | self.either]

    @property
    def cast(self) -> list[PersonInFrame]:
        return [p for p in self.people if p.person in self.kept]

    @property
    def leak(self) -> float:
        """Share of the bystanders' pixels that show, over the video."""
        area = sum(person.area for person in self.bystanders)
        return 1 - sum(person.masked for person in self.bystanders) / area if area else 0.0

    @property
    def worst(self) -> PersonInFrame | None:
        """Where the most pixels of one bystander show; None where nobody does."""
        shown = max(self.bystanders, key=_shown, default=None)
        return shown if shown is not None and _shown(shown) else None

    @property
    def leaking_frames(self) -> int:
        """Frames that show more than 5 % of some bystander."""
        return len({p.frame for p in self.bystanders if p.visible > VISIBLE_SHARE})

    @property
    def kept_masked(self) -> float | None:
        """Share of the kept people's pixels that are masked; None where nobody is kept."""
        area = sum(person.area for person in self.cast)
        return sum(person.masked for person in self.cast) / area if area else None

    @property
    def kept_frames(self) -> float | None:
        """Share of the kept people's frames in which they are clear; None without any."""
        seen = self._recognisable(self.cast)
        return sum(p.visible >= CLEAR_SHARE for p in seen) / len(seen) if seen else None

    @property
    def excess(self) -> float:
        """Area masked where nobody is, as a share of the area of all people."""
        area = sum(person.area for person in self.people)
        return self.nobody_masked / area if area else 0.0

    @property
    def bystanders_kept(self) -> list[int]:
        """Bystanders of whom more than half shows in more than two frames."""
        return _often(p for p in self._recognisable(self.bystanders) if p.visible > MISTAKEN_SHARE)

    @property
    def cast_masked(self) -> list[int]:
        """Kept people of whom more than half is masked in more than two frames."""
        return _often(p for p in self._recognisable(self.cast) if 1 - p.visible > MISTAKEN_SHARE)

    def worst_frames(self, count: int) -> list[int]:
        """Frames in which the most pixels are wrong, worst first."""
        wrong: dict[int, int] = defaultdict(int)
        for person in self.bystanders:
            wrong[person.frame] += _shown(person)
        for person in self.cast:
            wrong[person.frame] += person.masked
        ranked = sorted(wrong, key=lambda frame: wrong[frame], reverse=True)
        return [frame for frame in ranked[:count] if wrong[frame]]

    def _recognisable(self, people: Sequence[PersonInFrame]) -> list[PersonInFrame]:
        """Those of whom more than a sliver is seen."""
        most: dict[int, int] = defaultdict(int)
        for person in self.people:
            most[person.person] = max(most[person.person], person.area)
        return [p for p in people if p.area >= SLIVER * most[p.person]]


def score_scene(output: Path, truth: Truth) -> QualityScore:
    """Measure the masked video of a made scene, or of a clip with id maps.

    Raises:
        FramesDiffer: the number of frames, or their size, isn't the truth's.
    """
    score = score_instances(output, truth.persons)
    faces = None
    if truth.faces is not None:
        faces = _faces_visible(output, truth.faces, truth.kept | truth.either)
    return QualityScore(truth.kept, truth.either, score.people, score.nobody_masked, faces)


def _faces_visible(output: Path, faces: dict[int, list[SeenFace]], allowed: frozenset[int]) -> int:
    """How many faces show of people who aren't `allowed` to, one a frame."""
    count = 0
    for index, (_, frame) in enumerate(frames(output)):
        for face in faces.get(index, ()):
            x0, y0, x1, y1 = face.box
            shown = 1 - float(masked_pixels(frame[y0:y1, x0:x1]).mean())
            count += face.person not in allowed and shown > FACE_SHARE
    return count


def _shown(person: PersonInFrame) -> int:
    return person.area - person.masked


def _often(wrong: Iterable[PersonInFrame]) -> list[int]:
    """Who is among `wrong` in more than two frames."""
    frames_of: dict[int, int] = defaultdict(int)
    for person in wrong:
        frames_of[person.person] += 1
    return sorted(person for person, count in frames_of.items() if count > MISTAKEN_FRAMES)
