"""What went wrong underneath, told so that a client may read it: no path, no host."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from bystander.errors import StorageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def disk_trouble(error: OSError, doing: str) -> StorageError:
    """The error of a file system while `doing`, such as "storing 3f2a/video"."""
    if error.errno in _FULL:
        return StorageError(f"the disk was full while {doing}", "Delete projects, or add space.")
    if error.errno in _DENIED:
        return StorageError(
            f"there is no permission for {doing}",
            "Let the service's user write in its data folder.",
        )
    return StorageError(f"{doing} failed: {error.strerror or type(error).__name__}")


@contextmanager
def telling_disk(doing: str) -> Iterator[None]:
    """Raise errors of the file system as `disk_trouble`."""
    try:
        yield
    except OSError as error:
        raise disk_trouble(error, doing) from error
