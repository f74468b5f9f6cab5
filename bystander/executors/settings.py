"""How the processes are set up that do tasks, and what a task takes of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from bystander.config import Settings, config_path, read_config
from bystander.sandbox.launch import ConfinementMode

GIB: Final = 2**30


class WorkerSettings(Settings):
    """How one process is set up."""

    attempts: int = Field(
        3, ge=1, le=20, description="processes that may die over a task before it fails"
    )
    confinement: ConfinementMode = Field(
        "auto",
        description="to the video, the task's results and the networks by the kernel (Landlock): "
        "required refuses to work where that can't be had, off doesn't confine",
    )
    memory_bytes: int | None = Field(
        8 * GIB, ge=GIB, description="address space of a process, beyond which it fails"
    )
    read: tuple[Path, ...] = Field((), description="further files and folders that it may read")


class ClusterSettings(Settings):
    """What a cluster gives to each task, and how many it is handed at once."""

    worker: WorkerSettings = WorkerSettings()
    cpus_per_task: float = Field(1.0, gt=0, le=1024, description="cores that a task computes on")
    gpus_per_task: float = Field(
        0.0,
        ge=0,
        le=16,
        description="of a task that runs networks; 0.25 lets four share one. A fraction isn't "
        "enforced: their memory has to fit",
    )
    tasks_per_slot: float = Field(
        2.0,
        ge=1,
        le=100,
        description="tasks handed over for each that the cluster can do at once, so that none of "
        "its cores waits for the next",
    )
    least_tasks: int = Field(
        8,
        ge=1,
        le=10_000,
        description="tasks handed over to a cluster however small: those that wait make an "
        "autoscaled one grow",
    )


def load_cluster_settings(path: Path | None = None) -> ClusterSettings:
    """Those of `configs/cluster.yaml`, or of another file of the same form.

    Raises:
        ConfigError: it can't be read.
    """
    return read_config(path or config_path("cluster.yaml"), ClusterSettings)
