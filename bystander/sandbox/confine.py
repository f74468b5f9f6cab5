"""Taking from this process what it doesn't need, before it touches a stranger's file.

It can only be done by the child itself, right after exec: code between fork and exec
isn't safe in a parent with threads. And before it has threads itself: they would stay free.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bystander.config import CONFIGS_VARIABLE
from bystander.errors import ConfigError
from bystander.sandbox import landlock
from bystander.sandbox.protocol import Limits

log = logging.getLogger(__name__)

_MAX_OPEN_FILES = 64

# <linux/sched.h>, <linux/prctl.h>, <linux/capability.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_SYSTEM_FILES: Final = (
    # Libraries, time zones, locales, fonts, certificates, never keys.
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"),
    *("/etc/fonts", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
    # What libraries ask of the machine to choose code and a number of threads, and of
    # themselves. Other processes are none of their business.
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"),
    *("/proc/sys/vm/overcommit_memory", "/proc/driver/nvidia"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node", "/dev/urandom", "/dev/random"),
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full")


def confine(limits: Limits, read: Iterable[Path], write: Iterable[Path]) -> bool:
    """Limit memory, CPU, files and privileges for good; cut off the network if possible.

    Call it while there is one thread: a user namespace can't be entered by several.

    Args:
        read: folders and files that it may read beside the program's own, where the kernel
            has Landlock.
        write: those that it may change as well.

    Returns:
        Whether the network is cut off: not every kernel and container lets a normal user
        have a network namespace.
    """
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, math.ceil(limits.cpu)),
        (resource.RLIMIT_FSIZE, limits.output),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    offline = _give_up_privileges(network=False)
    if landlock.abi():
        landlock.restrict([*program_files(), *read], write, map(Path, _DEVICES))
    return offline


def confine_worker(
    read: Iterable[Path], folder: Path, ports: Iterable[int] = (), *, required: bool = False
) -> None:
    """Leave this process the program's own files, `read` and `folder`, for good.

    Its memory is limited by who starts it. It keeps its network only if it needs `ports`.
    Call it while there is one thread.

    Args:
        read: folders and files.
        folder: to be read and changed.
        ports: of TCP, that it may connect to.
        required: refuse to go on where the kernel has no Landlock.

    Raises:
        ConfigError: it is required, and can't be had.
    """
    if required:
        _require_landlock()
    if sys.platform != "linux":
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ports = tuple(ports)
    _give_up_privileges(network=bool(ports))
    if landlock.abi():
        # A network that runs in this process may be on a GPU.
        devices = [*map(Path, _DEVICES), *Path("/dev").glob("nvidia*")]
        landlock.restrict([*program_files(), *read], [folder], devices, ports)


def check_confinement(mode: str) -> None:
    """What the setting `jobs.confinement` asks for, asked of the kernel when the service starts.

    Raises:
        ConfigError: it is "required", and can't be had.
    """
    if mode == "required":
        _require_landlock()
    elif mode == "auto" and not landlock.abi():
        log.warning(
            "this kernel has no Landlock that can be used (Linux 5.19 or later): workers are not "
            "confined to their own folders"
        )


def _require_landlock() -> None:
    if not landlock.abi():
        raise ConfigError(
            "jobs.confinement is required, and this kernel has no Landlock that can be used",
            "Use Linux 5.19 or later with `landlock` among its security modules and a container "
            "runtime that lets its system calls through, or jobs.confinement: auto.",
        )


def program_files() -> list[Path]:
    """What any process of Bystander reads and runs: interpreter, packages, settings, system.

    Not the folder that the packages lie in: in a checkout the data may lie there as well.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    files = [
        Path(prefix, part)
        for prefix in sorted(prefixes)
        for part in ("bin", "lib", "lib64", "pyvenv.cfg")
    ]
    files += [
        Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")
    ]
    files += [_PACKAGE, _PACKAGE.parent / "configs"]
    for variable in (CONFIGS_VARIABLE, "LD_LIBRARY_PATH"):
        files += [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]
    return [*files, *map(Path, _SYSTEM_FILES)]


def _give_up_privileges(*, network: bool) -> bool:
    """Those of root, and those to gain any; the network, too, unless it is needed.

    Returns:
        Whether the network is cut off.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    offline = not network and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    _drop_capabilities(libc)
    landlock.forbid_new_privileges()
    return offline


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Those of root, and those that entering a user namespace gave within it."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice 32 bits each
    _check(libc.capset(header, nothing))


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, "this process can't be confined")
