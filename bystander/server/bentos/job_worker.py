"""The process of one job: `python -m bystander.server.bentos.job_worker FOLDER [SOCKET]`.

The networks are those of the model services that BYSTANDER_SERVICES names (JSON, url by
service name), or where it is not set this process's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bystander.models import load_models
from bystander.progress import OncePerMessage
from bystander.server.bentos.remote import open_models
from bystander.server.jobs import worker

SERVICES_VARIABLE = "BYSTANDER_SERVICES"


def main(folder: Path, line: int | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Do the job in `folder`; gives the exit code, see `bystander.server.jobs.worker.main`.

    Args:
        line: descriptor of a socket to `bystander.server.jobs.driver`, which has the parts done.
    """
    # What the library complains about goes to whoever started this process, once.
    complaints = logging.StreamHandler()
    complaints.addFilter(OncePerMessage())
    logging.basicConfig(handlers=[complaints], level=logging.WARNING, format="%(message)s")
    services = json.loads(environ.get(SERVICES_VARIABLE, "{}"))
    parallel = None if line is None else worker.relayed(line, folder)
    return worker.main(
        folder, partial(open_models, services) if services else load_models, parallel
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
