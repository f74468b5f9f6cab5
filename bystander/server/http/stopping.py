"""Whether the server is being stopped, or who asked is gone: for what would go on for long."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Final

from fastapi import Request

ASK_SECONDS: Final = 0.5
"""Between two looks whether somebody still waits."""


def server_stops() -> bool:
    """Whether uvicorn was told to stop. It waits for open connections, and tells nobody."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))


async def tell_when_gone(request: Request, gone: threading.Event) -> None:
    """Set `gone` once the client has left. Ends then, or by being cancelled."""
    while not await request.is_disconnected():
        await asyncio.sleep(ASK_SECONDS)
    gone.set()
