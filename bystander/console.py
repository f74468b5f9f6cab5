"""What a person sees on a terminal, or a program on standard output.

With JSON, every line is one object with an "event": progress, warning, people,
result or error. Without, results go to standard output and everything else to
standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import rich.console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from bystander.errors import BystanderError
from bystander.estimate import Estimate
from bystander.progress import Progress, Report

STAGES = {"analyze": "Finding people", "render": "Masking"}


class Console:
    """Args:
    as_json: JSON lines instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._out = rich.console.Console()
        self._err = rich.console.Console(stderr=True)
        logger = logging.getLogger("bystander")
        logger.handlers = (
            [_JsonLog(self)]
            if as_json
            else [RichHandler(console=self._err, show_time=False, show_path=False)]
        )
        logger.setLevel(logging.INFO)
        logger.propagate = False

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
        for name, value in facts.items():
            shown = ", ".join(map(str, value)) or "nobody" if isinstance(value, list) else value
            self._out.print(f"[bold]{name:<10}[/] {escape(str(shown))}", highlight=False)

    def people(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Who was found."""
        if self._json:
            self._emit("people", people=rows)
            return
        self.table("people", rows)

    def table(self, title: str, rows: Sequence[Mapping[str, object]]) -> None:
        if self._json:
            self._emit(title, rows=rows)
            return
        table = Table()
        for column in rows[0] if rows else ():
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(escape(str(value)) for value in row.values()))
        self._out.print(table)

    def estimate(self, found: Estimate) -> None:
        if self._json:
            self._emit("estimate", **asdict(found))
            return
        self._out.print(
            f"about {_minutes(found.seconds)} "
            f"({_minutes(found.low)} to {_minutes(found.high)}) for {found.frames} frames, "
            f"{found.width}x{found.height}, about {found.people:.0f} people in a frame",
            highlight=False,
        )

    def warn(self, text: str) -> None:
        if self._json:
            self._emit("warning", message=text)
        else:
            self._err.print(f"[yellow]warning[/] {escape(text)}", highlight=False)

    def error(self, error: BystanderError) -> None:
        if self._json:
            kind = type(error).__name__
            self._emit(
                "error", kind=kind, what=error.what, advice=error.advice, code=error.exit_code
            )
        else:
            self._err.print(
                f"[red]error[/] {escape(error.what)}.\n      {escape(error.advice)}",
                highlight=False,
                soft_wrap=True,
            )

    def stopped(self) -> None:
        if self._json:
            self._emit("error", kind="Cancelled", what="stopped", advice="", code=130)
        else:
            self._err.print("stopped; nothing was written", highlight=False)

    def _emit(self, event: str, **facts: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class _JsonLog(logging.Handler):
    """What the library logs, as warning events."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.warn(record.getMessage())


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
