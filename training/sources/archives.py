"""Zip archives of data sets: downloads that go on where they stopped, and careful unpacking."""

from __future__ import annotations

import http.client
import re
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from email.message import Message
from pathlib import Path, PurePosixPath

from training.errors import CorruptArchive, DataError, DownloadInterrupted

_TIMEOUT = 60  # seconds without a byte
_CHUNK = 1 << 20
_MEGABYTE = 1e6
_NOT_THAT_RANGE = 416
_PARTIAL = 206


def download(url: str, target: Path, what: str) -> None:
    """Fetch `url` to `target`; bytes that are there already aren't fetched again.

    Args:
        url: may hold a secret, so no message repeats it.
        target: of this download alone; on return it is as long as the server says.
        what: names the download in messages.

    Raises:
        DownloadInterrupted: it stopped before the end; what arrived stays in `target`.
        DataError: the server refuses.
    """
    arrived = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={arrived}-"})
    total: int | None = None
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            goes_on = response.status == _PARTIAL and _start(response.headers) == arrived
            if not goes_on:  # a server without ranges sends everything again
                arrived = 0
            if length := response.headers.get("Content-Length"):
                total = arrived + int(length)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab" if goes_on else "wb") as stream:
                shutil.copyfileobj(response, stream, _CHUNK)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _NOT_THAT_RANGE and arrived and _total(error.headers) == arrived:
            return
        if error.code == _NOT_THAT_RANGE:
            target.unlink()  # it isn't the beginning of what the server has now
        # `from None`, here and below: the cause knows the URL.
        raise DataError(
            f"the server refuses the download of {what}: HTTP {error.code}",
            "Run the command again; the link to the archive may have expired.",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _interrupted(target, what, total, type(error).__name__) from None
    if total is not None and target.stat().st_size < total:
        raise _interrupted(target, what, total, "the connection was closed")


def unpack(archive: Path, folder: Path, limit: int) -> None:
    """Unpack `archive` into `folder`.

    Args:
        limit: bytes that its files may have together.

    Raises:
        CorruptArchive: it is damaged, would write outside of `folder`, or is too large.
        DataError: the disk failed.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            _check(members, archive, limit)
            members.extractall(folder)
    # RuntimeError: encrypted, or of a method that is not known (its subclass).
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise CorruptArchive(
            f"{archive} is not an intact zip: {error}", "Run the command again to fetch it anew."
        ) from error
    except OSError as error:
        raise DataError(
            f"can't unpack {archive} into {folder}: {error.strerror}",
            "Check the free space, then run the command again.",
        ) from error


def _check(members: zipfile.ZipFile, archive: Path, limit: int) -> None:
    for name in members.namelist():
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise CorruptArchive(
                f"{archive} would write outside of its folder, to {name}",
                "Don't use this archive.",
            )
    # zipfile never unpacks more of a file than the size stated here.
    size = sum(member.file_size for member in members.infolist())
    if size > limit:
        raise CorruptArchive(
            f"{archive} unpacks to {size / _MEGABYTE:.0f} MB, "
            f"more than the allowed {limit / _MEGABYTE:.0f} MB",
            "If that is right, allow more in the recipe.",
        )


def _start(headers: Message) -> int | None:
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None


def _total(headers: Message) -> int | None:
    match = re.match(r"bytes \*/(\d+)", headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None


def _interrupted(target: Path, what: str, total: int | None, why: str) -> DownloadInterrupted:
    arrived = target.stat().st_size if target.exists() else 0
    of = f" of {total / _MEGABYTE:.1f}" if total else ""
    return DownloadInterrupted(
        f"the download of {what} stopped at {arrived / _MEGABYTE:.1f}{of} MB ({why})",
        f"What arrived is kept in {target}; run the command again to go on from there.",
    )
