"""Objects in a bucket of Google Cloud Storage, links to them, and its errors.

gcsfs raises whatever lies underneath: aiohttp for its requests, requests for credentials,
plain OSErrors without a number for what the bucket answered (`gcsfs.retry.validate_response`).

Signature V4, https://cloud.google.com/storage/docs/access-control/signed-urls: with the key of
a service account where there is one, else, on Google's machines, by the IAM API (the account
needs "Service Account Token Creator" on itself).

gcsfs offers put_file and get_file, but both are left aside. The first sends files below 5 MiB
between boundaries that it doesn't choose at random, so that a hostile file can end its own
upload early (gcsfs 2026.10.1); the second begins a broken download anew. Resumable uploads and
ranges have neither trouble and hold a bounded part in memory. A listing is never cached:
several processes may share one bucket.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final
from urllib.parse import quote

import aiohttp
import google_crc32c
import requests
from fsspec import asyn
from gcsfs.core import GCSFileSystem, initiate_upload, upload_chunk
from gcsfs.retry import HttpError
from google.auth import compute_engine
from google.auth.credentials import Credentials, Signing
from google.auth.exceptions import GoogleAuthError, TransportError

from bystander.errors import NotStored, StorageError
from bystander.storage.base import (
    CHUNK_BYTES,
    check_key,
    check_prefix,
    check_source,
    check_span,
    check_spans,
    disk_error,
    part_of,
    private,
    upload_headers,
)

_UNREACHABLE: Final = (
    aiohttp.ClientError,
    requests.RequestException,
    TransportError,
    TimeoutError,
)
_DENIED: Final = frozenset({401, 403})
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
MAX_LINK_LIFETIME: Final = timedelta(days=7)
"""That a signature may hold."""
REQUEST_BYTES: Final = 8 * CHUNK_BYTES
"""Bytes of one request: enough that waiting for the answer costs little. The protocol wants a
multiple of 256 KiB."""
TYPE: Final = "application/octet-stream"
"""Of every object: no browser shall take a hostile upload for a page."""


@contextmanager
def translating_bucket_errors(doing: str, missing: str | None = None) -> Iterator[None]:
    """Raise what the bucket, or the disk beside it, says while `doing` as StorageError.

    Args:
        missing: the key that isn't there if the bucket says "not found"; without one it is
            the bucket that isn't.
    """
    try:
        yield
    except (OSError, HttpError, GoogleAuthError, ValueError, TimeoutError) as error:
        if isinstance(error, ValueError) and not str(error).startswith("Bad Request"):
            raise
        raise _told(error, doing, missing) from error


def _told(error: Exception, doing: str, missing: str | None) -> StorageError:
    code = error.code if isinstance(error, HttpError) else None
    # Order matters: much of what a network says is an OSError too.
    if isinstance(error, _UNREACHABLE) or code in _BUSY:
        return StorageError(f"the bucket could not be reached while {doing}", "Try again later.")
    if isinstance(error, GoogleAuthError) or code in _DENIED or str(error).startswith("Forbidden"):
        return StorageError(
            f"the bucket refused access while {doing}",
            "Give the service's account the role Storage Object Admin on it.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return disk_error(error, doing)
    if isinstance(error, FileNotFoundError):
        if missing is not None:
            return NotStored(f"nothing is stored as {missing}")
        return StorageError(f"there is no such bucket ({doing})", "Make it, or name another one.")
    return StorageError(f"the bucket refused {doing}" + (f" ({code})" if code else ""))


def upload_link(fs: GCSFileSystem, path: str, size: int, lifetime: timedelta) -> str | None:
    """Where `size` bytes may be PUT as `path` ("bucket/name"); None without means to sign."""
    return _sign(fs, path, lifetime, method="PUT", headers=upload_headers(size))


def download_link(fs: GCSFileSystem, path: str, filename: str, lifetime: timedelta) -> str | None:
    """Where `path` may be fetched, to be saved as `filename`; None without means to sign."""
    # RFC 6266; quoting leaves nothing that could end the header or lead into a folder.
    disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    return _sign(fs, path, lifetime, method="GET", response_disposition=disposition)


def _sign(fs: GCSFileSystem, path: str, lifetime: timedelta, **wanted: Any) -> str | None:
    if not timedelta(seconds=1) <= lifetime <= MAX_LINK_LIFETIME:
        raise ValueError(f"a link can't hold for {lifetime}, only for 1 second to 7 days")
    credentials = fs.credentials.credentials
    if isinstance(credentials, compute_engine.Credentials):
        # Only after a refresh is the account's address known, instead of "default".
        fs.credentials.maybe_refresh()
        wanted["service_account_email"] = credentials.service_account_email
        wanted["access_token"] = credentials.token
    elif not isinstance(credentials, Signing):
        return None
    try:
        signed = fs.sign(path, expiration=int(lifetime.total_seconds()), version="v4", **wanted)
    except TransportError as error:
        raise StorageError(
            "a link could not be signed by the IAM API",
            "Give the service's account the role Service Account Token Creator on itself.",
        ) from error
    return str(signed)


logger = logging.getLogger(__name__)


class CloudStorage:
    """`Storage` in a bucket, under `prefix`.

    Deleting takes old generations along. What a bucket's *soft delete* keeps is out of its
    reach: turn that off for the bucket.

    Args:
        prefix: "" or a key, before all others.
        credentials: whose access it is; None is nobody's, which only an emulator lets in.
        endpoint: URL of an emulator; None is Google's.
    """

    fetch_is_cheap: ClassVar[bool] = False

    def __init__(
        self, bucket: str, prefix: str, credentials: Credentials | None, endpoint: str | None = None
    ) -> None:
        self._root = f"{bucket}/{check_key(prefix)}/" if prefix else f"{bucket}/"
        self._fs = GCSFileSystem(
            token=credentials or "anon",
            endpoint_url=endpoint,
            version_aware=True,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def put(self, source: Path, key: str, *, keep: bool = False) -> None:
        path = self._path(key)
        with translating_bucket_errors(f"storing {key}"):
            check_source(source, key)
            with source.open("rb") as file:
                self._upload(file, path, key)
            if not keep:
                source.unlink()

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        info = self._info(key)
        size: int = info["size"]
        check_spans(spans, size, key)
        part = part_of(target)
        checksum = 0
        with translating_bucket_errors(f"fetching {key}"):
            try:
                with open(part, "xb", opener=private) as file:
                    file.truncate(size)
                    for start, end in spans or [(0, size)]:
                        file.seek(start)
                        for chunk in self._chunks(info, key, start, end):
                            checksum = google_crc32c.extend(checksum, chunk)
                            file.write(chunk)
                # The bucket has a checksum of the whole; spans rest on TLS and their lengths.
                if not spans and _written(checksum) != info["crc32c"]:
                    raise _damaged(key)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    def size(self, key: str) -> int:
        return int(self._info(key)["size"])

    def version(self, key: str) -> str:
        return str(self._info(key)["generation"])

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        check_span(start, end)
        info = self._info(key)
        size: int = info["size"]
        return self._chunks(info, key, start, size if end is None else min(end, size))

    def keys(self, prefix: str) -> Iterator[str]:
        if prefix:
            check_prefix(prefix)
        with translating_bucket_errors("listing what is stored"):
            found: list[str] = self._fs.find(self._root + prefix)
        return iter(sorted(name.removeprefix(self._root) for name in found))

    def delete(self, prefix: str) -> None:
        check_prefix(prefix)
        with translating_bucket_errors(f"deleting {prefix}"):
            for name in self._fs.find(self._root + prefix, versions=True):
                try:
                    self._fs.rm_file(name)
                except FileNotFoundError:
                    continue  # somebody else was faster

    def used(self) -> int:
        with translating_bucket_errors("measuring the storage"):
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        return sum(int(info["size"]) for info in found.values())

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        path = self._path(key)
        with translating_bucket_errors("signing a link"):
            return upload_link(self._fs, path, size, lifetime)

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str | None:
        path = self._path(key)
        with translating_bucket_errors("signing a link"):
            return download_link(self._fs, path, filename, lifetime)

    def close(self) -> None:
        if (session := self._fs.session) is not None:
            asyn.sync(self._fs.loop, session.close)

    def _path(self, key: str) -> str:
        return self._root + check_key(key)

    def _info(self, key: str) -> dict[str, Any]:
        """The object's resource, `size` being an int."""
        path = self._path(key)
        with translating_bucket_errors(f"looking for {key}", missing=key):
            info: dict[str, Any] = self._fs.info(path)
        if info["type"] != "file":
            raise NotStored(f"nothing is stored as {key}")
        return info

    def _chunks(self, info: dict[str, Any], key: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` to `end` of the generation that `info` tells of."""
        for offset in range(start, end, REQUEST_BYTES):
            with translating_bucket_errors(f"reading {key}", missing=key):
                data: bytes = self._fs.cat_file(
                    info["name"],
                    start=offset,
                    end=min(offset + REQUEST_BYTES, end),
                    generation=info["generation"],
                )
            if len(data) != min(REQUEST_BYTES, end - offset):
                raise _damaged(key)
            yield from (data[i : i + CHUNK_BYTES] for i in range(0, len(data), CHUNK_BYTES))

    def _upload(self, file: BinaryIO, path: str, key: str) -> None:
        """Send `file`; nothing can be seen of it before the last byte has arrived."""
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            self._fs.pipe_file(path, b"")
            return
        bucket, name = path.split("/", 1)
        session: str = asyn.sync(self._fs.loop, initiate_upload, self._fs, bucket, name)
        checksum = 0
        stored: dict[str, Any] | None = None
        try:
            for offset in range(0, size, REQUEST_BYTES):
                data = file.read(REQUEST_BYTES)
                checksum = google_crc32c.extend(checksum, data)
                stored = asyn.sync(
                    self._fs.loop, upload_chunk, self._fs, session, data, offset, size, TYPE
                )
        except Exception:
            self._abandon(session)
            raise
        if stored is None or stored["crc32c"] != _written(checksum):
            self._fs.rm_file(path)
            raise _damaged(key)

    def _abandon(self, session: str) -> None:
        try:
            self._fs.call("DELETE", session)
        except Exception as error:
            # The upload failed for a reason that counts more; the bucket forgets it by itself.
            logger.warning("an unfinished upload stays for a week (%s)", type(error).__name__)


def _damaged(key: str) -> StorageError:
    return StorageError(f"{key} arrived damaged", "Try again.")


def _written(crc32c: int) -> str:
    """A checksum as the bucket writes it."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")
