"""The pages against a service that is staged; nothing of a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra app")

import streamlit as st
from streamlit.testing.v1 import AppTest

from frontend import settings
from frontend.steps import estimate
from frontend.texts import Language
from tests.support.staged import PROJECT, StagedService, staged_service
from tests.support.waiting import HANGS_AFTER_SECONDS

MAIN = Path(settings.__file__).with_name("main.py")
Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def _staged() -> Iterator[StagedService]:
    with staged_service() as staged:
        yield staged


@pytest.fixture
def staged(_staged: StagedService, monkeypatch: pytest.MonkeyPatch) -> Iterator[StagedService]:
    """A project with a video, as new."""
    monkeypatch.setenv(settings.ADDRESS_VARIABLE, _staged.url)
    monkeypatch.delenv(settings.TOKENS_FILE_VARIABLE, raising=False)
    monkeypatch.delenv(settings.TOKENS_VARIABLE, raising=False)
    _staged.reset()
    st.cache_resource.clear()
    st.cache_data.clear()
    yield _staged
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def open_page(staged: StagedService) -> Open:
    """The page as a visitor opens it, or comes back to it."""

    def open_page(
        step: str | None = None,
        language: Language = "en",
        project: str | None = PROJECT,
        **more: str,
    ) -> AppTest:
        app = AppTest.from_file(str(MAIN), default_timeout=HANGS_AFTER_SECONDS)
        app.query_params["lang"] = language
        if project:
            app.query_params["project"] = project
        if step:
            app.query_params["step"] = step
        for name, value in more.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return open_page


Shown = list[dict[str, Any]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What previews were given, the newest last."""
    given: Shown = []
    monkeypatch.setattr(estimate, "preview", lambda key, **told: given.append(told))
    return given
