"""What somebody asks for -> who does the parts of a video, and where those lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bystander.errors import ConfigError
from bystander.executors.processes import Processes
from bystander.executors.settings import load_cluster_settings
from bystander.files import made_folder
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.pipeline.tasks import Executor, Parallel
from bystander.pipeline.workspaces import working_in, workspace_beside


def executor_of(processes: int | None, cluster: str | None) -> Executor | None:
    """Who does the parts of a video; None: this process, in one go.

    Args:
        processes: how many of this machine.
        cluster: Ray's address, see `RayExecutor`.

    Raises:
        ConfigError: both, or Ray isn't installed.
    """
    if processes is not None and cluster is not None:
        raise ConfigError("processes and a cluster can't both do the work", "Choose one of them.")
    if processes is not None:
        return Processes(processes)
    if cluster is None:
        return None
    try:
        from bystander.executors.ray_executor import RayExecutor
    except ImportError as error:
        raise ConfigError(
            f"a cluster needs Ray ({error})", 'Install it: pip install "bystander[cluster]".'
        ) from error
    return RayExecutor(cluster, load_cluster_settings())


@contextmanager
def parallel_of(
    executor: Executor | None, place: str | None, video: Path, output: Path
) -> Iterator[Parallel | None]:
    """How a video is done by `executor`; its parts go with the block, since faces are in them.

    Args:
        place: see `workspace_of`; there parts stay where machines fail, and the next try finds
            them. By default a hidden folder beside `output`, which goes in any case.

    Raises:
        ConfigError: a place without somebody to use it.
        OutputUnwritable, StorageError: nothing can be put there.
    """
    if executor is None:
        if place is not None:
            raise ConfigError(
                f"{place} would not be used", "Say who works there: --processes or --cluster."
            )
        yield None
    elif place is None:
        with workspace_beside(output, video) as workspace:
            yield Parallel(executor, workspace)
    else:
        probe(video)  # told as what it is, not as what can't be stored
        if "://" not in place:
            made_folder(Path(place))
        with working_in(place, video, fingerprint(video)) as workspace:
            yield Parallel(executor, workspace)
