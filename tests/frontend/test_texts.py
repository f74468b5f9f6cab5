"""The catalogue: complete in every language, and all that the pages ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from bystander import errors
from bystander.choices import EffectName
from frontend import page, wording
from frontend.choices import EFFECTS
from frontend.texts import LANGUAGES, Language, language_of, texts

FRONTEND = Path(page.__file__).parent
KOREAN, ENGLISH = texts("ko"), texts("en")
HANGUL = re.compile("[가-힣]")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_sentences_with_the_same_values(language: Language) -> None:
    sentences, english = texts(language).sentences, ENGLISH.sentences

    assert sentences.keys() == english.keys()
    for key in sentences:
        assert placeholders(sentences[key]) == placeholders(english[key]), key


def test_korean_is_korean_and_english_is_english() -> None:
    for key, text in KOREAN.sentences.items():
        words = re.sub(r"\{\w+\}", "", text)
        if key not in ("app.name", "app.other-language", "facts.rate") and re.search(
            r"[A-Za-z]{2}", words
        ):
            assert HANGUL.search(words), key
    for key, text in ENGLISH.sentences.items():
        assert key == "app.other-language" or not HANGUL.search(text), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_percentage_is_without_its_sign(language: Language) -> None:
    percentages = {k: t for k, t in texts(language).sentences.items() if "{percent}" in t}

    assert len(percentages) >= 6
    assert {k for k, t in percentages.items() if "{percent}%" not in t} == set()


def literal_keys() -> Iterator[str]:
    """Of `texts("...")` in the pages' sources."""
    for source in FRONTEND.rglob("*.py"):
        yield from re.findall(r"""\b(?:texts|catalogue)\(\s*["']([a-z-]+\.[\w.-]+)["']""",
                              source.read_text(encoding="utf-8"))  # fmt: skip


def test_every_sentence_that_a_page_asks_for_is_there() -> None:
    asked = set(literal_keys())

    assert len(asked) > 50
    assert {key for key in asked if key not in ENGLISH} == set()


def families() -> Iterator[str]:
    """Names of errors that can reach a visitor: of videos, photos, results, networks, storage."""
    visible = (errors.VideoError, errors.PhotoError, errors.OutputError, errors.ModelError)
    waiting = [*visible, errors.StorageError]
    while waiting:
        kind = waiting.pop()
        yield kind.__name__
        waiting += [c for c in kind.__subclasses__() if c.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", sorted({*families()} - {"PhotoError", "OutputExists"}))
def test_every_error_of_the_library_has_its_own_sentences(kind: str) -> None:
    other = page.told(ENGLISH, "other")

    assert page.told(ENGLISH, kind) != other
    assert page.told(KOREAN, kind) != page.told(KOREAN, "other")


def test_an_unknown_error_still_says_what_to_do() -> None:
    what, advice = page.told(ENGLISH, "SomethingNew")

    assert what
    assert advice


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_and_finding_has_a_sentence(language: Language) -> None:
    for kind in ("face", "body", "click", "user", "doubt"):
        assert f"why.{kind}" in texts(language)
    for kind in set(wording.FINDINGS.values()):
        assert f"audit.{kind}" in texts(language)


def test_every_effect_of_the_library_can_be_chosen() -> None:
    assert set(EFFECTS) == {effect.value for effect in EffectName}
    assert {effect for effect in EFFECTS if f"effects.{effect}" not in ENGLISH} == set()


@pytest.mark.parametrize(
    ("asked", "locale", "language"),
    [
        (None, "ko-KR", "ko"),
        (None, "ko", "ko"),
        (None, "en-GB", "en"),
        (None, "fr", "en"),
        (None, None, "en"),
        ("en", "ko-KR", "en"),
        ("ko", "en-US", "ko"),
        ("klingon", "ko-KR", "ko"),
    ],
)
def test_korean_browsers_get_korean_unless_asked_otherwise(
    asked: str | None, locale: str | None, language: Language
) -> None:
    assert language_of(asked, locale) == language


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (8.4, "8 s"),
        (59.6, "1 min"),
        (80, "1 min 20 s"),
        (119.7, "2 min"),
        (754, "13 min"),
        (3900, "1 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert ENGLISH.duration(seconds) == said


def test_sizes() -> None:
    assert ENGLISH.size(1.52e9) == "1.5 GB"
    assert ENGLISH.size(23.4e6) == "23 MB"
    assert ENGLISH.size(614_000) == "614 kB"
    assert ENGLISH.size(10) == "1 kB"
