"""Paths and ports that may be used -> this process and its children can use no others, for good.

Landlock is the Linux kernel's way for a process without privileges to give up access
(https://docs.kernel.org/userspace-api/landlock.html). Paths are those of folders, with
everything below, and of files. Access is checked where a file is opened: what is open already
stays usable, connecting to a Unix socket by its path is not restricted, nor is asking whether a
file exists. The C library has no wrappers for the three system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

MIN_ABI: Final = 2
"""Linux 5.19. The first one denies moving a file from one folder to another, which writing a
file atomically may need."""

# <asm-generic/unistd.h>: the same number on every architecture but Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS: Final = 38

# <linux/landlock.h>, LANDLOCK_ACCESS_FS_*
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_ALL_OF_ABI_1: Final = (1 << 13) - 1
_MAKE_REG, _MAKE_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 8, 1 << 7, 1 << 4, 1 << 5
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""What can be allowed for a file; the rest is about folders."""
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1

READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
WRITE: Final = (
    _READ_FILE
    | _READ_DIR
    | _WRITE_FILE
    | _TRUNCATE
    | _MAKE_REG
    | _MAKE_DIR
    | _REMOVE_FILE
    | _REMOVE_DIR
    | _REFER
)
"""Reading included. Running isn't: what a hostile video has a process write is no program. Nor are
symbolic links: the server would follow them to what only it may read."""
DEVICE: Final = _READ_FILE | _WRITE_FILE | _IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),  # since ABI 4
        ("scoped", ctypes.c_uint64),  # since ABI 6
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64))


@cache
def abi() -> int:
    """Version of Landlock in this kernel; 0: it can't be used, or is older than `MIN_ABI`."""
    if sys.platform != "linux":
        return 0
    # -1 where it isn't built in, wasn't switched on at boot, or a filter of system calls (an old
    # container runtime) forbids it.
    found = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    return found if found >= MIN_ABI else 0


def restrict(
    read: Iterable[Path],
    write: Iterable[Path],
    devices: Iterable[Path] = (),
    ports: Iterable[int] = (),
) -> None:
    """Leave this process, and what it starts, these paths and ports. For good.

    From ABI 4 on no TCP port can be listened at, and none but `ports` connected to; from ABI 6
    on no process outside can be sent a signal.

    Args:
        read: folders and files to be read and run.
        write: folders and files to be read and changed, not run.
        devices: to be read, written and controlled.
        ports: of TCP, to connect to.
            Of all these, what doesn't exist is left out.

    Raises:
        OSError: the kernel refuses; nothing is to go on then.
        RuntimeError: there is another thread, which would not be restricted.
    """
    version = abi()
    if not version:
        raise OSError(errno.EOPNOTSUPP, "this kernel has no Landlock")
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a process is confined before it has threads: something started one")
    handled = _ALL_OF_ABI_1 | _REFER
    handled |= _TRUNCATE if version >= 3 else 0
    handled |= _IOCTL_DEV if version >= 5 else 0
    attributes = _Ruleset(
        handled,
        _BIND_TCP | _CONNECT_TCP if version >= 4 else 0,
        _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL if version >= 6 else 0,
    )
    # Kernels refuse what lies beyond the structure that they know.
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _checked(
        _libc().syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    )
    try:
        for paths, access in ((read, READ), (write, WRITE), (devices, DEVICE)):
            for path in paths:
                _allow_path(rules, path, access & handled)
        if version >= 4:
            for port in ports:
                _add(rules, _RULE_NET_PORT, _NetPort(_CONNECT_TCP, port))
        forbid_new_privileges()
        _checked(_libc().syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def forbid_new_privileges() -> None:
    """Let nothing that this process runs gain privileges, for good. Raises OSError."""
    _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _allow_path(rules: int, path: Path, access: int) -> None:
    with _opened(path) as descriptor:
        if descriptor is None:
            return
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        _add(rules, _RULE_PATH_BENEATH, _PathBeneath(access, descriptor))


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        yield None  # it couldn't be opened later either
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _add(rules: int, kind: int, rule: ctypes.Structure) -> None:
    _checked(_libc().syscall(_ADD_RULE, rules, kind, ctypes.byref(rule), 0))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"this process can't be confined ({os.strerror(error)})")
    return result
