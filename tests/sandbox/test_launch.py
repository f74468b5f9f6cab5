"""What a worker can't do any more that a hostile video has taken over, tried by `probe`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bystander.errors import ConfigError
from bystander.sandbox import confine, landlock
from bystander.sandbox.launch import Confinement, child_environment, confined_command
from tests.conftest import REPOSITORY

needs_landlock = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
SECRET = "a-token-of-the-service"
DENIED = "PermissionError"


class Place:
    """Two projects' folders below a service's data, with the service's tokens beside them."""

    def __init__(self, data: Path) -> None:
        self.job, self.other = data / "job", data / "other" / "video"
        self.tokens, self.model = data / "tokens", data / "models" / "a.onnx"
        self.job.mkdir()
        for file in (self.other, self.tokens, self.model):
            file.parent.mkdir(exist_ok=True)
            file.write_text(SECRET)

    def tried(self, *attempts: str, **more: Any) -> dict[str, list[str]]:
        """How each attempt of a confined process ended, see `probe`."""
        given = {"read": (REPOSITORY / "tests", self.model.parent), **more}
        command = confined_command(
            Confinement(folder=self.job, **given), "tests.sandbox.probe", *attempts
        )
        environ = {**os.environ, "BYSTANDER_TOKENS": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
        ended = subprocess.run(
            command,
            env=child_environment(environ, {"PYTHONPATH": str(REPOSITORY)}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        found: dict[str, list[str]] = json.loads(ended.stdout)
        return found

    def one(self, attempt: str, **more: Any) -> list[str]:
        return self.tried(attempt, **more)[attempt]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@needs_landlock
def test_it_reads_nothing_of_others(place: Place) -> None:
    attempts = [
        f"read:{place.other}",
        f"list:{place.other.parent}",
        f"list:{place.other.parents[1]}",
        f"read:{place.tokens}",
        "read:/etc/shadow",
        "read:/etc/passwd",
        f"read:/proc/{os.getpid()}/environ",
        f"read:{place.job}/../tokens",
        f"list:{REPOSITORY}",
    ]
    outcomes = place.tried(*attempts)
    assert {attempt: kind for attempt, (kind, _) in outcomes.items()} == dict.fromkeys(
        attempts, DENIED
    )


@needs_landlock
def test_it_changes_nothing_of_others(place: Place) -> None:
    outcomes = place.tried(
        f"write:{place.other}",
        f"write:{place.other.parent / 'new'}",
        f"write:{place.model}",
        f"move:{place.other}>{place.job / 'mine'}",
        f"link:{place.other}>{place.job / 'mine'}",
    )
    assert "done" not in [kind for kind, _ in outcomes.values()]
    assert place.other.read_text() == place.model.read_text() == SECRET
    assert sorted(os.listdir(place.job)) == ["tmp"]


@needs_landlock
def test_it_lays_no_link_for_the_server_and_runs_nothing(place: Place) -> None:
    outcomes = place.tried(
        f"symlink:/etc/shadow>{place.job / 'result.mp4'}",
        f"write:{place.job / 'program'}",
        f"run:{place.job / 'program'}",
    )
    link, written, ran = outcomes.values()
    assert link[0] == DENIED
    assert written[0] == "done"
    assert ran == ["done", "127"]  # what can't be executed


def test_it_has_its_own_folder_and_reads_the_networks(place: Place) -> None:
    (place.job / "video").write_text("moving pictures")
    inside = place.job / "a"
    outcomes = place.tried(
        f"read:{place.job / 'video'}",
        f"read:{place.model}",
        f"write:{inside}",
        f"move:{inside}>{place.job / 'tmp' / 'b'}",
        "list:.",
    )
    assert [kind for kind, _ in outcomes.values()] == ["done"] * 5
    assert outcomes["list:."] == ["done", "tmp,video"]


def test_it_is_not_told_the_secrets_of_the_server(place: Place) -> None:
    kind, variables = place.one("environment:", mode="off")
    assert kind == "done"
    assert SECRET not in variables
    assert "PYTHONPATH=" in variables


def test_it_inherits_no_open_file(place: Place) -> None:
    with place.tokens.open() as tokens:
        os.set_inheritable(tokens.fileno(), True)
        outcome = place.one(f"read:/dev/fd/{tokens.fileno()}", mode="off")
    assert outcome[0] == "FileNotFoundError"


@needs_landlock
@pytest.mark.skipif(landlock.abi() < 6, reason="this kernel's Landlock doesn't know signals")
def test_it_ends_nobody(place: Place) -> None:
    with subprocess.Popen(["sleep", "3600"]) as other:
        try:
            outcome = place.one(f"end:{other.pid}")
            assert other.poll() is None
        finally:
            other.kill()
    assert outcome[0] == DENIED


@needs_landlock
@pytest.mark.skipif(landlock.abi() < 4, reason="this kernel's Landlock doesn't know ports")
def test_it_reaches_the_ports_that_it_needs_alone(place: Place) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as needed,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [one.getsockname()[1] for one in (needed, other)]
        outcomes = place.tried(*(f"connect:{port}" for port in ports), ports=(ports[0],))
    assert [kind for kind, _ in outcomes.values()] == ["done", DENIED]


def test_it_reaches_a_model_service_by_its_socket(place: Place, short: Path) -> None:
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(short / "socket"))
        service.listen()
        command = f"connect:{short / 'socket'}"
        with subprocess.Popen(
            confined_command(
                Confinement(folder=place.job, read=(REPOSITORY / "tests",)),
                "tests.sandbox.probe",
                command,
            ),
            env=child_environment(os.environ, {"PYTHONPATH": str(REPOSITORY)}),
            stdout=subprocess.PIPE,
            text=True,
        ) as worker:
            service.settimeout(60)
            connection, _ = service.accept()
            with connection:
                connection.sendall(b"here")
            output, _ = worker.communicate()
    assert json.loads(output)[command] == ["done", "here"]


def test_where_it_is_required_a_kernel_without_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(ConfigError, match=r"jobs\.confinement is required"):
        confine.check_confinement("required")
    confine.check_confinement("off")
    assert not caplog.records
    confine.check_confinement("auto")
    assert "not confined" in caplog.text


@needs_landlock
def test_a_process_with_threads_is_not_confined_by_halves() -> None:
    code = (
        "import threading\n"
        "from bystander.sandbox import landlock\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "landlock.restrict([], [])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "before it has threads" in ended.stderr
