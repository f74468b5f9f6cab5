"""Stored files -> answers: whole, in part (RFC 9110), or by the bucket itself."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, Final

from fastapi import HTTPException, Request, Response
from fastapi.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import RedirectResponse, StreamingResponse

from bystander.server.http.filenames import content_disposition
from bystander.storage.base import Storage

_SINGLE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)
URL_LIFETIME: Final = timedelta(minutes=2)
"""Of an address in a bucket: to be followed at once, since nothing takes it back when what it
leads to isn't to be had any more."""
FINGERPRINT_BYTES: Final = 64 * 1024
"""Bytes at either end of a file that tell it from the one stored there before. The index of
a video, with the sizes and offsets of all its frames, begins or ends it."""
CHUNK_BYTES: Final = 2**18
JPEG_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/jpeg": {}}}}
"""OpenAPI's description of a picture."""


class RangeNotSatisfiable(ValueError):
    """The range begins beyond the file's end: 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to before `end` of a file, never empty."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """The value of the Content-Range header, for a file of `size` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that `header` asks for.

    Returns:
        None where the whole file is to be sent: there is no header, it is malformed, of
        another unit, or names several ranges. The standard lets a server ignore these.

    Raises:
        RangeNotSatisfiable: no byte of the file is in the range.
    """
    found = _SINGLE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= end:
        raise RangeNotSatisfiable(f"{header} of {size} bytes")
    return ByteRange(start, end)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file as a client gets it.

    Attributes:
        key: of the object.
        filename: under which a browser saves it.
        direct: whether the storage may serve it, where it can. The headers are on the redirect
            alone then.
    """

    key: str
    filename: str
    media_type: str
    headers: Mapping[str, str] | None = None
    disposition: str = "attachment"
    direct: bool = True


async def send(request: Request, storage: Storage, download: StoredFile) -> Response:
    """Answer GET or HEAD, in constant memory.

    Raises:
        NotStored: there is no such object.
        StorageError: the storage can't be read.
    """
    size = await run_in_threadpool(storage.size, download.key)
    # Such an address is signed for GET alone.
    if download.direct and request.method == "GET":
        url = await run_in_threadpool(
            storage.download_url, download.key, download.filename, URL_LIFETIME
        )
        if url is not None:
            return RedirectResponse(url, status_code=307, headers=dict(download.headers or {}))
    etag = await run_in_threadpool(_etag, storage, download.key, size)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": content_disposition(download.disposition, download.filename),
        # Not stored by caches in between, see the API's other answers; browsers may ask again.
        **(download.headers or {}),
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    try:
        part = _wanted(request, etag, size)
    except RangeNotSatisfiable as error:
        raise HTTPException(
            416, f"The file has {size} bytes", {"Content-Range": f"bytes */{size}"}
        ) from error
    if part is not None:
        headers["Content-Range"] = part.content_range(size)
    headers["Content-Length"] = str(part.length if part else size)
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=download.media_type)
    chunks = storage.read(download.key, *((part.start, part.end) if part else (0, size)))
    return StreamingResponse(
        _closing(chunks), status_code=status, headers=headers, media_type=download.media_type
    )


def send_made(
    file: BinaryIO, filename: str, media_type: str, headers: Mapping[str, str]
) -> Response:
    """Send a file that was made for this answer, in constant memory; it is closed afterwards.

    Args:
        file: open at its beginning; best without a name any more, so that nothing is left of it
            whatever becomes of the answer.
    """
    told = {
        "Content-Disposition": content_disposition("attachment", filename),
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        **headers,
    }
    return StreamingResponse(_closing(_chunks(file)), headers=told, media_type=media_type)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _wanted(request: Request, etag: str, size: int) -> ByteRange | None:
    condition = request.headers.get("if-range")
    if condition is not None and condition != etag:
        return None  # it was replaced: the parts wouldn't fit together
    return parse_range(request.headers.get("range"), size)


def _etag(storage: Storage, key: str, size: int) -> str:
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    for start in (0, max(0, size - FINGERPRINT_BYTES)):
        for chunk in storage.read(key, start, min(size, start + FINGERPRINT_BYTES)):
            digest.update(chunk)
    return f'"{digest.hexdigest()}"'


async def _closing(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """`chunks`, read in threads; the file is closed even if the client goes away."""
    try:
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
