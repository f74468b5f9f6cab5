"""The processes of the service end with the one that started them, however that one ends.

BentoML's master tells its workers to end, unless it is killed: then they would go on serving with
nobody to look after them, and hold the port that the next start needs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

from bystander.cli.serve import SUPERVISOR_VARIABLE

PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2)."""
WORKER_MODULE: Final = "_bentoml_impl.worker"
"""What BentoML runs in the processes that its master starts."""
POLL_SECONDS: Final = 0.5


def end_with_supervisor() -> None:
    """Have this process killed when BentoML's master is gone; for the start of each service.

    Killed, since nothing waits for it then: jobs and uploads go on after the next start from what
    is on the disk. Does nothing in a process that isn't BentoML's worker, such as one of the tests.
    """
    main = sys.modules["__main__"].__spec__
    if main is not None and main.name.startswith(WORKER_MODULE):
        end_with_parent(int(os.environ.get(SUPERVISOR_VARIABLE, os.getppid())))


def end_with_parent(parent: int) -> None:
    """Have this process killed when `parent`, which has started it, is gone, or is gone already."""
    if sys.platform == "linux":
        # The kernel's: at once, and whatever this process is busy with.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
