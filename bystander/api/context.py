"""What the routes work with, handed in when the application is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bystander.api.limits import RateLimiter, UploadSlots
from bystander.jobs.janitor import Janitor
from bystander.jobs.pace import Pace
from bystander.jobs.runner import Runner
from bystander.jobs.settings import ServiceSettings
from bystander.jobs.storage.interface import Storage
from bystander.jobs.store import JobStore
from bystander.models import Models


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that outlives a request.

    Attributes:
        models: gives the networks; the first call may wait for the model services.
        pace: how long jobs will take.
        clock: seconds since the epoch.
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

    @property
    def data(self) -> Path:
        """The folder of everything that is stored on this machine."""
        return self.settings.data
