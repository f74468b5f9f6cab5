"""Where videos, timelines and results lie: a folder, or a bucket of Google Cloud Storage."""

from __future__ import annotations

from bystander.jobs.storage.interface import Storage, upload_headers
from bystander.jobs.storage.local import LocalStorage
from bystander.jobs.storage.opening import open_storage

__all__ = ["LocalStorage", "Storage", "open_storage", "upload_headers"]
