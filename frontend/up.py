"""`make up`: the service and the web app together, on this machine, until one of them ends.

    python -m frontend.up --host 127.0.0.1 --port 3000 --app-port 8501

Both read the same environment, so the token that BYSTANDER_TOKENS_FILE or BYSTANDER_TOKENS holds
for the service is also the web app's. Ctrl-C or SIGTERM ends both. If one ends by itself, the
other one is ended, too, and the status isn't 0. Both are killed if this process is, so that
nothing holds their ports when they are started again.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen at, and where this machine reaches what listens there."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
INTERVAL: Final = 0.3
GRACE: Final = 75.0
"""Seconds for uploads that are under way; then it is killed."""
PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2)."""
UNDER_MAKE: Final = "MAKELEVEL"
"""Set where `make` has started this process, which ends with it then."""


class PortInUse(Exception):
    """One of the two can't listen where it is to; says why."""


class ServerProcess:
    """A server in a process of its own.

    Args:
        name: for the operator.
        address: where it answers, "http://127.0.0.1:3000".
        ready: the path that is answered with success once it works.
        command: for `python`.
        environ: its environment.
    """

    def __init__(
        self, name: str, address: str, ready: str, command: Sequence[str], environ: dict[str, str]
    ) -> None:
        self.name, self.address, self._ready = name, address, address + ready
        # In a session of its own, so that Ctrl-C reaches it through `stop` alone.
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env=environ,
            start_new_session=True,
            preexec_fn=killed_with_parent(os.getpid()),
        )

    def answers(self) -> bool:
        """Whether it works."""
        try:
            return httpx.get(self._ready, timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """Ends it as an operator does; kills it if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def killed_with_parent(parent: int) -> Callable[[], None] | None:
    """What has a process killed when `parent` is gone, to be called in it; None where it can't."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: a forked process should do little

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def check_port(name: str, host: str, port: int) -> None:
    """Raises PortInUse: something listens at `port` already, or nothing can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"port {port} at {host}, for the {name}, is in use already. Stop what listens "
                    "there, or choose another one: make up PORT=3001 APP_PORT=8502"
                ) from error
            raise PortInUse(
                f"the {name} can't listen at {host}, port {port} ({error.strerror})"
            ) from error


def run(parts: Sequence[ServerProcess], asked_to_end: threading.Event) -> int:
    """Until one of `parts` ends or an end is asked for; gives the status to exit with."""
    told = False
    while not asked_to_end.wait(INTERVAL):
        for part in parts:
            if (status := part.process.poll()) is not None:
                print(f"{part.name} has ended with status {status}", file=sys.stderr, flush=True)
                return 1
        if not told and all(part.answers() for part in parts):
            told = True
            for part in parts:
                print(f"{part.name}: {part.address}", flush=True)
    return 0


def address_of(host: str, port: int) -> str:
    """Where this machine reaches what listens at `host`."""
    reached = ANYWHERE.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def main() -> None:
    """Read the command line, start both, wait, end both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--host", default="127.0.0.1", help="the address both listen at")
    parser.add_argument("--port", type=int, default=3000, help="of the service")
    parser.add_argument("--app-port", type=int, default=8501, help="of the web app")
    given = parser.parse_args()
    if UNDER_MAKE in os.environ and (bind := killed_with_parent(os.getppid())):
        bind()
    try:
        check_port("service", given.host, given.port)
        check_port("web app", given.host, given.app_port)
    except PortInUse as error:
        sys.exit(f"error: {error}")
    asked_to_end = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        asked_to_end.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    if given.host not in LOOPBACK:
        print("Whoever reaches the web app may use it: it has the token.", file=sys.stderr)
    service = address_of(given.host, given.port)
    # Or the web server would believe anybody on this machine who says where a request comes from.
    environ = {"FORWARDED_ALLOW_IPS": "", **os.environ, "BYSTANDER_URL": service}
    serve = ["-m", "bystander", "serve", "--host", given.host, "--port", str(given.port)]
    show = ["-m", "streamlit", "run", "frontend/app.py", "--server.address", given.host]
    show += ["--server.port", str(given.app_port)]
    app = address_of(given.host, given.app_port)
    parts = [
        ServerProcess("service", service, "/readyz", serve, environ),
        ServerProcess("web app", app, "/_stcore/health", show, environ),
    ]
    try:
        status = run(parts, asked_to_end)
    finally:
        stoppers = [threading.Thread(target=part.stop) for part in parts]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
    sys.exit(status)


if __name__ == "__main__":
    main()
