"""The processes of the service end with the one that started them, however that one ends.

BentoML's master tells its workers to end, unless it is killed: then they would go on serving with
nobody to look after them, and hold the port that the next start needs.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from bystander.cli.serve import SUPERVISOR_VARIABLE
from bystander.sandbox.lifeline import end_with_parent

WORKER_MODULE: Final = "_bentoml_impl.worker"
"""What BentoML runs in the processes that its master starts."""


def end_with_supervisor() -> None:
    """Have this process killed when BentoML's master is gone; for the start of each service.

    Killed, since nothing waits for it then: jobs and uploads go on after the next start from what
    is on the disk. Does nothing in a process that isn't BentoML's worker, such as one of the tests.
    """
    main = sys.modules["__main__"].__spec__
    if main is not None and main.name.startswith(WORKER_MODULE):
        end_with_parent(int(os.environ.get(SUPERVISOR_VARIABLE, os.getppid())))
