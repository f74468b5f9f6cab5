"""Where the tests find real clips, photos and weights, and what they skip without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("BYSTANDER_SHARED", REPOSITORY.parent / "shared"))


def shared(*parts: str) -> Path:
    """A file or folder of the shared test data; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the shared test data: {Path(*parts)}")
    return path
