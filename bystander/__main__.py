"""The program's first lines, `python -m bystander` and `bystander`: they know how to stop.

Importing what a command runs takes most of a second, in which nothing has been begun.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType

_STOPPED_EXIT_CODE = 128 + signal.SIGINT


def _stop(number: int, _: FrameType | None) -> None:
    """End at once: there is nothing to clean up, nor does an import pass an exception on."""
    what, advice = "stopped", "No half-written file is left."
    if "--json" in sys.argv:
        event = {"event": "error", "kind": "Cancelled", "what": what, "advice": advice}
        os.write(1, (json.dumps(event | {"code": _STOPPED_EXIT_CODE}) + "\n").encode())
    else:
        os.write(2, f"error: {what}.\n       {advice}\n".encode())
    os._exit(_STOPPED_EXIT_CODE)


def main() -> None:
    """The command line. While a command runs, `bystander.cli.console` hears the signals."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # by nohup, or a script
        signal.signal(signal.SIGINT, _stop)
    from bystander.cli import app

    app.main()


if __name__ == "__main__":
    main()
