"""The service under load and disturbed: `python -m benchmarks.service {resume,batch,...}`.

Each measurement starts a server of its own, prints a table, and ends it. See the modules of
the same names for what is measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from benchmarks.material import SHARED, use_shared_models
from benchmarks.service import batch, estimates, memory, resume, uploads

MEASUREMENTS = {
    "resume": resume.table,
    "batch": batch.table,
    "memory": memory.table,
    "estimates": estimates.table,
    "uploads": uploads.table,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument(
        "--clips", type=Path, default=SHARED / "clips", help="folder of clips, one a folder"
    )
    wanted = parser.parse_args()
    use_shared_models()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bystander-bench-") as folder:
        shown = MEASUREMENTS[wanted.what](wanted.clips, Path(folder))
    print(
        f"{wanted.what}: {os.cpu_count()} cores, Python {platform.python_version()}, load "
        f"{load:.1f} before and {os.getloadavg()[0]:.1f} after\n\n{shown}"
    )


if __name__ == "__main__":
    main()
