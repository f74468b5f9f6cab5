"""What went wrong with a bucket, told so that a client may read it: no path, no host.

gcsfs raises whatever lies underneath: aiohttp for its requests, requests for credentials,
plain OSErrors without a number for what the bucket answered (`gcsfs.retry.validate_response`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
import requests
from gcsfs.retry import HttpError
from google.auth.exceptions import GoogleAuthError, TransportError

from bystander.errors import NotStored, StorageError
from bystander.jobs.storage.troubles import disk_trouble

_UNREACHABLE: Final = (
    aiohttp.ClientError,
    requests.RequestException,
    TransportError,
    TimeoutError,
)
_DENIED: Final = frozenset({401, 403})
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})


@contextmanager
def telling_bucket(doing: str, missing: str | None = None) -> Iterator[None]:
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
        return disk_trouble(error, doing)
    if isinstance(error, FileNotFoundError):
        if missing is not None:
            return NotStored(f"nothing is stored as {missing}")
        return StorageError(f"there is no such bucket ({doing})", "Make it, or name another one.")
    return StorageError(f"the bucket refused {doing}" + (f" ({code})" if code else ""))
