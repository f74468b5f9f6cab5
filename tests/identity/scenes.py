"""Made segments for the identity graph: embeddings are axes, so similarities are exact."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bystander.identity.cast import CastMember
from bystander.identity.segments import Continuity, FaceSample, IdentitySettings, Segment
from bystander.identity.verdicts import resolve
from bystander.progress import Advance, unheard
from bystander.timeline.types import Decision, Evidence, Person, Tracklet

Vector = NDArray[np.float32]

FPS = 10
AXES = 64


def axis(number: int, towards: int = 0, cosine: float = 0.0) -> Vector:
    """A unit vector with the given cosine to the axis `towards`."""
    vector = np.zeros(AXES, dtype=np.float32)
    vector[number] = np.sqrt(1 - cosine**2)
    vector[towards] += cosine
    return vector


def clothes(kind: int) -> Vector:
    """A colour histogram; different kinds have nothing in common."""
    histogram = np.zeros(36, dtype=np.float32)
    histogram[3 * kind : 3 * kind + 3] = 1 / 3
    return histogram


def like(likeness: float, kind: int = 0, other: int = 1) -> Vector:
    """Clothes this much like `kind`'s (Bhattacharyya), the rest of them `other`'s."""
    return likeness**2 * clothes(kind) + (1 - likeness**2) * clothes(other)


MINJI = CastMember("minji", axis(0)[np.newaxis])


@dataclass
class Scene:
    """Segments, and who is kept, at 10 frames a second; 80 grid pixels are a body's height."""

    segments: list[Segment] = field(default_factory=list)
    links: list[Continuity] = field(default_factory=list)
    cast: tuple[CastMember, ...] = (MINJI,)

    def seen(
        self,
        track: int,
        start: int,
        end: int,
        *,
        shot: int = 0,
        x: float | None = None,
        look: Vector | None = None,
        body: Vector | None = None,
        face: tuple[float, range] | None = None,
        face_axis: int | None = None,
        quality: float = 0.8,
        click: str | None = None,
    ) -> Scene:
        """One more segment of `track`.

        Args:
            x: left edge; tracks are 500 grid pixels apart by default, out of anybody's reach.
            face: cosine to Minji's photo, and the frames; the rest is along `face_axis`.
        """
        left = 500.0 * track if x is None else x
        box = (left, 60.0, left + 30.0, 140.0)
        own = axis(3 + track if face_axis is None else face_axis, 0, face[0] if face else 0.0)
        segment = Segment(
            id=len(self.segments),
            track=track,
            shot=shot,
            runs=((start, end),),
            first=box,
            last=box,
            faces=tuple(FaceSample(f, own, quality, 60.0) for f in face[1]) if face else (),
            colours=clothes(track) if look is None else look,
            clicks=(click,) if click else (),
        )
        if body is not None:
            segment = replace(segment, bodies=np.tile(body, (6, 1)))
        self.segments.append(segment)
        return self

    def link(self, a: int, b: int, probability: float) -> Scene:
        """Between segments, counted in the order in which they were added."""
        self.links.append(Continuity(a, b, probability))
        return self

    def resolve(
        self,
        settings: IdentitySettings | None = None,
        across: bool = True,
        advance: Advance = unheard,
    ) -> tuple[dict[int, Tracklet], tuple[Person, ...]]:
        spans: dict[int, Tracklet] = {}
        for s in self.segments:
            old = spans.get(s.track)
            start, end = (
                min(s.start, old.start if old else s.start),
                max(s.end, old.end if old else 0),
            )
            spans[s.track] = Tracklet(s.track, s.shot, start, end, end - start, 80.0, None, ())
        tracklets, persons = resolve(
            tuple(spans.values()),
            self.segments,
            self.links,
            self.cast,
            settings or IdentitySettings(),
            same=0.4,
            different=0.2,
            fps=FPS,
            bodies_across_shots=across,
            advance=advance,
        )
        return {t.id: t for t in tracklets}, persons

    def kept(self, track: int, frame: int) -> bool:
        return self.resolve()[0][track].decision_at(frame) is Decision.KEEP

    def evidence(self, track: int) -> Evidence:
        """Of the track's first span."""
        return self.resolve()[0][track].verdicts[0].evidence


def crossing(look: Vector, other: Vector) -> Scene:
    """Minji (track 1) and somebody (track 2) meet at frame 30 and may have been swapped."""
    scene = Scene().seen(1, 0, 30, look=look, x=100, face=(0.7, range(0, 30, 4)))
    scene.seen(2, 0, 30, look=other, x=140)
    scene.seen(1, 30, 60, look=look, x=140).seen(2, 30, 60, look=other, x=100)
    for before, after in ((0, 2), (1, 3), (0, 3), (1, 2)):
        scene.link(before, after, 0.48)
    return scene
