"""Where the store of a test is: SQLite's file, or PostgreSQL where BYSTANDER_TEST_POSTGRES says so.

BYSTANDER_TEST_POSTGRES=1 starts a cluster of its own for the process that runs the tests, from
Debian's packages, in a temporary folder, reached by a Unix socket; each path that a test asks for
is a schema in it. Processes that tests start find the cluster by the variable's new value.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

VARIABLE: Final = "BYSTANDER_TEST_POSTGRES"
ON_POSTGRES: Final = bool(os.environ.get(VARIABLE))
FOLDERS: Final = Path("/usr/lib/postgresql")
USER: Final = "nobody"
"""As whom the server runs where the tests are root's, which it refuses to be."""

sqlite_only: Final = pytest.mark.skipif(ON_POSTGRES, reason="about SQLite's file")
postgres_only: Final = pytest.mark.skipif(not ON_POSTGRES, reason=f"needs {VARIABLE}=1")


def database_at(path: Path) -> Path | str:
    """What `ServiceStore` is given: `path`, or the URL of a schema that stands for it."""
    if not ON_POSTGRES:
        return path
    import psycopg

    url, name = os.environ[VARIABLE], f"s{hashlib.sha256(str(path).encode()).hexdigest()[:24]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}".encode())
    return f"{url}&options={quote(f'-c search_path={name}')}"


@contextmanager
def cluster() -> Iterator[str]:
    """A running server; its URL. Skips where Debian's package isn't installed."""
    found = sorted(FOLDERS.glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs Debian's package postgresql")
    bin_folder = found[-1].parent
    who = {"user": USER, "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="bystander-pg-", dir="/tmp"))
    try:
        if who:
            shutil.chown(folder, USER, "nogroup")
        data = folder / "data"
        subprocess.run(
            [bin_folder / "initdb", "-D", data, "-U", "bystander", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **who,  # type: ignore[call-overload]
        )  # fmt: skip
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off",
            "max_connections": "300", "shared_buffers": "32MB", "autovacuum": "off",
        }  # fmt: skip
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, *options],
                stdout=log, stderr=log, cwd=folder, **who,  # type: ignore[call-overload]
            )  # fmt: skip
        try:
            url = f"postgresql://bystander@/postgres?host={quote(str(folder), safe='')}"
            _await(url)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # fast: it waits for nobody
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str) -> None:
    import psycopg

    from tests.support.waiting import until

    def answers() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return False
        return True

    until(answers)
