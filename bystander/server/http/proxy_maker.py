"""A video that browsers don't play -> a copy that they do, in storage beside it.

It is made when somebody asks for it, by a confined child, one at a time, and kept until the video
is replaced or deleted. While nobody asks any more how far it is, it isn't made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bystander.errors import BystanderError, Cancelled, NotStored, VideoError
from bystander.sandbox import make_proxy, proxy_bytes
from bystander.server.http.stopping import server_stops
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Project
from bystander.server.retention import Janitor
from bystander.server.settings import ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage.base import Storage

MAX_CONCURRENT_PROXIES: Final = 1
"""Being made at the same time; jobs need the processors more."""
WANTED_SECONDS: Final = 60.0
"""After which nobody is taken to wait any more who doesn't ask again."""
LOOK_SECONDS: Final = 1.0
"""After which is looked whether the project is still there."""
MAX_REMEMBERED: Final = 1000
"""Videos of which no copy can be made."""

log = logging.getLogger(__name__)


def proxy_key(project: Project) -> str:
    """Where storage has the copy of this very video."""
    return f"{_folder(project)}video.mp4"


def _folder(project: Project) -> str:
    return f"{project.id}/proxy/{project.video.upload or 'video'}/"


class _Making:
    """A copy that is made, or couldn't be.

    Attributes:
        share: that is done.
        asked: when somebody last wanted to know, on the clock.
        error: why there is none.
    """

    def __init__(self, asked: float) -> None:
        self.share = 0.0
        self.asked = asked
        self.error: BystanderError | None = None


class ProxyMaker:
    """Makes copies, in threads.

    Args:
        clock: seconds, of a clock that nobody sets.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        store: ServiceStore,
        storage: Storage,
        janitor: Janitor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._storage = settings, store, storage
        self._janitor, self._clock = janitor, clock
        self._makings: dict[str, _Making] = {}
        self._lock = threading.Lock()
        self._turn = threading.BoundedSemaphore(MAX_CONCURRENT_PROXIES)

    def share(self, project: Project) -> float | None:
        """How much of a project's copy is made, 0 to 1; None: all of it. Begins it if need be.

        Raises:
            VideoError: none can be made.
            OutputUnwritable, StorageError: it can't be kept.
        """
        key = proxy_key(project)
        with self._lock:
            making = self._makings.get(key)
            if making is not None and isinstance(making.error, VideoError):
                raise making.error
            if making is not None and making.error is not None:
                del self._makings[key]  # the next time it may have passed
                raise making.error
            if making is not None:
                making.asked = self._clock()
                return making.share
        if self._is_stored(key):
            return None
        begun = _Making(self._clock())
        with self._lock:
            if self._makings.setdefault(key, begun) is begun:
                for forgotten in list(self._makings)[:-MAX_REMEMBERED]:
                    del self._makings[forgotten]
                work = threading.Thread(
                    target=self._run, args=(project, key, begun), name="proxy", daemon=True
                )
                work.start()
        return 0.0

    def _is_stored(self, key: str) -> bool:
        try:
            self._storage.size(key)
        except NotStored:
            return False
        return True

    def _run(self, project: Project, key: str, making: _Making) -> None:
        error: BystanderError | None = None
        try:
            with self._turn, self._store.hold(f"proxy/{project.id}") as mine:
                if mine and not self._is_stored(key):
                    self._make(project, key, making)
        except Cancelled as reason:
            log.debug("a copy isn't made: %s", reason.what)
        except BystanderError as reason:
            error = reason
        except Exception:
            log.exception("a copy can't be made")
            error = BystanderError("Something is wrong in the service", "Tell its operator.")
        with self._lock:
            if error is None:
                self._makings.pop(key, None)
            else:
                making.error = error

    def _make(self, project: Project, key: str, making: _Making) -> None:
        seconds = project.video.ready_facts.duration
        scratch = self._settings.data / "work"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        look_at = self._clock() + LOOK_SECONDS

        def unwanted() -> bool:
            nonlocal look_at
            now = self._clock()
            if now > making.asked + WANTED_SECONDS or server_stops():
                return True
            if now < look_at:
                return False
            look_at = now + LOOK_SECONDS
            return not self._is_there(project)

        if unwanted():
            raise Cancelled("nobody waits for it any more")
        self._janitor.room_for(proxy_bytes(seconds))
        with TemporaryDirectory(dir=scratch, prefix="proxy-") as name:
            video, made = Path(name) / VIDEO_FILE, Path(name) / "made.mp4"
            try:
                self._storage.fetch(f"{project.id}/{VIDEO_FILE}", video)
            except NotStored:
                raise Cancelled("the video is gone") from None

            def hear(share: float) -> None:
                making.share = share

            make_proxy(video, self._settings.limits, seconds, made, hear, unwanted)
            self._storage.put(made, key)
        if not self._is_there(project):
            self._storage.delete(_folder(project))

    def _is_there(self, project: Project) -> bool:
        """Whether the project still has this video."""
        found = self._store.projects.find(project.id)
        return found is not None and found.video.upload == project.video.upload
