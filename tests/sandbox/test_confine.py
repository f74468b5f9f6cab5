"""What a confined process can't do any more, tried in one."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from bystander.sandbox import landlock
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.sampled(2)

CONFINED = """
import os, resource, socket, sys
from bystander.sandbox.confine import confine
from bystander.sandbox.protocol import Limits
offline = confine(Limits(memory=2**29, cpu=1), [sys.argv[-1]], [])
"""


def confined(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CONFINED + code, *arguments, str(REPOSITORY / "README.md")]
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


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_it_reads_the_file_that_it_is_given_alone() -> None:
    given = confined("print(len(open(sys.argv[-1]).read()))")
    assert int(given.stdout) > 0
    for path in ("/etc/shadow", "/etc/passwd", str(REPOSITORY / "CHANGELOG.md"), "/proc/1/environ"):
        assert "Permission denied" in confined(f"open({path!r})").stderr


def test_endless_work_is_killed() -> None:
    assert confined("while True: pass").returncode < 0


def test_a_network_that_is_cut_off_can_not_be_reached() -> None:
    code = """
print(offline, flush=True)
socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(sys.argv[1])))
"""
    # Not TCP, which Landlock denies as well.
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        ended = confined(code, str(server.getsockname()[1]))

    if ended.stdout.strip() == "False":
        pytest.skip("this system gives no network namespace to a normal user")
    assert "Network is unreachable" in ended.stderr  # not even this machine's


def test_no_core_is_dumped_and_no_privilege_gained() -> None:
    said = confined("print(open('/proc/self/status').read())").stdout

    fields = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
