"""What is said about damage: in one line, and once."""

from __future__ import annotations

import logging
import threading


class SayOnce(logging.Filter):
    """Lets each message pass once, however many passes over a video come upon its cause."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()
        self._lock = threading.Lock()  # a filter runs outside of its handler's lock

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        with self._lock:
            new = message not in self._said
            self._said.add(message)
        return new


class Tally:
    """Counts what goes wrong again and again, to say it in one sentence.

    Args:
        name: of the file that it is about.
        one: the sentence for a single time, `{first}` in it.
        many: for several, `{count}` and `{first}` in it.
    """

    def __init__(self, name: object, one: str, many: str) -> None:
        self._name, self._one, self._many = name, one, many
        self._count = 0
        self._first = ""

    def add(self, where: object) -> None:
        """Once more, at `where`."""
        self._first = self._first or str(where)
        self._count += 1

    def tell(self, log: logging.Logger) -> None:
        """Log the sentence, as a warning, if there is anything to say; count anew."""
        if self._count:
            sentence = self._one if self._count == 1 else self._many
            text = sentence.format(count=self._count, first=self._first)
            log.warning("%s: %s", self._name, text)
        self._count, self._first = 0, ""
