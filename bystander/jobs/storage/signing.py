"""Links that let a client send to, or fetch from, a bucket for a while, and nothing else.

Signature V4, https://cloud.google.com/storage/docs/access-control/signed-urls: with the key of
a service account where there is one, else, on Google's machines, by the IAM API (the account
needs "Service Account Token Creator" on itself).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from gcsfs.core import GCSFileSystem
from google.auth import compute_engine
from google.auth.credentials import Signing
from google.auth.exceptions import TransportError

from bystander.errors import StorageError
from bystander.jobs.storage.interface import upload_headers

LONGEST: Final = timedelta(days=7)
"""That a signature may hold."""


def upload_link(fs: GCSFileSystem, path: str, size: int, lifetime: timedelta) -> str | None:
    """Where `size` bytes may be PUT as `path` ("bucket/name"); None without means to sign."""
    return _sign(fs, path, lifetime, method="PUT", headers=upload_headers(size))


def download_link(fs: GCSFileSystem, path: str, filename: str, lifetime: timedelta) -> str | None:
    """Where `path` may be fetched, to be saved as `filename`; None without means to sign."""
    # RFC 6266; quoting leaves nothing that could end the header or lead into a folder.
    disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    return _sign(fs, path, lifetime, method="GET", response_disposition=disposition)


def _sign(fs: GCSFileSystem, path: str, lifetime: timedelta, **wanted: Any) -> str | None:
    if not timedelta(seconds=1) <= lifetime <= LONGEST:
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
