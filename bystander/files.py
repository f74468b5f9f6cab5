"""Names of files that are written: whether they can be, and those that exist meanwhile."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bystander.errors import OutputExists, OutputUnwritable

StrPath = str | os.PathLike[str]
"""How a caller may name a file."""

_LOCK_NAME: Final = ".lock"
_WORK_PREFIX: Final = ".bystander-"
"""Of all `work_folder`s: any that nobody owns is removed by whoever makes or sweeps one there."""
_USUAL_NAME_BYTES: Final = 255
_SHORTEN: Final = "Shorten the name, or choose a folder less deep."


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of `path`, of a length that doesn't depend on its name."""
    return path.parent / f".{uuid.uuid4().hex[:16]}.part"


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that can't be (too long) is none."""
    return os.path.isfile(path)


def exists(path: Path) -> bool:
    """Whether there is anything of that name; see `is_file`."""
    return os.path.exists(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends well, and else is removed.

    Raises:
        OSError: it can't be moved there.
    """
    part = temporary_beside(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class OwnedFolder:
    """A folder for this process and its user alone; what a killed process leaves, the next removes.

    As a context manager it gives its path, and is removed after the block.

    Args:
        prefix: of its name; of folders of that prefix, making one removes those that nobody owns.
        parent: where; None for the system's temporary files.

    Attributes:
        path: it.

    Raises:
        OSError: it can't be made.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep(prefix, parent)
        self._owner = os.getpid()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            # Its owner is who has the lock, which the kernel lets go of with the process.
            self._lock = os.open(self.path / _LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
            with suppress(OSError):  # where a file system has no locks, nobody removes it either
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if (self.path / _LOCK_NAME).exists():
                return
            os.close(self._lock)  # between the two lines somebody took it for unowned

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove it, and all that is in it. May be called again; a forked child removes nothing."""
        if self._lock >= 0 and self._owner == os.getpid():
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def work_folder(parent: Path | None = None) -> OwnedFolder:
    """For what nobody else is to see: faces as pictures and numbers, an unmasked cut of a video.

    Args, Raises: as of `OwnedFolder`.
    """
    return OwnedFolder(_WORK_PREFIX, parent)


def sweep_work_folders(parent: Path) -> None:
    """Remove what killed processes left of their `work_folder`s in a folder, if it is one."""
    if os.path.isdir(parent):
        _sweep(_WORK_PREFIX, parent)


def _sweep(prefix: str, parent: Path) -> None:
    for old in parent.glob(f"{prefix}*"):
        _remove_unowned(old)


def _remove_unowned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return  # it is being made, or somebody else's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass
    finally:
        os.close(lock)


def check_name(path: Path) -> None:
    """Refuse a name that the file system doesn't take, before any work is done.

    Raises:
        OutputUnwritable: it, or the whole path, is too long; or it isn't a name at all.
    """
    for name in (path, temporary_beside(path)):
        try:
            os.lstat(name)
        except ValueError as error:  # a NUL character
            raise OutputUnwritable(
                f"{str(path)!r} is no name of a file", "Choose another name."
            ) from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                size = len(os.fsencode(path.name))
                raise OutputUnwritable(
                    f"{path} is too long a name for the file system ({size} bytes)", _SHORTEN
                ) from error


def made_folder(path: Path) -> Path:
    """`path`, made if need be, for its owner alone.

    Raises:
        OutputUnwritable: it can't be.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"the folder {path} can't be made ({error.strerror})", "Choose another folder."
        ) from error
    return path


def check_file(path: Path, overwrite: bool, *others: Path) -> None:
    """Refuse an output that can't be written, or that is one of the caller's `others`.

    Raises:
        OutputUnwritable, OutputExists: for that reason.
    """
    check_name(path)
    if path.resolve() in [other.resolve() for other in others]:
        raise OutputUnwritable(f"{path} is named twice", "Choose another name for one of them.")
    if not path.parent.is_dir():
        raise OutputUnwritable(
            f"{path}: its folder doesn't exist", f"Create {path.parent} and try again."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{path}: its folder can't be written to", "Choose another folder.")
    if path.exists() and not path.is_file():
        raise OutputUnwritable(f"{path} is not a regular file", "Choose another name.")
    if path.exists() and not overwrite:
        raise OutputExists(
            f"{path} exists already", "Choose another name, or allow it (--overwrite)."
        )


def named_after(path: Path, ending: str) -> Path:
    """`path` with `ending` behind its name, which is cut where the file system asks for it.

    A cut name has a digest of the whole one, so that two never become one.
    """
    folder, name = path.parent, path.name
    room = _name_bytes(folder) - len(os.fsencode(ending))
    if len(os.fsencode(name)) > room:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        while len(os.fsencode(name)) > room - 9:
            name = name[:-1]
        name = f"{name}-{digest}"
    return folder / f"{name}{ending}"


def _name_bytes(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return _USUAL_NAME_BYTES
