"""Whether the server is being stopped: for what would go on for long."""

from __future__ import annotations

import signal


def server_stops() -> bool:
    """Whether uvicorn was told to stop. It waits for open connections, and tells nobody."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
