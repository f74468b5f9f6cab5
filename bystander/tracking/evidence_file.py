"""Evidence as bytes, for another process to go on with: plain arrays, never pickled.

A worker that looks at a hostile video may say anything, so what it leaves is read as data, and
checked. It holds embeddings: such a file is as private as the photos, and goes with its job.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from bystander.identity.segments import FaceSample
from bystander.tracking.evidence import EvidenceStore, SegmentEvidence, TrackletEvidence

MAX_BYTES: Final = 2**30
"""A hostile file must not unpack into more than this."""


class _Face(BaseModel):
    model_config = ConfigDict(extra="forbid")
    frame: int
    quality: float
    height: float


class _Segment(BaseModel):
    """A `SegmentEvidence` without its vectors: of those, how many there are."""

    model_config = ConfigDict(extra="forbid")
    start: int
    rivals: list[int]
    continuity: float
    faces: list[_Face]
    bodies: int
    colours: bool
    colour_count: int
    colours_apart: bool
    faces_offered: int
    bodies_offered: int


class _Tracklet(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: int
    shot: int
    face: float | None
    segments: list[_Segment]


_TRACKLETS = TypeAdapter(list[_Tracklet])


def dump_evidence(store: EvidenceStore) -> bytes:
    """Evidence -> an .npz file. Where people were seen isn't in it: the frames' records are."""
    facts, faces, bodies, colours = [], [], [], []
    for tracklet in store.dossiers.values():
        segments = []
        for segment in tracklet.stretches:
            samples = [
                _Face(frame=f.frame, quality=f.quality, height=f.height) for f in segment.faces
            ]
            segments.append(
                _Segment(
                    start=segment.start,
                    rivals=sorted(segment.rivals),
                    continuity=segment.continuity,
                    faces=samples,
                    bodies=len(segment.bodies),
                    colours=segment.colours is not None,
                    colour_count=segment.colour_count,
                    colours_apart=segment.colours_apart,
                    faces_offered=segment.faces_offered,
                    bodies_offered=segment.bodies_offered,
                )
            )
            faces += [face.embedding for face in segment.faces]
            bodies += segment.bodies
            colours += [] if segment.colours is None else [segment.colours]
        facts.append(
            _Tracklet(id=tracklet.id, shot=tracklet.shot, face=tracklet.face, segments=segments)
        )
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        facts=np.frombuffer(_TRACKLETS.dump_json(facts), dtype=np.uint8),
        faces=_stacked(faces),
        bodies=_stacked(bodies),
        colours=_stacked(colours),
    )
    return buffer.getvalue()


def load_evidence(raw: bytes, scale: float) -> EvidenceStore:
    """What `dump_evidence` gave.

    Args:
        scale: display pixels per grid pixel.

    Raises:
        ValueError: it is something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ValueError("it unpacks into too much")
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            facts = _TRACKLETS.validate_json(arrays["facts"].tobytes())
            faces, bodies, colours = (
                iter(_vectors(arrays[name])) for name in ("faces", "bodies", "colours")
            )
        store = EvidenceStore(scale)
        for fact in facts:
            stretches = [
                SegmentEvidence(
                    start=segment.start,
                    rivals=set(segment.rivals),
                    continuity=segment.continuity,
                    faces=[
                        FaceSample(face.frame, next(faces), face.quality, face.height)
                        for face in segment.faces
                    ],
                    bodies=[next(bodies) for _ in range(segment.bodies)],
                    colours=next(colours) if segment.colours else None,
                    colour_count=segment.colour_count,
                    colours_apart=segment.colours_apart,
                    faces_offered=segment.faces_offered,
                    bodies_offered=segment.bodies_offered,
                )
                for segment in fact.segments
            ]
            if not stretches:
                raise ValueError(f"tracklet {fact.id} has no segment")
            store.dossiers[fact.id] = TrackletEvidence(
                fact.id, fact.shot, stretches, face=fact.face
            )
    except (KeyError, StopIteration, zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"no evidence ({type(error).__name__}: {error})") from error
    return store


def _stacked(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 1), np.float32)


def _vectors(found: NDArray[np.float32]) -> NDArray[np.float32]:
    if found.dtype != np.float32 or found.ndim != 2:
        raise ValueError(f"vectors of {found.dtype}, {found.ndim} dimensions")
    return found
