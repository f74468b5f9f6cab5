"""The database that the tests of the service run against."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.databases import ON_POSTGRES, VARIABLE, cluster


@pytest.fixture(scope="session", autouse=True)
def database_server() -> Iterator[None]:
    """PostgreSQL, where it is asked for and runs nowhere yet."""
    if not ON_POSTGRES or os.environ[VARIABLE].startswith("postgresql://"):
        yield
        return
    with cluster() as url, pytest.MonkeyPatch.context() as patched:
        patched.setenv(VARIABLE, url)
        yield
