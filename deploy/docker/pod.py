"""Starts images as Compose would, without an engine.

All containers share one network that ends at this process: they and the caller reach each other
on loopback under the ports that the images name, and nothing reaches any other machine. What
docker-compose.yml says of each holds: its environment, volumes, secrets, a root that can't be
written to, the user of the image, no capabilities, no new privileges, no core dumps. Limits of
memory and processes don't. Needs root.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CLONE_NEWNET: Final = 0x40000000
SIOCSIFFLAGS: Final = 0x8914
IFF_UP_RUNNING: Final = 0x41
DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
SHARED_MEMORY_BYTES: Final = 64 * 2**20
"""Of Docker, where nobody asks for more."""


def leave_the_network() -> None:
    """From now on this process and its children have a network of their own.

    Raises:
        OSError: not allowed.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: no network of its own")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP_RUNNING))


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine, seen in a container."""

    source: Path
    target: str
    read_only: bool = False

    def place(self, root: Path) -> Path:
        """Where it is mounted, seen from here."""
        return root / self.target.lstrip("/")


class Container:
    """A running image.

    Args:
        root: the image's files; nothing is written there but places to mount at.
        config: of the image, as `Buildah.config` gives it.
        environment: beside the image's own.
        mounts: files and folders, in order.
        tmpfs: as Compose has it, "/tmp:size=1g,mode=1777".
        log: what it says.
        read_only: whether nothing but mounts and tmpfs can be written to.
        command: instead of the image's CMD.
        shared_memory: bytes of /dev/shm, as Docker's --shm-size.
    """

    def __init__(
        self,
        root: Path,
        config: dict[str, Any],
        environment: dict[str, str],
        mounts: Sequence[Mount],
        tmpfs: Sequence[str],
        log: Path,
        read_only: bool = True,
        command: Sequence[str] = (),
        shared_memory: int = SHARED_MEMORY_BYTES,
    ) -> None:
        self.log = log
        self._config = config
        self._user, home = _user(root, config["User"])
        own = [f"HOME={home}", *config["Env"]]
        self._environment = [*own, *(f"{name}={value}" for name, value in environment.items())]
        words = [*(config.get("Entrypoint") or []), *(command or config.get("Cmd") or [])]
        start = _line("exec", "chroot", root, *self._as_user(words))
        prepared = _prepared(root, mounts, tmpfs, read_only, shared_memory)
        script = "\n".join([*prepared, "ulimit -c 0", start])
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                 "bash", "-euc", script],
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Another command in it, as `docker exec`."""
        inside = ["nsenter", "--target", str(self._init()), "--mount", "--pid", "--ipc", "--uts",
                  "--root", "--wd=/"]  # fmt: skip
        words = [*inside, *self._as_user(command)]
        return subprocess.run(words, capture_output=True, text=True)

    def wait_until_healthy(self, seconds: float, healthcheck: Sequence[str] = ()) -> None:
        """Until the image's own HEALTHCHECK is content, or the one given.

        Raises:
            TimeoutError: not in time, or it ended; with the end of its log.
        """
        kind, *command = healthcheck or self._config["Healthcheck"]["Test"]
        assert kind == "CMD"
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            if self._started() and self.run(*command).returncode == 0:
                return
            time.sleep(1)
        state = "isn't healthy" if self.running else f"ended with {self._process.returncode}"
        raise TimeoutError(f"the container {state}:\n{self.log.read_text()[-4000:]}")

    def wait(self, seconds: float) -> int:
        """Until it ends by itself; its status.

        Raises:
            subprocess.TimeoutExpired: it doesn't.
        """
        return self._process.wait(seconds)

    def stop(self, seconds: float) -> int:
        """End it as Docker does: its signal, then the hard way; its status (137: the hard way)."""
        if self._started():
            os.kill(self._init(), getattr(signal, self._config.get("StopSignal") or "SIGTERM"))
        else:
            self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return 128 + signal.SIGKILL

    def _as_user(self, command: Sequence[str]) -> list[str]:
        uid, gid = self._user
        return [
            "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs",
            "env", "--ignore-environment", f"--chdir={self._config['WorkingDir'] or '/'}",
            *self._environment, *command,
        ]  # fmt: skip

    def _init(self) -> int:
        """The number of its first process, in here."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(children.read_text().split()[0])

    def _started(self) -> bool:
        """Whether the image's command runs, and no longer what prepares it."""
        try:
            return (
                Path(f"/proc/{self._init()}/status").read_text().split("Uid:")[1].split()[0] != "0"
            )
        except (IndexError, OSError):
            return False


