"""A server's process with nothing but a runner, to be killed: DATA SCRIPT."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from tests.support.house import House

if __name__ == "__main__":
    House(Path(sys.argv[1])).runner(json.loads(sys.argv[2])).start()
    while True:
        signal.pause()
