"""Tries what a worker taken over by a hostile video would try: `python -m tests.sandbox.probe`.

Each argument is an attempt, KIND:WHAT; prints a JSON object that says of each how it ended: "done"
and what came of it, or the name of the error. Only to be run confined.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def read(what: str) -> str:
    return Path(what).read_text()


def list_folder(what: str) -> str:
    return ",".join(sorted(os.listdir(what)))


def write(what: str) -> str:
    return str(Path(what).write_text("written"))


def move(what: str) -> str:
    source, target = what.split(">")
    Path(source).rename(target)
    return target


def link(what: str) -> str:
    source, target = what.split(">")
    os.link(source, target)
    return target


def symlink(what: str) -> str:
    source, target = what.split(">")
    os.symlink(source, target)
    return target


def run(what: str) -> str:
    os.chmod(what, 0o700)
    return str(os.spawnv(os.P_WAIT, what, [what]))


def end(what: str) -> str:
    os.kill(int(what), signal.SIGTERM)
    return what


def connect(what: str) -> str:
    if what.isdecimal():
        socket.create_connection(("127.0.0.1", int(what)), timeout=5).close()
        return what
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(what)
        return client.recv(100).decode()


def listen(what: str) -> str:
    socket.create_server(("127.0.0.1", int(what))).close()
    return what


def environment(what: str) -> str:
    return Path("/proc/self/environ").read_text().replace("\0", "\n")


KINDS: dict[str, Callable[[str], str]] = {
    "read": read,
    "list": list_folder,
    "write": write,
    "move": move,
    "link": link,
    "symlink": symlink,
    "run": run,
    "end": end,
    "connect": connect,
    "listen": listen,
    "environment": environment,
}


def main() -> None:
    outcomes: dict[str, list[str]] = {}
    for attempt in sys.argv[1:]:
        kind, _, what = attempt.partition(":")
        try:
            outcomes[attempt] = ["done", KINDS[kind](what)]
        except OSError as error:
            outcomes[attempt] = [type(error).__name__, str(error)]
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
