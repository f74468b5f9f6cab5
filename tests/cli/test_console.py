from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander import __version__
from bystander.cli.console import Console, open_console
from bystander.errors import NoFaceFound
from bystander.progress import Progress
from tests.support.waiting import HANGS_AFTER_SECONDS

ROWS = [
    {"id": "p1", "seconds": 4.97, "verdict": "keep", "why": "9 of 9 samples match", "more": [1]},
    {"id": "p2", "seconds": 12.0, "verdict": "mask", "why": "nobody knows [why]", "more": []},
]
COLUMNS = {"id": "id", "seconds": "seconds", "verdict": "verdict", "why": "why"}


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def events(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_table_shows_the_chosen_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=False).table("people", ROWS, COLUMNS)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["id", "seconds", "verdict", "why"]
    assert lines[1] == ["p1", "5.0", "keep", "9", "of", "9", "samples", "match"]
    assert lines[2][-1] == "[why]"  # no markup


def test_json_has_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).table("people", ROWS, COLUMNS)

    assert events(capsys.readouterr().out) == [{"event": "people", "people": ROWS}]


def test_an_empty_table_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=False).table("people", [], COLUMNS)

    assert capsys.readouterr().out.split() == list(COLUMNS)


def test_results_are_one_line_each_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/folder" * 30 + "/out.mp4"

    Console(as_json=False).result(output=path, kept=["lin", "alex"], seen=[])

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["output", path],
        ["kept", "lin, alex"],
        ["seen", "nobody"],
    ]


def test_json_progress_is_one_line_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with Console(as_json=True).progress() as report:
        report(Progress("analyze", 3, 10, 1.5, 4.7))

    assert events(capsys.readouterr().out) == [
        {"event": "progress", "stage": "analyze", "done": 3, "total": 10, "fps": 1.5, "eta": 4.7}
    ]


def test_an_error_is_two_lines_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, open_console(as_json=False):
        raise NoFaceFound("no face was found in a[1].jpg", "Use another photo.")

    assert ended.value.code == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: no face was found in a[1].jpg.",
        "       Use another photo.",
    ]


def test_a_json_error_says_its_kind_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), open_console(as_json=True):
        raise NoFaceFound("what", "advice")

    assert events(capsys.readouterr().out) == [
        {"event": "error", "kind": "NoFaceFound", "what": "what", "advice": "advice", "code": 4}
    ]


def test_a_defect_asks_for_a_report_and_keeps_the_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended, open_console(as_json=False):
        raise ZeroDivisionError("a secret defect")

    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (report,) = tmp_path.glob("bystander-defect-*.txt")
    assert str(report) in error
    assert "Please report" in error
    text = report.read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError: a secret defect" in text
    assert f"bystander {__version__}," in text


def test_a_defect_without_room_for_a_report_shows_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    with pytest.raises(SystemExit) as ended, open_console(as_json=False):
        raise ZeroDivisionError

    assert ended.value.code == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, open_console(as_json=False):
        raise OSError(28, "No space left on device", "x.bin")

    assert ended.value.code == 5
    assert "x.bin can't be written (No space left on device)" in capsys.readouterr().err


_SS_DISABLE = 2  # of <signal.h>


class _SignalStack(ctypes.Structure):
    """stack_t."""

    _fields_ = (
        ("start", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@pytest.fixture
def listening() -> Iterator[None]:
    """Signals as a terminal leaves them; nohup and background jobs have some ignored."""
    # Handlers run on the stack that pytest's faulthandler gave this thread. After some of the
    # commands' tests that one is no longer good, and the process would die of its own signal.
    ctypes.CDLL(None).sigaltstack(ctypes.byref(_SignalStack(flags=_SS_DISABLE)), None)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_unwinds_the_command(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    cleaned = []

    def command() -> None:
        try:
            os.kill(os.getpid(), number)
            threading.Event().wait(HANGS_AFTER_SECONDS)
        finally:
            os.kill(os.getpid(), number)  # a second one doesn't interrupt the cleaning up
            cleaned.append(True)

    with pytest.raises(SystemExit) as ended, open_console(as_json=False):
        command()

    assert ended.value.code == 128 + number
    assert cleaned
    assert "stopped" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with open_console(as_json=False):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("level", "event"), [(logging.INFO, "note"), (logging.WARNING, "warning")])
def test_what_the_library_logs_is_told(
    capsys: pytest.CaptureFixture[str], level: int, event: str
) -> None:
    with open_console(as_json=True):
        logging.getLogger("bystander.media").log(level, "frame %d is [odd]", 3)
    with open_console(as_json=False):
        logging.getLogger("bystander.media").log(level, "frame %d is [odd]", 3)

    captured = capsys.readouterr()
    assert events(captured.out) == [{"event": event, "message": "frame 3 is [odd]"}]
    assert captured.err == f"{event}: frame 3 is [odd]\n"


def test_logging_is_left_as_it_was() -> None:
    logger = logging.getLogger("bystander")
    before = (list(logger.handlers), logger.level, logger.propagate)

    with open_console(as_json=True):
        assert logger.handlers != before[0]

    assert (logger.handlers, logger.level, logger.propagate) == before
