"""Sending a video as a client of tus does."""

from __future__ import annotations

from typing import Any

import httpx

from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.retention import UPLOADS
from tests.support.stage import Stage

MIB = 2**20


TUS = {"Tus-Resumable": "1.0.0"}


PART = {"Content-Type": "application/offset+octet-stream"}


def begin(
    client: httpx.Client, address: str, size: object, content: bytes = b"", metadata: str = ""
) -> httpx.Response:
    """Ask for an upload, as the creation of tus does it."""
    headers = {"Upload-Length": str(size), **TUS, **(PART if content else {})}
    if metadata:
        headers["Upload-Metadata"] = metadata
    return client.post(
        f"{address.removesuffix('/video')}/uploads", headers=headers, content=content
    )


def begun(client: httpx.Client, address: str, size: int) -> str:
    """The address of a new upload."""
    answer = begin(client, address, size)
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return answer.headers["location"]


def send(client: httpx.Client, upload: str, offset: object, part: Any) -> httpx.Response:
    headers = {**TUS, **PART, "Upload-Offset": str(offset)}
    return client.patch(upload, headers=headers, content=part)


def head(client: httpx.Client, upload: str) -> httpx.Response:
    return client.head(upload, headers=TUS)


def offset_of(client: httpx.Client, upload: str) -> int:
    answer = head(client, upload)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def state_of(client: httpx.Client, address: str) -> str:
    return str(client.get(address).json()["state"])


def stored(stage: Stage, address: str) -> bytes:
    """The video as storage has it."""
    return b"".join(stage.context.storage.read(f"{address.split('/')[2]}/{VIDEO_FILE}"))


def uploading(stage: Stage, address: str) -> list[str]:
    """Files that there are of an upload."""
    folder = stage.context.data / UPLOADS
    project = address.split("/")[2]
    return [path.name for path in folder.rglob("*") if project in str(path)]
