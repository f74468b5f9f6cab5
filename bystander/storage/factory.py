"""From a setting to a storage."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bystander.errors import ConfigError, StorageError
from bystander.storage.base import Storage
from bystander.storage.copies import CopyingStorage
from bystander.storage.local import LocalStorage

EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
"""As all of Google's libraries name it: host:port, or a URL."""

# Signing by the IAM API needs more than the scopes of storage; roles limit what it may do.
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_BUCKET_URL: Final = re.compile(
    r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,61}[a-z0-9])/?(?P<prefix>.*)"
)


def open_storage(url: str, data: Path, environ: Mapping[str, str] = os.environ) -> Storage:
    """Open what the setting `storage` names.

    Args:
        url: "local", or "gs://bucket/prefix"; credentials come by the environment, as
            https://cloud.google.com/docs/authentication/application-default-credentials says.
        data: the service's folder; local objects lie in its "objects", copies of a bucket's
            videos in its "copies".

    Raises:
        ConfigError: `url` is neither, or gcsfs isn't installed.
        StorageError: there are no credentials, or the folder can't be made.
    """
    if url == "local":
        return LocalStorage(data / "objects")
    if found := _BUCKET_URL.fullmatch(url):
        return CopyingStorage(_open_bucket(found, environ), data / "copies")
    raise ConfigError(f"the storage {url!r} is neither local nor gs://bucket/prefix")


def storage_at(address: str, environ: Mapping[str, str] = os.environ) -> Storage:
    """Open what an address names that holds on every machine.

    Args:
        address: "gs://bucket/prefix", as in `open_storage`, or "file:///folder", which all share.

    Raises:
        ConfigError, StorageError: as in `open_storage`.
    """
    if address.startswith("file:///"):
        return LocalStorage(Path(address.removeprefix("file://")))
    if found := _BUCKET_URL.fullmatch(address):
        return _open_bucket(found, environ)  # a workspace has copies of its own
    raise ConfigError(f"{address!r} is neither gs://bucket/prefix nor file:///folder")


def _open_bucket(named: re.Match[str], environ: Mapping[str, str]) -> Storage:
    bucket, prefix = named["bucket"], named["prefix"].rstrip("/")
    try:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError

        from bystander.storage.cloud import CloudStorage
    except ImportError as error:
        raise ConfigError(
            f"a storage in Google Cloud needs {error.name}", "Install bystander[serve]."
        ) from error
    if emulator := environ.get(EMULATOR_VARIABLE):
        endpoint = emulator if "://" in emulator else f"http://{emulator}"
        return CloudStorage(bucket, prefix, None, endpoint.rstrip("/"))
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except DefaultCredentialsError as error:
        raise StorageError(
            f"there are no credentials for the bucket {bucket}",
            "Let GOOGLE_APPLICATION_CREDENTIALS name a service account's key, "
            "or run on a machine with one attached.",
        ) from error
    return CloudStorage(bucket, prefix, credentials)
