from __future__ import annotations

from pathlib import Path

import pytest

from bystander.errors import ConfigError
from bystander.models.store import Catalogue

ENTRY = """
  net:
    file: net.onnx
    role: {role}
    sha256: {sha256}
    licence: MIT
    source: a test
    input: images
  body:
    file: body.onnx
    role: body
    sha256: {sha256}
    licence: MIT
    source: a test
    input: images
"""


def written(folder: Path, entry: str, rest: str = "bodies: [body]\nfaces: {}\n") -> Path:
    path = folder / "models.yaml"
    path.write_text(f"files:{entry}segmenters: [net]\n{rest}")
    return path


def test_the_shipped_catalogue_has_a_pack_for_every_role() -> None:
    catalogue = Catalogue.load()
    assert {entry.role for entry in catalogue.files.values()} == {
        "segmenter",
        "face-detector",
        "face-embedder",
        "body",
    }
    assert {pack.runtime for pack in catalogue.faces.values()} == {"insightface", "dlib"}


@pytest.mark.parametrize(
    ("entry", "rest", "complaint"),
    [
        (ENTRY.format(role="body", sha256="a" * 64), "bodies: [body]\nfaces: {}\n", "no segmenter"),
        (ENTRY.format(role="segmenter", sha256="12ab"), "bodies: [body]\nfaces: {}\n", "sha256"),
        (
            ENTRY.format(role="segmenter", sha256="a" * 64),
            "bodies: [body]\nfaces: {}\nspeed: 9\n",
            "speed",
        ),
        (
            ENTRY.format(role="segmenter", sha256="a" * 64),
            "bodies: [body]\nfaces: {d: {runtime: dlib, same: 0.1, different: 0.5, min_face: 9}}\n",
            "above `same`",
        ),
        (
            ENTRY.format(role="segmenter", sha256="a" * 64),
            "bodies: [body]\n"
            "faces: {i: {runtime: insightface, same: 1, different: 0, min_face: 1}}\n",
            "detector",
        ),
    ],
    ids=["wrong-role", "short-checksum", "unknown-key", "thresholds-swapped", "pack-without-files"],
)
def test_a_mistake_is_named(tmp_path: Path, entry: str, rest: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        Catalogue.load(written(tmp_path, entry, rest))
    assert "models.yaml" in str(caught.value)
