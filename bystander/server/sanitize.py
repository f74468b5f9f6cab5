"""What may be told to a client, or logged, of what a worker said: no path, no name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bystander.errors import BystanderError
from bystander.server.jobs.spec import (
    CAST_FOLDER,
    RESULT_FILE,
    SPEC_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
)
from bystander.server.models import Problem

_PATH: Final = re.compile(r"(?<![\w:/.])/[^\s'\"()\[\]<>,;:]+")
_MAX_CHARACTERS: Final = 500
"""Characters of a sentence that a client gets."""


class Sanitizer:
    """Takes paths of this machine, and names of the people to keep, out of sentences.

    Args:
        folder: of the worker.
        data: the service's folder.
        names: of people.
    """

    def __init__(self, folder: Path, data: Path, names: Iterable[str] = ()) -> None:
        told = {
            VIDEO_FILE: "the video",
            TIMELINE_FILE: "the analysis",
            RESULT_FILE: "the result",
            SPEC_FILE: "the order",
        }
        known = {str(folder / file): words for file, words in told.items()}
        known |= {
            str(folder / CAST_FOLDER): "the photos",
            str(folder): "the job",
            str(data): "the data",
        }
        # The longest first: one path begins with another one.
        ordered = sorted(known, key=len, reverse=True)
        # A path goes with all that follows it below, so that "cast/1.jpg" isn't half left.
        self._paths = [
            (re.compile(re.escape(path) + r"[^\s'\":,;)]*"), known[path]) for path in ordered
        ]
        ordered_names = sorted(filter(None, names), key=len, reverse=True)
        self._names = (
            re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, ordered_names)) + r")(?!\w)")
            if ordered_names
            else None
        )

    def safe(self, text: str) -> str:
        """`text` without paths and names, on one line, of bounded length."""
        text = text[: 20 * _MAX_CHARACTERS]
        for path, words in self._paths:
            text = path.sub(words, text)
        text = _PATH.sub("a file", text)
        if self._names:
            text = self._names.sub("somebody", text)
        return " ".join(text.split())[:_MAX_CHARACTERS]

    def problem(self, kind: str, what: str, advice: str) -> Problem:
        return Problem(kind, self.safe(what), self.safe(advice))

    def problem_of(self, error: BystanderError) -> Problem:
        return self.problem(type(error).__name__, error.what, error.advice)
