"""What is checked before the service starts."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bystander.cli import serve
from bystander.cli.serve import ENTRY, check_host, check_installed, check_port, working_folder
from bystander.errors import ConfigError
from bystander.server.settings import SecuritySettings, ServiceSettings, is_loopback
from tests.conftest import REPOSITORY
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.sampled(2)

LOCAL = ServiceSettings()
OTHERS = ["0.0.0.0", "::", "192.168.1.2", "example.com", "", "localhost.example.com", "127.0.0.1.x"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_listened_to_without_a_token(host: str) -> None:
    assert is_loopback(host)
    check_host(host, LOCAL)


@pytest.mark.parametrize("host", OTHERS)
def test_beyond_it_a_token_is_needed(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="without a token"):
        check_host(host, LOCAL)
    for security in (SecuritySettings(tokens=("a" * 20,)), SecuritySettings(allow_open=True)):
        check_host(host, ServiceSettings(security=security))


def test_the_entry_is_where_the_command_looks_for_it() -> None:
    module, _, name = ENTRY.partition(":")
    source = (REPOSITORY / module.replace(".", "/")).with_suffix(".py").read_text()
    assert f"class {name}:" in source


def test_in_a_checkout_relative_paths_start_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert working_folder() == REPOSITORY


def test_what_pip_installed_starts_from_where_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "__file__", str(tmp_path / "site-packages/bystander/cli/serve.py"))
    monkeypatch.chdir(tmp_path)
    assert working_folder() == tmp_path


def test_without_bentoml_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"bystander\[serve\]"):
        check_installed()


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if "BYSTANDER" not in name}
    return subprocess.run(
        [sys.executable, "-m", "bystander", "serve", *arguments],
        cwd=REPOSITORY,
        env={**given, **environ},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )


def test_the_command_refuses_to_serve_everyone(tmp_path: Path) -> None:
    ran = run("--host", "0.0.0.0", "--port", "3190", "--data", str(tmp_path / "data"))
    assert ran.returncode == ConfigError.exit_code == 9
    assert "without a token" in ran.stderr
    assert "BYSTANDER_TOKENS" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "data").exists()


def test_a_token_that_is_too_short_is_refused_before_anything_starts() -> None:
    ran = run("--host", "0.0.0.0", BYSTANDER_TOKENS="short-1")
    assert ran.returncode == ConfigError.exit_code
    assert "at least 16 characters" in ran.stderr
    assert "short-1" not in ran.stderr + ran.stdout


def test_a_port_that_is_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("--port", str(port), "--data", str(tmp_path / "data"))
    assert ran.returncode == ConfigError.exit_code
    assert f"port {port} at 127.0.0.1 is in use already" in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def test_a_port_whose_connections_have_just_ended_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listening.accept()
            accepted.close()  # the side that closes first keeps the port for a while
    check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="t listen at"):
        check_port("192.0.2.1", 3000)
