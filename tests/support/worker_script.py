"""A worker that does what it is told, to be run as a file: FOLDER SCRIPT.

SCRIPT is JSON: a list of attempts, each a list of steps, each [verb, argument]. How many
attempts there were before is counted in the folder; the last one serves for all that follow.
Only the standard library, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def main(folder: Path, script: list[list[list[Any]]]) -> None:
    parent = os.getppid()
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    lock = (folder / "lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two at once would be a fault
    counted = folder / "checkpoints" / "attempts"
    counted.parent.mkdir(exist_ok=True)
    with counted.open("a") as attempts:
        attempts.write(f"{os.getpid()}\n")
    before = len(counted.read_text().splitlines()) - 1
    for verb, argument in script[min(before, len(script) - 1)]:
        do(verb, argument, folder)


def do(verb: str, argument: Any, folder: Path) -> None:
    match verb:
        case "say":
            print(json.dumps(argument), flush=True)
        case "print":
            print(argument, flush=True)
        case "complain":
            print(argument, file=sys.stderr, flush=True)
        case "flood":
            for _ in range(argument):
                os.write(1, b"x" * 2**20)
                os.write(2, b"y" * 2**20)
        case "sleep":
            time.sleep(argument)
        case "wait_for":
            while not Path(argument).exists():
                time.sleep(0.02)
        case "write":
            name, text = argument
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        case "note":
            with open(argument, "a") as notes:
                notes.write(f"{folder.name}\n")
        case "copy":
            name, target = argument
            Path(target).write_bytes((folder / name).read_bytes())
        case "kill":
            os.kill(os.getpid(), argument)
            time.sleep(3600)
        case "exit":
            os._exit(argument)
        case "ignore":
            signal.signal(argument, signal.SIG_IGN)
        case "fork":  # somebody who holds the streams open
            Path(argument).write_text(str(subprocess.Popen(["/bin/sleep", "600"]).pid))
        case "memory":  # once the limit is set, which is done from outside
            while resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
                time.sleep(0.01)
            bytearray(argument)
        case _:
            raise ValueError(verb)


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
