"""What a confined process can't do any more, tried in one."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

CONFINED = """
import os, resource, socket, sys
from bystander.sandbox.confine import confine
from bystander.sandbox.limits import Limits
offline = confine(Limits(memory=2**29, cpu=1))
"""


def confined(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CONFINED + code, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("bytearray(2**29)", "MemoryError"),
        ("files = [open('/dev/null') for _ in range(100)]", "Too many open files"),
        ("os.pwrite(os.memfd_create('x'), b'x', 2**26)", "File too large"),
        ("resource.setrlimit(resource.RLIMIT_CPU, (99, 99))", "not allowed to raise"),
        ("os.chroot('/')", "Operation not permitted"),
    ],
)
def test_it_is_refused(code: str, complaint: str) -> None:
    assert complaint in confined(code).stderr


def test_endless_work_is_killed() -> None:
    assert confined("while True: pass").returncode < 0


def test_a_network_that_is_cut_off_can_not_be_reached() -> None:
    code = """
print(offline, flush=True)
socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = confined(code, str(server.getsockname()[1]))

    if ended.stdout.strip() == "False":
        pytest.skip("this system gives no network namespace to a normal user")
    assert "Network is unreachable" in ended.stderr  # not even this machine's


def test_no_core_is_dumped_and_no_privilege_gained() -> None:
    said = confined("print(open('/proc/self/status').read())").stdout

    fields = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
