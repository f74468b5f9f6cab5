"""Markdown of a page -> the same for the site, which holds nothing but docs/.

In the repository, pages link to code and to other files beside docs/. On the site such a link
becomes its text; it is a warning, and so an error, where the file doesn't exist.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("mkdocs.plugins.hooks")

LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page with the links that lead out of docs/ replaced by their texts."""
    docs = Path(config["docs_dir"])
    folder = (docs / page.file.src_uri).parent

    def within(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link["target"]))
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            log.warning("%s links to %s, which doesn't exist", page.file.src_uri, link["target"])
        return link["text"]

    return LINK.sub(within, markdown)
