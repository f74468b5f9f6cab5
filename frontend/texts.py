"""Every sentence that a visitor reads, in each language: `locales/*.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal, get_args

Language = Literal["ko", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
FOLDER: Final = Path(__file__).parent / "locales"


class Texts:
    """The sentences of one language.

    Args:
        language: of them.
        sentences: by their full keys, "upload.title".
    """

    def __init__(self, language: Language, sentences: Mapping[str, str]) -> None:
        self.language: Final = language
        self.sentences: Final = sentences

    def __call__(self, key: str, **values: object) -> str:
        """The sentence, with `values` in the place of its `{names}`.

        Raises:
            KeyError: there is no such sentence, or a value is missing.
        """
        return self.sentences[key].format_map(values)

    def __contains__(self, key: object) -> bool:
        return key in self.sentences

    def group(self, prefix: str) -> dict[str, str]:
        """The sentences under `prefix`, as they are, by the rest of their keys."""
        start = f"{prefix}."
        return {
            key.removeprefix(start): sentence
            for key, sentence in self.sentences.items()
            if key.startswith(start)
        } | {"language": self.language}

    def duration(self, seconds: float) -> str:
        """As one says it: "1 h 5 min", "1 min 20 s", "8 s"."""
        whole = max(1, round(seconds))
        hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
        if hours and minutes:
            return self("units.hours-minutes", hours=hours, minutes=minutes)
        if hours:
            return self("units.hours", hours=hours)
        if minutes >= 10 or (minutes and not rest):
            return self("units.minutes", minutes=round(whole / 60))
        if minutes:
            return self("units.minutes-seconds", minutes=minutes, seconds=rest)
        return self("units.seconds", seconds=whole)

    def size(self, size: float) -> str:
        """Bytes as one says them: "1.5 GB", "23 MB", "614 kB"."""
        if size >= 1e9:
            return f"{size / 1e9:.1f} GB"
        if size >= 1e6:
            return f"{round(size / 1e6)} MB"
        return f"{max(1, round(size / 1e3))} kB"


@cache
def texts(language: Language) -> Texts:
    """The catalogue of a language."""
    with (FOLDER / f"{language}.toml").open("rb") as file:
        return Texts(language, dict(_flat(tomllib.load(file), "")))


def language_of(asked: str | None, locale: str | None) -> Language:
    """The browser's where it is one of ours, and English for all others; unless one was asked for.

    Args:
        asked: in the address, "ko".
        locale: of the browser, "ko-KR".
    """
    for wanted in (asked, (locale or "").lower().split("-")[0]):
        if wanted in LANGUAGES:
            return wanted
    return "en"


def _flat(table: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    rows = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows
