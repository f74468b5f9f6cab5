"""The documentation: it builds, names everything public, and leads nowhere that isn't there."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import bystander
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"


@pytest.mark.long
def test_it_builds_without_a_warning_and_names_everything_public(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = [page.read_text() for page in (tmp_path / "reference").glob("*.html")]
    for name in set(bystander.__all__) - {"__version__"}:
        assert any(f'.{name}"' in page for page in pages), f"{name} is on no page"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_site(hooks: ModuleType, markdown: str, page: str = "adr/0001-pyav-for-video.md") -> str:
    file = SimpleNamespace(src_uri=page)
    changed = hooks.on_page_markdown(
        markdown, SimpleNamespace(file=file), {"docs_dir": str(DOCS)}, None
    )
    assert isinstance(changed, str)
    return changed


def test_links_within_the_documentation_stay(hooks: ModuleType) -> None:
    text = "[formats](../formats.md#sound) ![a picture](../../README.md) [site](https://x.example)"
    assert on_site(hooks, text) == text


def test_a_link_to_the_code_becomes_its_text(
    hooks: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    text = "see [`render`](../bystander/__init__.py#L1), [here](../README.md)"
    assert on_site(hooks, text, "architecture.md") == "see `render`, here"
    assert caplog.records == []


def test_a_link_to_what_is_gone_is_a_warning(
    hooks: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    on_site(hooks, "[old](../bystander/gone.py)", "architecture.md")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "architecture.md links to ../bystander/gone.py" in caplog.text
