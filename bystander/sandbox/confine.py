"""Taking from this process what it doesn't need, before it touches a stranger's file.

It can only be done by the child itself, right after exec: code between fork and exec
isn't safe in a parent with threads.
"""

from __future__ import annotations

import ctypes
import math
import resource

from bystander.sandbox.limits import Limits

LARGEST_OUTPUT = 32 * 2**20  # bytes of one file; a 2048x2048 JPEG of noise has 7 MB
_OPEN_FILES = 64

# <linux/sched.h>, <linux/prctl.h>, <linux/capability.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


def confine(limits: Limits) -> bool:
    """Limit memory, CPU, files and privileges for good; cut off the network if possible.

    Call it while there is one thread: a user namespace can't be entered by several.

    Returns:
        Whether the network is cut off: not every kernel and container lets a normal user
        have a network namespace.
    """
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, math.ceil(limits.cpu)),
        (resource.RLIMIT_FSIZE, LARGEST_OUTPUT),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    offline = bool(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)
    _drop_capabilities(libc)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
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
