"""A server's process with nothing but a runner, to be killed: DATA SCRIPT [NAME LEASE_SECONDS]."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from tests.support.house import House

if __name__ == "__main__":
    _, data, script, *lease = sys.argv
    jobs = {"runner": lease[0], "lease_seconds": float(lease[1])} if lease else {}
    House(Path(data), jobs).runner(json.loads(script)).start()
    while True:
        signal.pause()
