"""The two READMEs say the same: commands, figures and links, in English and in Korean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.conftest import REPOSITORY

ENGLISH = (REPOSITORY / "README.md").read_text(encoding="utf-8")
KOREAN = (REPOSITORY / "README.ko.md").read_text(encoding="utf-8")
BLOCK = r"^```.*?^```$"
LINK = r"\]\(([^)]+)\)"


def commands(text: str) -> Counter[str]:
    blocks = re.findall(BLOCK, text, re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(BLOCK, "", text, flags=re.M | re.S))
    return Counter(blocks + inline)


def figures(text: str) -> Counter[str]:
    prose = re.sub(BLOCK + "|`[^`\n]+`|" + LINK, "", text, flags=re.M | re.S)
    return Counter(re.findall(r"\d+(?:\.\d+)*", prose))


def links(text: str) -> Counter[str]:
    """Targets without the language of a page or a picture."""
    return Counter(
        re.sub(r"README\.ko|-(?:ko|en)(?:-light|-dark)?(?=\.)", "README", target)
        for target in re.findall(LINK, text)
    )


@pytest.mark.parametrize("facts", [commands, figures, links])
def test_both_languages_say_the_same(facts: Callable[[str], Counter[str]]) -> None:
    english, korean = facts(ENGLISH), facts(KOREAN)
    assert english
    assert korean - english == Counter(), "only in README.ko.md"
    assert english - korean == Counter(), "only in README.md"


def test_each_begins_with_a_link_to_the_other() -> None:
    assert ENGLISH.startswith("[한국어](README.ko.md)\n")
    assert KOREAN.startswith("[English](README.md)\n")
