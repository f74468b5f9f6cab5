"""Reports of training: captions come from data sets, and are shown as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.pages import Page


def test_a_page_needs_nothing_else_and_escapes_whatever_it_is_given(tmp_path: Path) -> None:
    page = Page("<i>title")
    page.heading("<i>heading")
    page.text("<i>text")
    page.table([{"<i>column": "<i>cell"}])
    page.pictures([(np.zeros((4, 4, 3), np.uint8), '"><i>caption')])
    page.save(tmp_path / "page.html")

    html = (tmp_path / "page.html").read_text()
    assert "<i>" not in html
    assert html.count("&lt;i&gt;") == 8  # the title and the caption twice
    assert "data:image/jpeg;base64," in html
    assert "http" not in html
