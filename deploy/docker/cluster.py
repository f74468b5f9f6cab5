"""A small cluster of the built image, without an engine: Ray's head, its workers, the entry.

Each is a container of `deploy.docker.pod` with an address of its own on the loopback, as uid 10001
on a root that can't be written to; Ray wants a token of everyone, as in deploy/kubernetes. They
share a folder where a cluster of machines has a bucket.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.docker.buildah import REPOSITORY, Buildah
from deploy.docker.pod import Container, Mount

CONFIGS: Final = REPOSITORY / "configs"
IMAGE: Final = "localhost/bystander-service"
HEAD: Final = "127.0.0.2"
WORKERS: Final = ("127.0.0.3", "127.0.0.4")
AGENT_PORT: Final = 52365
CLIENT_PORT: Final = 10001
OBJECT_STORE_BYTES: Final = 128 * 2**20
SHARED_MEMORY_BYTES: Final = 512 * 2**20
TMPFS: Final = ["/tmp:size=2g,mode=1777"]
HEALTHY_SECONDS: Final = 300.0
"""For a node, on a machine that does other things as well."""


_COUNT: Final = """
from ray.util.state import list_tasks
found = list_tasks("http://127.0.0.1:8265", limit=1000)
done = [t for t in found if t.state == "FINISHED" and t.name == "_perform"]
print(len(done), len({t.node_id for t in done}))
"""


class RayCluster:
    """Nodes that are started one after another, and all end with the last of them.

    Args:
        folder: for logs, the shared folder and Ray's token.
        hosts: a file for /etc/hosts.
    """

    def __init__(self, buildah: Buildah, folder: Path, hosts: Path) -> None:
        self._buildah, self._folder, self._hosts = buildah, folder, hosts
        self._config = buildah.config(IMAGE)
        self.data = folder / "shared"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._token = folder / "ray-token"
        self._token.write_text(secrets.token_hex(32))
        for path in (self.data, self._token):
            os.chown(path, *map(int, self._config["User"].split(":")))

    @contextmanager
    def head(self) -> Iterator[Container]:
        """Ray's head, which does no work; healthy."""
        command = _ray_start(HEAD, "--head", "--num-cpus=0", "--port=6379")
        with self._node("head", HEAD, command) as container:
            yield container

    def done(self, head: Container) -> tuple[int, int]:
        """How many tasks Ray has done, and on how many nodes."""
        told = head.run("python", "-c", _COUNT)
        assert told.returncode == 0, told.stderr
        tasks, nodes = told.stdout.split()[-2:]
        return int(tasks), int(nodes)

    @contextmanager
    def worker(self, address: str) -> Iterator[Container]:
        """One of Ray's workers, with one core; healthy."""
        command = _ray_start(address, f"--address={HEAD}:6379", "--num-cpus=1")
        with self._node(f"worker-{address}", address, command) as container:
            yield container

    @contextmanager
    def entry(self, tokens: Path) -> Iterator[Container]:
        """The service, whose jobs Ray does; healthy.

        Args:
            tokens: a file with the token that it lets in.
        """
        settings = yaml.safe_load((CONFIGS / "service.yaml").read_text())
        settings["jobs"] |= {"executor": "ray", "cluster": f"ray://{HEAD}:{CLIENT_PORT}"}
        file = self._folder / "service.yaml"
        file.write_text(yaml.safe_dump(settings))
        mounts = [
            Mount(tokens, "/run/secrets/tokens", read_only=True),
            Mount(file, "/app/configs/service.yaml", read_only=True),
        ]
        environment = {"BYSTANDER_TOKENS_FILE": "/run/secrets/tokens"}
        with self._container("entry", [], mounts, environment) as container:
            container.wait_until_healthy(HEALTHY_SECONDS)
            yield container

    @contextmanager
    def _node(self, name: str, address: str, command: list[str]) -> Iterator[Container]:
        url = f"http://{address}:{AGENT_PORT}/api/healthz"
        asking = f"import urllib.request as u; u.urlopen('{url}', timeout=8)"
        with self._container(name, command, [], {}) as container:
            container.wait_until_healthy(HEALTHY_SECONDS, ["CMD", "python", "-c", asking])
            yield container

    @contextmanager
    def _container(
        self, name: str, command: list[str], mounts: list[Mount], environment: dict[str, str]
    ) -> Iterator[Container]:
        common: dict[str, Any] = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": "/run/secrets/ray",
        }
        mounts = [
            Mount(self._hosts, "/etc/hosts", read_only=True),
            Mount(self.data, "/data"),
            Mount(self._token, "/run/secrets/ray", read_only=True),
            *mounts,
        ]
        with self._buildah.mounted(IMAGE) as root:
            container = Container(
                root, self._config, {**common, **environment}, mounts, TMPFS,
                self._folder / f"{name}.log", command=command,
                shared_memory=SHARED_MEMORY_BYTES,
            )  # fmt: skip
            try:
                yield container
            finally:
                if container.running:
                    container.stop(60)


def _ray_start(address: str, *words: str) -> list[str]:
    """As KubeRay has it, in a login shell."""
    store = f"--object-store-memory={OBJECT_STORE_BYTES}"
    line = " ".join(["ray start", *words, f"--node-ip-address={address}", store, "--block"])
    return ["/bin/bash", "-lc", "--", f"ulimit -n 65536; {line}"]
