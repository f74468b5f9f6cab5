"""A project's video and photos -> a few seconds of it, masked as the whole would be.

The sandbox cuts the seconds out, small; a job's worker does the rest, with the verdicts of the
product: it looks for everyone, recognises those on the photos, and draws over all others. What it
found is kept, so that another effect is only drawn.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bystander.errors import Cancelled, NotStored, VideoError
from bystander.redaction.effects import EffectSettings
from bystander.sandbox import ClipOrder, cut_clip
from bystander.server.jobs.process import FailedMessage, WorkerMessage, WorkerProcess
from bystander.server.jobs.spec import (
    RESULT_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
    CastSpec,
    JobSpec,
    cast_of,
    prepare_cast,
)
from bystander.server.models import JobKind, Photo, Project
from bystander.server.settings import ServiceSettings
from bystander.storage import Storage

CLIP_SECONDS: Final = 3.0
LONG_SIDE_PX: Final = 1280
PATIENCE_SECONDS: Final = 120.0
"""After which a worker is given up."""
LISTEN_SECONDS: Final = 0.1
MAX_KEPT: Final = 40
"""Files of a project: a clip has some 100 kB, what was found in it likewise."""
MAX_FETCH_BYTES: Final = 4 * 2**30
"""Bytes of a video that is fetched from a bucket for this."""
FOLDER: Final = "preview"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreviewClips:
    """Makes previews, and keeps them beside the video until that is replaced or deleted.

    Attributes:
        command: the argument vector of a worker for its folder.
        environment: of workers, all of it.
        room_for: raises `OutputUnwritable` where there is no room for so many bytes.
        pictures: the folder of all projects' photos.
    """

    storage: Storage
    settings: ServiceSettings
    command: Callable[[Path], Sequence[str]]
    environment: Mapping[str, str]
    room_for: Callable[[int], None]
    pictures: Path

    def ensure(
        self,
        project: Project,
        photos: Sequence[Photo],
        at: float,
        effect: EffectSettings,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> str:
        """The key under which storage has the clip, made now if need be.

        Args:
            project: its video is ready.
            photos: of the people to keep.
            at: seconds from the first frame, with which it begins; earlier near the end.
            cancelled: asked now and then whether nobody waits for it any more.

        Raises:
            VideoError: nothing can be decoded there, or it can't be masked in time.
            NotStored: the video was deleted.
            Cancelled: nobody waits for it any more.
            OutputUnwritable, StorageError: it can't be kept.
        """
        latest = project.video.ready_facts.duration - CLIP_SECONDS
        start = round(max(0.0, min(at, latest)), 3)
        looked = self._key(project, photos, start)
        drawn = hashlib.sha256(effect.model_dump_json().encode()).hexdigest()[:16]
        key = f"{looked}{drawn}.mp4"
        if self._has(key):
            return key
        if cancelled():
            raise Cancelled("nobody waits for it any more")
        self._make_room(project)
        scratch = self.settings.data / "work"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=scratch, prefix="preview-") as name:
            folder = Path(name)
            known = self._has(looked + TIMELINE_FILE)
            if known:
                self.storage.fetch(looked + TIMELINE_FILE, folder / TIMELINE_FILE)
                self.storage.fetch(looked + VIDEO_FILE, folder / VIDEO_FILE)
            else:
                self._cut(project, start, folder)
            JobSpec(
                kind=JobKind.RENDER if known else JobKind.MASK,
                profile=self.settings.profile,
                cast=() if known else self._cast(project, photos, folder),
                effect=effect,
                in_flight=self.settings.models.in_flight,
            ).save(folder)
            self._work(folder, cancelled)
            names = [RESULT_FILE] if known else [RESULT_FILE, VIDEO_FILE, TIMELINE_FILE]
            self.room_for(sum((folder / name).stat().st_size for name in names))
            for name in reversed(names[1:]):
                self.storage.put(folder / name, looked + name)
            self.storage.put(folder / RESULT_FILE, key)
        return key

    def _key(self, project: Project, photos: Sequence[Photo], start: float) -> str:
        """The folder in storage of what is found in these seconds with these photos."""
        cast = [person.model_dump(mode="json") for person in cast_of(photos)]
        what = json.dumps([start, CLIP_SECONDS, LONG_SIDE_PX, self.settings.profile, cast])
        return f"{project.id}/{FOLDER}/{hashlib.sha256(what.encode()).hexdigest()[:16]}/"

    def _has(self, key: str) -> bool:
        try:
            self.storage.size(key)
        except NotStored:
            return False
        return True

    def _make_room(self, project: Project) -> None:
        """Delete what was made before, where it is much."""
        every = f"{project.id}/{FOLDER}/"
        if len(list(self.storage.keys(every))) >= MAX_KEPT:
            self.storage.delete(every)

    def _cut(self, project: Project, start: float, folder: Path) -> None:
        key = f"{project.id}/{VIDEO_FILE}"
        if not self.storage.fetch_is_cheap and self.storage.size(key) > MAX_FETCH_BYTES:
            raise VideoError("the video is too large to be fetched for a preview")
        source = folder / "source"
        self.storage.fetch(key, source)
        order = ClipOrder(begin=start, seconds=CLIP_SECONDS, moments=(), longest=LONG_SIDE_PX)
        cut_clip(source, self.settings.limits, order, folder / VIDEO_FILE)
        source.unlink()

    def _cast(
        self, project: Project, photos: Sequence[Photo], folder: Path
    ) -> tuple[CastSpec, ...]:
        try:
            return prepare_cast(folder, photos, self.pictures / project.id)
        except FileNotFoundError as error:
            raise NotStored("a photo was deleted meanwhile", "Ask again.") from error

    def _work(self, folder: Path, cancelled: Callable[[], bool]) -> None:
        """Let a worker do what is ordered in `folder`."""
        until = time.monotonic() + PATIENCE_SECONDS
        memory = self.settings.jobs.memory_bytes
        told: list[WorkerMessage] = []
        with WorkerProcess(self.command(folder), self.environment, memory) as worker:
            while not worker.ended:
                told += worker.listen(LISTEN_SECONDS)
                if cancelled():
                    raise Cancelled("nobody waits for it any more")
                if time.monotonic() > until:
                    raise VideoError(
                        f"the preview wasn't done in {PATIENCE_SECONDS:.0f} s",
                        "Look at a single picture, or try again later.",
                    )
            told += worker.drain()
            if (folder / RESULT_FILE).exists():
                return
            log.warning("no preview (%s): %s", worker.verdict(), worker.tail)
        failed = next((message for message in told if isinstance(message, FailedMessage)), None)
        raise VideoError(
            failed.what if failed else "the preview couldn't be made",
            failed.advice if failed else "Try again later.",
        )
