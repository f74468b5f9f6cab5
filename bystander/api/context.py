"""What the routes work with, handed in when the application is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

from anyio import CapacityLimiter

from bystander.api.changes import Watch
from bystander.api.limits import RateLimiter, UploadSlots
from bystander.api.timelines import Timelines
from bystander.jobs.janitor import Janitor
from bystander.jobs.pace import Pace
from bystander.jobs.runner import Runner
from bystander.jobs.settings import ServiceSettings
from bystander.jobs.storage.interface import Storage
from bystander.jobs.store import JobStore
from bystander.models import Models

ESTIMATES_AT_ONCE: Final = 16
"""Requests that may wait for a sample; further ones wait for these."""
CLIPS_AT_ONCE: Final = 2
PREVIEWS_AT_ONCE: Final = 1
"""Being made at the same time; jobs need the processors more."""


@dataclass(frozen=True)
class Context:
    """Everything that outlives a request.

    Attributes:
        models: gives the networks; the first call may wait for the model services.
        pace: how long jobs will take.
        clock: seconds since the epoch.
        adding: held between looking whether a project or job may be added, and adding it.
        uploads: how many uploads of one party are under way.
        rates: how many requests of one party are let in.
    """

    settings: ServiceSettings
    store: JobStore
    storage: Storage
    runner: Runner
    janitor: Janitor
    models: Callable[[], Models]
    pace: Pace
    uploads: UploadSlots
    rates: RateLimiter
    clock: Callable[[], float] = time.time
    adding: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @property
    def data(self) -> Path:
        """The folder of everything that is stored on this machine."""
        return self.settings.data

    @cached_property
    def timelines(self) -> Timelines:
        """Those that were looked at last."""
        return Timelines(self.storage, self.data / "work")

    @cached_property
    def watch(self) -> Watch:
        """Of the jobs that are followed."""
        return Watch(self.store.jobs.get)

    # What takes long waits in queues of its own, so that other requests find a thread.

    @cached_property
    def photo_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(self.settings.limits.examined_at_once)

    @cached_property
    def estimate_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(ESTIMATES_AT_ONCE)

    @cached_property
    def preview_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(PREVIEWS_AT_ONCE)

    @cached_property
    def clip_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(CLIPS_AT_ONCE)
