"""What browsers are told with every answer: to trust nothing but this server.

The address of the page holds the project's id, which is all that one needs to have the project:
so it goes nowhere in a Referer, and nothing on the page may come from, or go, elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
PAGE: Final = Path(streamlit.__file__).parent / "static" / "index.html"
INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """Adds `HEADERS` and the content policy where an answer has none of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        policy = content_policy(PAGE.read_text(encoding="utf-8"))
        self._headers = {**HEADERS, "Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, hardened if scope["type"] == "http" else send)


def content_policy(page: str) -> str:
    """The Content-Security-Policy under which Streamlit works.

    Args:
        page: the HTML of Streamlit's page, whose inline scripts are allowed by their hashes.
    """
    scripts = " ".join(f"'sha256-{digest}'" for digest in _digests(INLINE_SCRIPT.findall(page)))
    return "; ".join(
        (
            "default-src 'none'",
            # blob: is how Streamlit loads the script of a component. WebAssembly is compiled in
            # one of its libraries; that allows no eval of JavaScript.
            f"script-src 'self' blob: 'wasm-unsafe-eval' {scripts}",
            # Streamlit makes its styles as it goes; some bring fonts and pictures with them.
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data: blob:",
            "media-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    )


def _digests(scripts: Iterable[str]) -> list[str]:
    return [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
