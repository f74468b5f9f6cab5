"""A Ray cluster of processes of this machine, whose nodes come and go as a test wants it."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from tests.conftest import REPOSITORY
from tests.support.waiting import until

QUICK = {
    # A machine that is gone is missed within a second.
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 200,
    "health_check_timeout_ms": 5_000,
    "health_check_failure_threshold": 3,
}
CLIENT_SERVER_SECONDS = 120


class Nodes:
    """The machines of a cluster but its head, each with one core.

    Attributes:
        address: of the cluster, for a process of this machine.
        client_address: for one of any other.
    """

    def __init__(self, cluster: Any, client_port: int) -> None:
        self._cluster = cluster
        self.address: str = cluster.address
        self.client_address = f"ray://127.0.0.1:{client_port}"

    @property
    def count(self) -> int:
        return len(self._cluster.worker_nodes)

    def add(self, count: int = 1, num_gpus: int = 0) -> list[Any]:
        """So many more, which it gives."""
        added = [self._cluster.add_node(num_cpus=1, num_gpus=num_gpus) for _ in range(count)]
        self._cluster.wait_for_nodes()
        return added

    def kill(self, node: Any) -> None:
        """As if its plug were pulled: what runs on it ends, too."""
        running = psutil.Process(raylet_of(node)).children(recursive=True)
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(node, allow_graceful=False)

    def of(self, pid: int) -> Any:
        """The one that started the process."""
        above = {parent.pid for parent in psutil.Process(pid).parents()}
        return next(node for node in self._cluster.worker_nodes if raylet_of(node) in above)

    def at_work(self) -> list[int]:
        """Confined processes that do tasks."""
        return [
            process.pid
            for node in self._cluster.worker_nodes
            for process in psutil.Process(raylet_of(node)).children(recursive=True)
            if "bystander.executors.child" in _command_of(process)
        ]

    def be(self, count: int) -> None:
        """See to it that there are so many."""
        there = list(self._cluster.worker_nodes)
        for node in there[count:]:
            self.kill(node)
        self.add(max(0, count - len(there)))


def raylet_of(node: Any) -> int:
    """The id of its first process, which starts the others."""
    pid: int = node.all_processes["raylet"][0].process.pid
    return pid


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


@contextmanager
def ray_cluster() -> Iterator[Nodes]:
    """A cluster with a head that does no tasks, and no node yet."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: sockets lie in it
    Path(folder, "ray").mkdir()  # where Ray writes down which cluster is this machine's
    environ = {
        "PYTHONPATH": str(REPOSITORY),
        "TMPDIR": folder,  # where a killed node's processes leave their folders
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # As in service.Dockerfile: else the server that a client gets may die as it is forked.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        # It starts late on a busy machine; one that has died is waited for as long.
        "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": str(CLIENT_SERVER_SECONDS),
    }
    port = _free_port()
    with patch.dict(os.environ, environ), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its logs open
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "temp_dir": folder,
                "ray_client_server_port": port,
                "_system_config": QUICK,
            },
        )
        try:
            gc.collect()
            until(lambda: _answers(port))
            yield Nodes(cluster, port)
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]
            gc.collect()
            shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
