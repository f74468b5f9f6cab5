"""How soon the app shows: seconds until somebody can begin.

    python -m benchmarks.app

From the navigation of a browser that has never been here (no cache, no connection) until both the
title and the button that chooses a video can be seen, all on this machine. The first visit to an
app that was just started is told apart: it imports Streamlit's and the page's modules.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from benchmarks.app.stage import NoBrowser, staged
from frontend.texts import texts

VISITS: Final = 5
LIMIT: Final = 2.0
"""Seconds, of the median."""


def main() -> int:
    """Prints the figures; the status is 1 where the median is above the limit."""
    try:
        with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
            first = visit(stage.browser, stage.url)
            later = [visit(stage.browser, stage.url) for _ in range(VISITS)]
    except NoBrowser as error:
        sys.exit(str(error))
    median = statistics.median(later)
    print(f"first visit after the start: {first:.2f} s")
    print(f"cold browser: median {median:.2f} s of {', '.join(f'{s:.2f}' for s in sorted(later))}")
    print(f"limit: {LIMIT} s")
    return 0 if median <= LIMIT else 1


def visit(browser: Browser, url: str) -> float:
    """Seconds from the navigation until one can begin, in a browser context of its own."""
    english = texts("en")
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", level=1, name=english("upload.title")).wait_for()
    page.get_by_role("button", name=english("video_uploader.choose")).wait_for()
    seconds = time.perf_counter() - begun
    context.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
