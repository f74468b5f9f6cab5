"""What makes a hostile file, and the wrong types that serve as video and as photo alike."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np


@dataclass(frozen=True)
class Holes:
    """A sparse file of `size` bytes: pieces at their offsets, nothing between."""

    pieces: tuple[tuple[int, bytes], ...]
    size: int


Maker = Callable[[], bytes | Holes]
Row = tuple[str, str, str, Maker]
"""Name, what it attacks, suffix, content."""


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil", bytes(10_000_000))
    return file.getvalue()


def _noise() -> bytes:
    return np.random.default_rng(7).bytes(100_000)


_WRONG: dict[str, Maker] = {
    "empty": bytes,
    "one-byte": partial(bytes, 1),
    "zeros": partial(bytes, 100_000),
    "noise": _noise,
    "text": b"Dear diary, today I met Anna.\n".__mul__(100).__bytes__,
    "html": b"<html><script>alert(1)</script></html>".__bytes__,
    "zip-bomb": _zip,
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(5000)).__bytes__,
    "shell-script": b"#!/bin/sh\nrm -rf /\n".__bytes__,
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n".__bytes__,
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n".__bytes__,
}


def wrong_types(suffix: str) -> list[Row]:
    """Files that are neither videos nor photos, named as if they were."""
    return [(name, "the check of what it is", suffix, make) for name, make in _WRONG.items()]
