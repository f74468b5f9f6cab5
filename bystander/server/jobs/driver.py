"""The process of a job that is done in parts: it starts its worker, and has its parts done.

    python -m bystander.server.jobs.driver OPTIONS COMMAND...

The worker, COMMAND, is confined as ever and has no network. Its tasks come sealed over a socket;
this process hands them to the executor that OPTIONS name, and fetches and stores files for them. It
decodes nothing itself. What the worker tells the service goes past it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Final, Literal

from bystander import tracing
from bystander.config import Settings
from bystander.errors import BystanderError
from bystander.executors.messages import WorkerDied
from bystander.executors.processes import Processes
from bystander.executors.relay import SealedExecutor, relay
from bystander.executors.settings import ClusterSettings, load_cluster_settings
from bystander.files import made_folder
from bystander.pipeline.tasks import FolderWorkspace, Workspace
from bystander.pipeline.workspaces import VIDEO, BucketWorkspace, sweep_jobs
from bystander.sandbox.lifeline import end_with_parent
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.settings import ServiceSettings
from bystander.storage import storage_at

PARTS_FOLDER: Final = "parts"
"""In the job's folder: what is made of the video's parts, unless it goes to a bucket."""
DRIVER_ONLY: Final = (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "STORAGE_EMULATOR_HOST",
    "HOME",
)
"""Variables that this process gets of the service's, and the worker doesn't."""


class DriverOptions(Settings):
    """What a job's parts are done by.

    Attributes:
        folder: the job's.
        bucket: where parts go; None for the job's folder.
    """

    folder: Path
    executor: Literal["processes", "ray"]
    processes: int
    cluster: str
    bucket: str | None
    settings: ClusterSettings

    def open_executor(self) -> SealedExecutor:
        """Who does the parts."""
        if self.executor == "processes":
            return Processes(self.processes, self.settings.worker)
        from bystander.executors.ray_executor import RayExecutor

        return RayExecutor(self.cluster, self.settings)

    def open_workspace(self) -> Workspace:
        """Where they go; the video is there.

        Raises:
            StorageError: it can't be copied there.
        """
        video = self.folder / VIDEO_FILE
        if self.bucket is None:
            return FolderWorkspace(video, made_folder(self.folder / PARTS_FOLDER))
        workspace = bucket_workspace(self.bucket, self.folder.name)
        if not workspace.has(VIDEO):
            storage_at(self.bucket).put(video, workspace.source, keep=True)
        return workspace


def bucket_workspace(bucket: str, job: str) -> BucketWorkspace:
    """That of a job."""
    return BucketWorkspace(bucket, f"{job}/{VIDEO}", job)


def bucket_of(settings: ServiceSettings) -> str | None:
    """Where jobs' parts go, if not to their folders: beside all else where storage is a bucket."""
    if settings.jobs.executor != "ray":
        return None
    if settings.jobs.work is not None:
        return settings.jobs.work.rstrip("/")
    return f"{settings.storage.rstrip('/')}/work" if "://" in settings.storage else None


def discard_parts(settings: ServiceSettings, job: str) -> None:
    """Delete what is left of a job's parts in a bucket: faces are in them.

    Raises:
        StorageError: it can't be.
    """
    if (bucket := bucket_of(settings)) is not None:
        bucket_workspace(bucket, job).clear()


def sweep_parts(settings: ServiceSettings, active: Callable[[], Collection[str]]) -> None:
    """Delete what jobs left in the service's bucket that it does no more: after a crash.

    A bucket that is named for the parts alone (`jobs.work`) may have others' as well.

    Args:
        active: the jobs that it does, or any other service of its database.

    Raises:
        StorageError: it can't be.
    """
    if settings.jobs.work is None and (bucket := bucket_of(settings)) is not None:
        with closing(storage_at(bucket)) as storage:
            sweep_jobs(storage, active)


def driver_command(settings: ServiceSettings, folder: Path, worker: Sequence[str]) -> list[str]:
    """The argument vector of a job's process, given that of its worker."""
    jobs = settings.jobs
    if jobs.executor == "in-process":
        return list(worker)
    cluster = load_cluster_settings()
    confined = cluster.worker.model_copy(
        update={"confinement": jobs.confinement, "memory_bytes": jobs.memory_bytes}
    )
    options = DriverOptions(
        folder=folder,
        executor=jobs.executor,
        processes=jobs.processes,
        cluster=jobs.cluster,
        bucket=bucket_of(settings),
        settings=cluster.model_copy(update={"worker": confined}),
    )
    return [sys.executable, "-P", "-m", __name__, options.model_dump_json(), *worker]


def driver_environment(
    settings: ServiceSettings, worker: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of a job's process, given that of its worker."""
    if settings.jobs.executor == "in-process":
        return dict(worker)
    return {**worker, **{name: environ[name] for name in DRIVER_ONLY if name in environ}}


def main(options: DriverOptions, command: Sequence[str]) -> int:
    """Run the worker and do what it asks for; gives its exit code."""
    end_with_parent(os.getppid())
    signal.signal(signal.SIGTERM, _stop)
    if os.environ.get(tracing.TRACEPARENT_VARIABLE):
        tracing.hand_over_spans(_tell)
    mine, its = socket.socketpair()
    environment = {name: value for name, value in os.environ.items() if name not in DRIVER_ONLY}
    worker = subprocess.Popen(
        [*command, str(its.fileno())],
        stdin=subprocess.DEVNULL,
        env=environment,
        pass_fds=[its.fileno()],
    )
    its.close()
    code = 0
    try:
        with Connection(mine.detach()) as connection:
            relay(connection, options.open_workspace(), options.open_executor(), options.folder)
    except WorkerDied as death:
        print(f"the worker was given up: {death}", file=sys.stderr)
    except BystanderError as error:  # of the bucket: another try may find it
        print(error, file=sys.stderr)
        code = error.exit_code
    except _Terminated:
        code = -signal.SIGTERM
    finally:
        worker.terminate()
        code = worker.wait() if code == 0 else code
        worker.wait()
    if code < 0:  # end as it did: the service tells the ways apart
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _tell(span: tracing.SpanRecord) -> None:
    """One more line of what the service hears of the worker."""
    line = json.dumps({"event": "span", "span": span.model_dump()}) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


class _Terminated(BaseException):
    """Told to end: what the executor does ends first."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main(DriverOptions.model_validate_json(sys.argv[1]), sys.argv[2:]))
