"""`make up`: two servers that live and die together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from frontend.up import UNDER_MAKE, PortInUse, ServerProcess, address_of, check_port, run
from tests.conftest import REPOSITORY
from tests.support.waiting import alive, until

STARTER = """
import os, sys, time
from frontend.up import ServerProcess

sleeper = ["-c", "import time; time.sleep(600)"]
part = ServerProcess("one", "http://127.0.0.1:1", "/", sleeper, dict(os.environ))
print(part.process.pid, flush=True)
time.sleep(600)
"""


def server(name: str) -> ServerProcess:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", "/dev"]
    return ServerProcess(name, address_of("127.0.0.1", port), "/", command, dict(os.environ))


def test_both_addresses_are_told_once_both_answer(capfd: pytest.CaptureFixture[str]) -> None:
    parts, asked_to_end, told = [server("one"), server("other")], threading.Event(), ""
    statuses: list[int] = []
    running = threading.Thread(target=lambda: statuses.append(run(parts, asked_to_end)))
    running.start()

    def both_told() -> bool:
        nonlocal told
        told += capfd.readouterr().out
        return all(f"{part.name}: {part.address}\n" in told for part in parts)

    until(both_told)
    asked_to_end.set()
    running.join()
    for part in parts:
        part.stop()
    assert statuses == [0]
    assert all(part.process.poll() is not None for part in parts)


def test_when_one_ends_by_itself_it_is_over_and_no_success(
    capfd: pytest.CaptureFixture[str],
) -> None:
    parts = [server("one"), server("other")]
    parts[1].process.kill()
    assert run(parts, threading.Event()) == 1
    assert "other has ended" in capfd.readouterr().err
    parts[0].stop()


def test_what_listens_everywhere_is_reached_here() -> None:
    assert address_of("0.0.0.0", 3000) == "http://127.0.0.1:3000"
    assert address_of("::", 3000) == "http://[::1]:3000"
    assert address_of("10.0.0.7", 3000) == "http://10.0.0.7:3000"


def test_a_part_is_gone_when_this_process_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout
    with starter.stdout:
        part = int(starter.stdout.readline())
    assert alive(part)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    until(lambda: not alive(part))


def test_a_port_in_use_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports = [str(each.getsockname()[1]) for each in (free, taken)]
        free.close()
        up = [sys.executable, "-m", "frontend.up", "--port", ports[0], "--app-port", ports[1]]
        environ = {name: value for name, value in os.environ.items() if name != UNDER_MAKE}
        ran = subprocess.run(
            up, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 1
    [sentence] = ran.stderr.splitlines()
    assert f"port {ports[1]} at 127.0.0.1, for the web app, is in use already" in sentence


def test_an_address_that_is_not_here_is_told() -> None:
    with pytest.raises(PortInUse, match="t listen at"):
        check_port("service", "192.0.2.1", 3000)
