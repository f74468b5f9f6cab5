"""Does the web app stream? A huge video goes through it as from a browser, and comes back.

In parts, with the connection dropped in the middle of one and gone on with; back by Range, as a
player asks. What is counted is the app's process, from the first request that it ever got.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.service.clips import Clip
from benchmarks.service.memory import MIB, Watch, padded
from benchmarks.service.server import END, REPOSITORY, START, NotStarted, Server, free_port

SIZE: Final = 1_000_000_000
PART: Final = 16 * MIB
"""What the page sends at once."""
BLOCK: Final = MIB
PAUSE: Final = 0.2
TUS: Final = {"Tus-Resumable": "1.0.0"}


def table(clips: Path, folder: Path) -> str:
    """The table, as Markdown."""
    large = padded(Clip.find(clips / "hamilton").video, folder / "large.mp4", SIZE)
    with large.open("rb") as file:
        expected = hashlib.file_digest(file, "sha256").hexdigest()
    with Server(folder) as server, served(server, folder) as (app, address):
        with http_to(address) as connection:
            project = json.loads(_asked(connection, "POST", "/service/projects"))["id"]
        video = f"/service/projects/{project}/video"
        with Watch(app) as sent:
            resumed = send(address, f"/service/projects/{project}/uploads", large)
        with Watch(app) as fetched:
            came_back = fetch(address, f"{video}/file")
    assert came_back == expected, "another video came back than was sent"
    lines = ["| 1 GB through the web app | seconds | growth, MiB |", "|---|---:|---:|"]
    lines.append(f"| sent, gone on with at {resumed / MIB:.0f} MiB | {_measured(sent)} |")
    lines.append(f"| fetched | {_measured(fetched)} |")
    return "\n".join(lines)


def send(address: str, uploads: str, video: Path) -> int:
    """Upload in parts, by tus; the connection of the one in the middle is dropped halfway
    through it.

    Returns:
        Where it went on then: bytes.
    """
    size, offset, resumed = video.stat().st_size, 0, 0
    answer = httpx.post(
        address + uploads, headers={**TUS, "Upload-Length": str(size)}, trust_env=False
    )
    path = answer.raise_for_status().headers["Location"]
    while offset < size:
        length = min(PART, size - offset)
        drop = not resumed and offset >= size // 2
        status = _send_part(address, path, video, offset, length, length // 2 if drop else length)
        if status == 204:
            offset += length
        elif drop or status == 409:  # the service is still at the part that was dropped
            time.sleep(PAUSE)
            offset = resumed = _arrived(address, path)
        else:
            raise RuntimeError(f"a part was refused: {status}")
    return resumed


def _send_part(
    address: str, path: str, video: Path, offset: int, length: int, sent: int
) -> int | None:
    """Send the `length` bytes from `offset` on, or hang up when `sent` of them are.

    Returns:
        The status of the answer; None after hanging up.
    """
    with http_to(address) as connection, video.open("rb") as file:
        file.seek(offset)
        connection.putrequest("PATCH", path)
        for name, value in TUS.items():
            connection.putheader(name, value)
        connection.putheader("Content-Type", "application/offset+octet-stream")
        connection.putheader("Upload-Offset", str(offset))
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        while (left := offset + sent - file.tell()) > 0:
            connection.send(file.read(min(BLOCK, left)))
        return connection.getresponse().status if sent == length else None


def fetch(address: str, path: str) -> str:
    """Download everything, as a part; gives its SHA-256."""
    digest = hashlib.sha256()
    headers = {"Range": "bytes=0-"}
    with httpx.stream("GET", address + path, headers=headers, timeout=60, trust_env=False) as video:
        assert video.status_code == 206
        for chunk in video.iter_bytes():
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def served(server: Server, folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """The web app before a service: its process and its address.

    Raises:
        NotStarted
    """
    port, log = free_port(), folder / "app.log"
    tokens = {"BYSTANDER_URL": server.url, "BYSTANDER_TOKENS": server.tokens[0]}
    command = [sys.executable, "-m", "streamlit", "run", "frontend/app.py"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    environ = {name: value for name, value in os.environ.items() if name != "BYSTANDER_TOKENS_FILE"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environ | tokens, stdout=file, stderr=file
        )
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + START
        while not _answers(f"{address}/_stcore/health"):
            if time.monotonic() > until or process.poll() is not None:
                raise NotStarted(f"the web app doesn't start: {log.read_text()[-4000:]}")
            time.sleep(PAUSE)
        yield psutil.Process(process.pid), address
    finally:
        process.terminate()
        process.wait(END)


@contextlib.contextmanager
def http_to(address: str) -> Iterator[http.client.HTTPConnection]:
    """A connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(urlsplit(address).netloc)) as connection:
        yield connection


def _asked(connection: http.client.HTTPConnection, method: str, path: str) -> bytes:
    connection.request(method, path)
    answer = connection.getresponse()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path} was refused: {answer.status}")
    return answer.read()


def _arrived(address: str, path: str) -> int:
    answer = httpx.head(address + path, headers=TUS, timeout=30, trust_env=False)
    return int(answer.headers["Upload-Offset"])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _measured(watch: Watch) -> str:
    return f"{watch.seconds:.1f} | {watch.growth / MIB:.0f}"