def _user(root: Path, named: str) -> tuple[tuple[int, int], str]:
    """A user of the image, "10001:10001" or a name: its numbers and its home."""
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, _, home, _ = line.split(":")
        if named.partition(":")[0] in (name, uid):
            return (int(uid), int(gid)), home
    raise LookupError(f"the image has no user {named}")


def _prepared(
    root: Path, mounts: Sequence[Mount], tmpfs: Sequence[str], read_only: bool, shared_memory: int
) -> Iterator[str]:
    """The commands that make `root` a container's, in namespaces of its own."""
    yield _line("mount", "--make-rprivate", "/")
    yield _line("mount", "--bind", root, root)
    # Places to mount at are all that is written to this copy of the image.
    yield _line("mkdir", "-p", *(root / name for name in ("dev", "proc", "tmp")))
    for one in mounts:
        if one.source.is_dir():
            yield _line("mkdir", "-p", one.place(root))
        else:
            yield _line("mkdir", "-p", one.place(root).parent)
            yield _line("touch", one.place(root))
    yield _line("mount", "-t", "proc", "proc", root / "proc")
    yield _line("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", root / "dev")
    for device in DEVICES:
        yield _line("touch", root / "dev" / device)
        yield _line("mount", "--bind", f"/dev/{device}", root / "dev" / device)
    yield _line("ln", "-s", "/proc/self/fd", root / "dev/fd")
    yield _line("mkdir", root / "dev/shm")
    shm = f"size={shared_memory},mode=1777"
    yield _line("mount", "-t", "tmpfs", "-o", shm, "tmpfs", root / "dev/shm")
    if read_only:
        yield _line("mount", "-o", "remount,bind,ro", root)
    for one in mounts:
        yield _line("mount", "--bind", one.source, one.place(root))
        if one.read_only:
            yield _line("mount", "-o", "remount,bind,ro", one.place(root))
    for folder, _, options in (each.partition(":") for each in tmpfs):
        place = root / folder.lstrip("/")
        yield _line("mount", "-t", "tmpfs", "-o", options or "mode=1777", "tmpfs", place)


def _line(*words: object) -> str:
    return shlex.join(map(str, words))


def containers_of(
    compose: dict[str, Any], name: str, volumes: Path, hosts: Path
) -> tuple[dict[str, str], list[Mount], list[str]]:
    """What docker-compose.yml, resolved, says of one service: environment, mounts, tmpfs.

    Args:
        volumes: a folder for what Docker keeps in volumes; belongs to the image's user.
        hosts: a file for /etc/hosts.
    """
    service = compose["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    mounts = [Mount(hosts, "/etc/hosts", read_only=True)]
    for volume in service.get("volumes") or []:
        source = Path(volume["source"])
        if volume["type"] == "volume":
            source = volumes / re.sub(r"\W", "_", volume["source"])
            source.mkdir(mode=0o700, exist_ok=True)
        mounts.append(Mount(source, volume["target"], bool(volume.get("read_only"))))
    for secret in service.get("secrets") or []:
        file = Path(compose["secrets"][secret["source"]]["file"])
        mounts.append(Mount(file, secret["target"], read_only=True))
    return service.get("environment") or {}, mounts, service.get("tmpfs") or []
