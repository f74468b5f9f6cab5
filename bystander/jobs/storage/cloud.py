"""Objects in a bucket of Google Cloud Storage, through gcsfs.

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
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

import google_crc32c
from fsspec import asyn
from gcsfs.core import GCSFileSystem, initiate_upload, upload_chunk
from google.auth.credentials import Credentials

from bystander.errors import NotStored, StorageError
from bystander.jobs.storage.bucket_troubles import telling_bucket
from bystander.jobs.storage.interface import CHUNK, check_span
from bystander.jobs.storage.keys import check_key, check_prefix
from bystander.jobs.storage.parts import check_source, part_of, private
from bystander.jobs.storage.signing import download_link, upload_link

logger = logging.getLogger(__name__)

TRANSFER: Final = 8 * CHUNK
"""Bytes of one request: enough that waiting for the answer costs little. The protocol wants a
multiple of 256 KiB."""

TYPE: Final = "application/octet-stream"
"""Of every object: no browser shall take a hostile upload for a page."""


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

    def put(self, source: Path, key: str) -> None:
        path = self._path(key)
        with telling_bucket(f"storing {key}"):
            check_source(source, key)
            with source.open("rb") as file:
                self._upload(file, path, key)
            source.unlink()

    def fetch(self, key: str, target: Path) -> None:
        info = self._info(key)
        part = part_of(target)
        checksum = 0
        with telling_bucket(f"fetching {key}"):
            try:
                with open(part, "xb", opener=private) as file:
                    for chunk in self._chunks(info, key, 0, info["size"]):
                        checksum = google_crc32c.extend(checksum, chunk)
                        file.write(chunk)
                if _written(checksum) != info["crc32c"]:
                    raise StorageError(f"{key} arrived damaged", "Try again.")
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    def size(self, key: str) -> int:
        return int(self._info(key)["size"])

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        check_span(start, end)
        info = self._info(key)
        size: int = info["size"]
        return self._chunks(info, key, start, size if end is None else min(end, size))

    def keys(self, prefix: str) -> Iterator[str]:
        if prefix:
            check_prefix(prefix)
        with telling_bucket("listing what is stored"):
            found: list[str] = self._fs.find(self._root + prefix)
        return iter(sorted(name.removeprefix(self._root) for name in found))

    def delete(self, prefix: str) -> None:
        check_prefix(prefix)
        with telling_bucket(f"deleting {prefix}"):
            for name in self._fs.find(self._root + prefix, versions=True):
                try:
                    self._fs.rm_file(name)
                except FileNotFoundError:
                    continue  # somebody else was faster

    def used(self) -> int:
        with telling_bucket("measuring the storage"):
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        return sum(int(info["size"]) for info in found.values())

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        path = self._path(key)
        with telling_bucket("signing a link"):
            return upload_link(self._fs, path, size, lifetime)

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str | None:
        path = self._path(key)
        with telling_bucket("signing a link"):
            return download_link(self._fs, path, filename, lifetime)

    def close(self) -> None:
        if (session := self._fs.session) is not None:
            asyn.sync(self._fs.loop, session.close)

    def _path(self, key: str) -> str:
        return self._root + check_key(key)

    def _info(self, key: str) -> dict[str, Any]:
        """The object's resource, `size` being an int."""
        path = self._path(key)
        with telling_bucket(f"looking for {key}", missing=key):
            info: dict[str, Any] = self._fs.info(path)
        if info["type"] != "file":
            raise NotStored(f"nothing is stored as {key}")
        return info

    def _chunks(self, info: dict[str, Any], key: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` to `end` of the generation that `info` tells of."""
        for offset in range(start, end, TRANSFER):
            with telling_bucket(f"reading {key}", missing=key):
                data: bytes = self._fs.cat_file(
                    info["name"],
                    start=offset,
                    end=min(offset + TRANSFER, end),
                    generation=info["generation"],
                )
            yield from (data[i : i + CHUNK] for i in range(0, len(data), CHUNK))

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
            for offset in range(0, size, TRANSFER):
                data = file.read(TRANSFER)
                checksum = google_crc32c.extend(checksum, data)
                stored = asyn.sync(
                    self._fs.loop, upload_chunk, self._fs, session, data, offset, size, TYPE
                )
        except Exception:
            self._abandon(session)
            raise
        if stored is None or stored["crc32c"] != _written(checksum):
            self._fs.rm_file(path)
            raise StorageError(f"{key} arrived damaged", "Try again.")

    def _abandon(self, session: str) -> None:
        try:
            self._fs.call("DELETE", session)
        except Exception as error:
            # The upload failed for a reason that counts more; the bucket forgets it by itself.
            logger.warning("an unfinished upload stays for a week (%s)", type(error).__name__)


def _written(crc32c: int) -> str:
    """A checksum as the bucket writes it."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")
