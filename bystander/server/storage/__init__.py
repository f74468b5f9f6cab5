"""Where videos, timelines and results lie: a folder, or a bucket of Google Cloud Storage."""

from __future__ import annotations

from bystander.server.storage.base import Storage, upload_headers
from bystander.server.storage.factory import open_storage
from bystander.server.storage.local import LocalStorage

__all__ = ["LocalStorage", "Storage", "open_storage", "upload_headers"]
