"""What the documents point at is there: files, headings, and the functions of one frame's life."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "training/*.md", "bystander/**/*.md")
    for path in REPOSITORY.glob(pattern)
)
CODE = r"^```.*?^```$|`[^`\n]+`"
LIFE = REPOSITORY / "docs/life-of-a-frame.md"


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_documents_are_found() -> None:
    assert {"README.md", "README.ko.md", "docs/architecture.md"} <= set(map(name, DOCUMENTS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(CODE, "code", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in headings(linked), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_modules_are_where_they_are_said_to_be(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        return  # of what was
    text = document.read_text(encoding="utf-8")
    for path in re.findall(
        r"`((?:bystander|benchmarks|frontend|tests|training)/[\w/]+\.py)`", text
    ):
        assert (REPOSITORY / path).exists() or "Replaced by" in text, path


def test_every_record_of_a_decision_is_in_the_list() -> None:
    listed = re.findall(r"\(adr/(.+?\.md)\)", (REPOSITORY / "docs/architecture.md").read_text())
    there = {path.name for path in (REPOSITORY / "docs/adr").iterdir()}
    assert there - set(listed) == set()


def test_the_functions_in_the_life_of_a_frame_are_where_it_says() -> None:
    text = LIFE.read_text(encoding="utf-8")
    links = re.findall(r"\[`bystander\.([\w.]+)`\]\(\.\./bystander/([\w/]+)\.py\)", text)
    assert len(links) > 40
    for dotted, path in links:
        module = path.replace("/", ".")
        assert dotted.startswith(f"{module}."), dotted
        value: object = import_module(f"bystander.{module}")
        for part in dotted.removeprefix(f"{module}.").split("."):
            value = getattr(value, part)
