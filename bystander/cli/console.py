"""What a person sees on a terminal, or a program on standard output.

With JSON, every line is one object with an "event": progress, note, warning, result,
error, or the name of what was asked for (people, estimate, models, doctor). Without,
results go to standard output and everything else to standard error.
"""

from __future__ import annotations

import errno
import json
import logging
import platform
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import rich.console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from bystander import __version__
from bystander.errors import BystanderError, OutputUnwritable
from bystander.progress import OncePerMessage, Progress, Report

if TYPE_CHECKING:
    from bystander.pipeline.estimate import Estimate

STAGES: Final = {
    "analyze": "Finding people",
    "decide": "Who is who",
    "follow": "Following",
    "render": "Masking",
    "audit": "Auditing",
    "export": "Exporting",
}
STYLES: Final = {"keep": "green", "mask": "red", "ok": "green", "failed": "red"}
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLEANING_SECONDS: Final = 2.0
"""A second Ctrl-C this soon after the first doesn't interrupt the cleaning up."""


class Console:
    """Args:
    as_json: JSON lines instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._out = rich.console.Console()
        self._err = rich.console.Console(stderr=True)
        self._line = threading.Lock()  # the library logs from its threads, too

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Reports progress while the block runs."""
        if self._json:
            yield lambda progress: self._emit("progress", **asdict(progress))
            return
        bars = Bars(
            TextColumn("{task.description:<15}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} frames/s"),
            TimeRemainingColumn(),
            console=self._err,
            disable=not self._err.is_terminal,
        )
        tasks: dict[str, Any] = {}

        def report(progress: Progress) -> None:
            task = tasks.get(progress.stage)
            if task is None:
                label = STAGES.get(progress.stage, progress.stage)
                task = tasks[progress.stage] = bars.add_task(label, fps=0.0)
            bars.update(task, completed=progress.done, total=progress.total, fps=progress.fps)

        with bars:
            yield report

    def result(self, **facts: object) -> None:
        """The outcome: one line a fact."""
        if self._json:
            self._emit("result", **facts)
            return
        pointed = facts.pop("pointed_at", [])
        if isinstance(pointed, list):
            for one in pointed:
                self._out.print(f"[bold]pointed at[/] {one}", highlight=False, soft_wrap=True)
        for name, value in facts.items():
            shown = value
            if isinstance(value, list):
                shown = ", ".join(map(str, value)) or "nobody"
            elif name == "filled" and isinstance(value, float):
                percent = round(100 * value)
                shown = f"{percent} %, blurred {100 - percent} %"
            elif isinstance(value, dict):  # of lists: how many of each, or words
                shown = ", ".join(_listed(k, v) for k, v in value.items() if v) or "none"
            self._out.print(
                f"[bold]{name:<10}[/] {escape(str(shown))}", highlight=False, soft_wrap=True
            )

    def table(
        self, event: str, rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]
    ) -> None:
        """Args:
        rows: JSON gets all of them, whole.
        columns: heading to key of what a terminal shows; the last one may wrap.
        """
        if self._json:
            self._emit(event, **{event: rows})
            return
        *narrow, last = columns
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in narrow:
            numbers = any(isinstance(row[columns[heading]], float) for row in rows)
            table.add_column(heading, no_wrap=True, justify="right" if numbers else "left")
        table.add_column(last, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row[key]) for key in columns.values()))
        self._out.print(table)

    def findings(self, rows: Sequence[Mapping[str, object]], most: int) -> None:
        """What an audit found: a line each, which may be copied.

        Args:
            rows: with `seconds`, `kind`, and `mask_box`: an option that masks it, if there is one.
            most: lines at most; JSON gets all of them.
        """
        if self._json:
            self._emit("findings", findings=rows)
            return
        for row in rows[:most]:
            option = f": {row['mask_box']}" if row["mask_box"] else f": {row['detail']}"
            self._out.print(
                f"[bold]{'found':<10}[/] {row['kind']}{escape(option)}",
                highlight=False,
                soft_wrap=True,
            )
        if len(rows) > most:
            self._out.print(f"[bold]{'found':<10}[/] {len(rows) - most} more", highlight=False)

    def estimate(self, found: Estimate) -> None:
        if self._json:
            self._emit("estimate", **asdict(found))
            return
        self._out.print(
            f"about {_minutes(found.seconds)} "
            f"({_minutes(found.low)} to {_minutes(found.high)}) for {found.frames} frames, "
            f"{found.width}x{found.height}, about {found.people:.0f} people in a frame",
            highlight=False,
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        """Worth knowing, nothing to worry about."""
        self._say("note", "blue", text)

    def warn(self, text: str) -> None:
        self._say("warning", "yellow", text)

    def error(self, error: BystanderError) -> None:
        self._fail(type(error).__name__, error.what, error.advice, error.exit_code)

    def stopped(self, code: int) -> None:
        self._fail("Cancelled", "stopped", "No half-written file is left.", code)

    def defect(self, error: Exception) -> None:
        """The program's own fault: a report to send on, instead of a screen of traceback."""
        report = "".join(traceback.format_exception(error))
        report += f"\nbystander {__version__}, {platform.platform()}, "
        report += f"Python {platform.python_version()}\n"
        advice = "Please report this, with the lines above."
        try:
            with tempfile.NamedTemporaryFile(
                "w", prefix="bystander-defect-", suffix=".txt", delete=False
            ) as file:
                file.write(report)
            advice = f"Please report this, with {file.name} (it may name your files)."
        except OSError:
            sys.stderr.write(report)
        summary = traceback.format_exception_only(error)[-1].strip()
        self._fail("Defect", f"a defect in bystander: {summary}", advice, 1)

    def _say(self, event: str, style: str, text: str) -> None:
        if self._json:
            self._emit(event, message=text)
        else:
            self._err.print(f"[{style}]{event}:[/] {escape(text)}", highlight=False, soft_wrap=True)

    def _fail(self, kind: str, what: str, advice: str, code: int) -> None:
        if self._json:
            self._emit("error", kind=kind, what=what, advice=advice, code=code)
            return
        lines = [f"[red]error:[/] {escape(what)}."]
        if advice:
            lines.append(f"       {escape(advice)}")
        self._err.print("\n".join(lines), highlight=False, soft_wrap=True)

    def _emit(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False, default=asdict)
        with self._line:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


@contextmanager
def open_console(as_json: bool) -> Iterator[Console]:
    """A console to run a command in.

    Whatever ends the command early becomes one clear message and the documented exit
    code (`bystander.errors`); a stop signal first unwinds it, so that it cleans up.

    Raises:
        SystemExit: the command didn't end well.
    """
    console = Console(as_json)
    with _logging_to(console), _stoppable():
        try:
            yield console
        except BystanderError as error:
            console.error(error)
            raise SystemExit(error.exit_code) from error
        except _Stopped as stop:
            console.stopped(stop.exit_code)
            raise SystemExit(stop.exit_code) from stop
        except BrokenPipeError:  # nobody reads the output any more, as in `... | head`
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                full = _disk_full(error)
                console.error(full)
                raise SystemExit(full.exit_code) from error
            console.defect(error)
            raise SystemExit(1) from error


class _Stopped(KeyboardInterrupt):
    """A signal asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C, `kill` and a closed terminal unwind the block by `_Stopped`."""
    stopped_at = float("-inf")

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopped_at
        if time.monotonic() - stopped_at > CLEANING_SECONDS:
            stopped_at = time.monotonic()
            raise _Stopped(number)

    # What the caller ignores (nohup, background jobs of a script) stays ignored.
    heard = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _logging_to(console: Console) -> Iterator[None]:
    """What the library logs becomes notes and warnings."""
    logger, handler = logging.getLogger("bystander"), _Log(console)
    before = logger.level, logger.propagate
    handler.addFilter(OncePerMessage())  # not once a pass
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


class _Log(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        say = self._console.warn if record.levelno >= logging.WARNING else self._console.note
        say(record.getMessage())


def _disk_full(error: OSError) -> OutputUnwritable:
    return OutputUnwritable(
        f"{error.filename or 'a file'} can't be written ({error.strerror})",
        "Free some space and try again; the variable TMPDIR names another folder for "
        "temporary files.",
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        value = "ok" if value else "failed"
    text = f"{value:.1f}" if isinstance(value, float) else escape(str(value))
    return f"[{STYLES[text]}]{text}[/]" if text in STYLES else text


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _listed(name: str, found: list[object]) -> str:
    """What a fact's list says: its words, or how many things there are."""
    name = name.replace("_", " ")
    words = [one for one in found if isinstance(one, str)]
    return f"{name}: {' '.join(words)}" if words else f"{len(found)} {name}"
