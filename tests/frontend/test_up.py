"""`make up`: two servers that live and die together."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from frontend.up import Part, address_of, run
from tests.frontend.upstream import wait_for


def server(name: str) -> Part:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", "/dev"]
    return Part(name, address_of("127.0.0.1", port), "/", command, dict(os.environ))


def test_both_addresses_are_told_once_both_answer(capfd: pytest.CaptureFixture[str]) -> None:
    parts, asked_to_end, told = [server("one"), server("other")], threading.Event(), ""
    statuses: list[int] = []
    running = threading.Thread(target=lambda: statuses.append(run(parts, asked_to_end)))
    running.start()

    def both_told() -> bool:
        nonlocal told
        told += capfd.readouterr().out
        return all(f"{part.name}: {part.address}\n" in told for part in parts)

    wait_for(both_told)
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
