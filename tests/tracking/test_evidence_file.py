"""Evidence survives the way to another process; anything else is refused."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

from bystander.identity.segments import FaceSample
from bystander.tracking import evidence_file
from bystander.tracking.evidence import EvidenceStore, SegmentEvidence
from bystander.tracking.evidence_file import dump_evidence, load_evidence


def learnt() -> EvidenceStore:
    chance = np.random.default_rng(3)
    store = EvidenceStore(2.0)
    first, other = store.open(4, 0, 10), store.open(9, 1, 30)
    for number in range(3):
        vector = chance.normal(size=8).astype(np.float32)
        first.stretches[0].add_face(FaceSample(10 + number, vector, 0.1 * number, 40.5))
    first.stretches.append(SegmentEvidence(20, {9}, 0.625))
    first.stretches[1].add_body(chance.normal(size=4).astype(np.float32))
    first.stretches[1].add_colours(np.array([0.25, 0.75], np.float32), apart=False)
    first.stretches[1].faces_offered = 7
    first.face = 40.5
    other.stretches[0].add_colours(np.array([1, 0], np.float32))
    return store


def facts(store: EvidenceStore) -> list[Any]:
    return [
        (
            *(tracklet.id, tracklet.shot, tracklet.face),
            [
                (
                    *(s.start, s.rivals, s.continuity, s.colour_count, s.colours_apart),
                    *(s.faces_offered, s.bodies_offered),
                    [(f.frame, f.quality, f.height, f.embedding.tobytes()) for f in s.faces],
                    [body.tobytes() for body in s.bodies],
                    None if s.colours is None else s.colours.tobytes(),
                )
                for s in tracklet.stretches
            ],
        )
        for tracklet in store.dossiers.values()
    ]


def test_what_was_learnt_comes_back_to_the_bit() -> None:
    store = learnt()
    assert facts(load_evidence(dump_evidence(store), 2.0)) == facts(store)


def test_nothing_learnt_is_nothing() -> None:
    assert not load_evidence(dump_evidence(EvidenceStore(1.0)), 1.0).dossiers


def changed(**arrays: Any) -> bytes:
    with np.load(io.BytesIO(dump_evidence(learnt()))) as known:
        buffer = io.BytesIO()
        np.savez(buffer, **{**known, **arrays})
    return buffer.getvalue()


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a worker's file was unpickled",)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK",
        pickle.dumps(Harmful()),
        changed(faces=np.array([Harmful()], dtype=object)),
        changed(faces=np.zeros((1, 8), np.float32)),
        changed(bodies=np.zeros((1, 8), np.float64)),
        changed(colours=np.zeros(2, np.float32)),
        changed(facts=np.frombuffer(b'[{"id": 1}]', np.uint8)),
        changed(
            facts=np.frombuffer(b'[{"id": 1, "shot": 0, "face": null, "segments": []}]', np.uint8)
        ),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        load_evidence(raw, 1.0)


def test_what_unpacks_into_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = dump_evidence(learnt())
    monkeypatch.setattr(evidence_file, "MAX_BYTES", len(raw) // 2)
    with pytest.raises(ValueError, match="too much"):
        load_evidence(raw, 2.0)
