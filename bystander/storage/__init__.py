"""Where videos, timelines and results lie: a folder, or a bucket of Google Cloud Storage."""

from __future__ import annotations

from bystander.storage.base import Storage, upload_headers
from bystander.storage.factory import open_storage, storage_at
from bystander.storage.local import LocalStorage

__all__ = ["LocalStorage", "Storage", "open_storage", "storage_at", "upload_headers"]
