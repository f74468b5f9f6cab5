"""The web app's server: `streamlit run frontend/app.py`.

It serves the page, main.py, and the way through to the service, proxy.py.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from frontend.access import Access
from frontend.headers import SecurityHeaders
from frontend.proxy import PREFIX, Proxy
from frontend.settings import AppSettings, SettingsError, load_settings
from frontend.texts import language_of, texts


def on_script_error(_: Exception) -> bool:
    """A plain sentence, and nothing of the defect; Streamlit has logged that for the operator."""
    from frontend.page import LANGUAGE  # its caches want Streamlit to be running

    language = language_of(st.query_params.get(LANGUAGE), st.context.locale)
    st.error(texts(language)("app.defect"))
    return True


def settings_or_exit() -> AppSettings:
    """Ends the process with one sentence where a setting can't be used."""
    try:
        return load_settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")


# Both would note the address of every request, with ids of projects and names of people in it.
for library in ("httpx", "httpcore"):
    logging.getLogger(library).setLevel(logging.WARNING)

settings = settings_or_exit()
proxy = Proxy(settings.address, settings.token)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """What lives as long as the server."""
    async with proxy.open():
        yield


# Streamlit looks for this very call in the file before it runs it.
app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=lifespan,
    routes=[Route(f"{PREFIX}/{{path:path}}", proxy)],
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(Access, hosts=settings.hosts, proxies=settings.proxies, secret=settings.token),
    ],
    on_script_error=on_script_error,
)
