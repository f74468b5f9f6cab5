"""What the service answers, and what is sent to it in parts; for `bystander.client`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import requests

from bystander.errors import ResultStale, ServiceError, TruncatedVideo

CHUNK_BYTES: Final = 2**20
STALE: Final = ("urn:bystander:result-stale", "urn:bystander:result-pending")

TransferProgress = Callable[[int, int], None]
"""Called with the bytes sent or received so far, and all of them."""


class UploadPart:
    """A stretch of a file as a request's body, that tells how much of it has gone."""

    def __init__(
        self, file: IO[bytes], start: int, end: int, size: int, progress: TransferProgress | None
    ) -> None:
        self._file, self._start, self._end = file, start, end
        self._size, self._progress = size, progress

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[bytes]:
        at = self._start
        self._file.seek(at)
        while at < self._end:
            chunk = self._file.read(min(CHUNK_BYTES, self._end - at))
            if not chunk:
                raise TruncatedVideo(
                    f"{self._file.name} became shorter while it was sent", "Send it again."
                )
            at += len(chunk)
            yield chunk
            if self._progress:
                self._progress(at, self._size)


def events_of(
    answer: requests.Response, chunk_bytes: int | None = 1
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events, as they come; raises what `requests` does where the connection breaks.

    Args:
        chunk_bytes: that are read at once, or as many as have come: for what comes in chunks.
    """
    name, data = "message", ""
    with answer:
        answer.encoding = "utf-8"
        for line in answer.iter_lines(chunk_bytes, decode_unicode=True):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line and data:
                yield name, json.loads(data)
                name, data = "message", ""


def broken(error: Exception | None = None) -> ServiceError:
    """The error that a connection broke."""
    kind = f" ({type(error).__name__})" if error else ""
    return ServiceError(f"the connection to the service broke{kind}", "Try again.")


def offset_of(answer: requests.Response) -> int:
    """How much of an upload has arrived: bytes."""
    try:
        return int(answer.headers["Upload-Offset"])
    except (KeyError, ValueError) as error:
        raise strange(answer) from error


def json_of(answer: requests.Response) -> Any:
    """Raises ServiceError: it is none."""
    try:
        return answer.json()
    except ValueError as error:
        raise strange(answer) from error


def strange(answer: requests.Response) -> ServiceError:
    """The error that something else answers at the address."""
    return ServiceError(
        "what answered is not the service", "See whether the address is right.", answer.status_code
    )


def refused(answer: requests.Response) -> ServiceError:
    """The error that an answer from 400 on is."""
    try:
        problem = answer.json()
        what, advice = str(problem["detail"]), str(problem.get("advice", ""))
        stale = problem.get("type") in STALE
    except (ValueError, KeyError, TypeError):
        what, advice, stale = f"the service answered {answer.status_code}", "", False
    error = ResultStale if stale else ServiceError
    return error(what.rstrip("."), advice, answer.status_code)
