"""What belongs to the whole page: its language, its title, where a screen reader is."""

from __future__ import annotations

from frontend.components.parts import register

_mount = register("page")


def page(*, language: str, title: str, step: str, skip: str) -> None:
    """Tell the browser. Where `step` is another than before, the focus goes to the page's first
    heading, so that a screen reader says where one is.

    Args:
        language: of the texts, "ko".
        title: of the browser's tab. Give it to `st.set_page_config`, too.
        step: any name that changes with the page.
        skip: what the link says that leads keyboards past the top of the page.
    """
    data = {"language": language, "title": title, "step": step, "skip": skip}
    _mount(key="page", data=data)
