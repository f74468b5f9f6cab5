"""What belongs to the whole page: its language, its title, where a screen reader is."""

from __future__ import annotations

from collections.abc import Mapping

from frontend.components.parts import nothing, register

_mount = register("page", "store", "notices", "page")


def page(
    *,
    language: str,
    title: str,
    step: str,
    asked: str,
    skip: str,
    project: Mapping[str, str] | None = None,
    job: Mapping[str, object] | None = None,
) -> None:
    """Tell the browser. Where `step` is another than before, the focus goes to the page's first
    heading, so that a screen reader says where one is.

    Args:
        language: of the texts, "ko".
        title: of the browser's tab. Give it to `st.set_page_config`, too.
        step: any name that changes with the page.
        asked: the step in the address that this look at the page came with; where the browser
            has another one in its address, and keeps it, the page runs again.
        skip: what the link says that leads keyboards past the top of the page.
        project: `id`, and the `name` of its video's file; this browser lists it from now on.
        job: the newest one of it: `id`, whether it is `active`, and `told`, what is said once it
            isn't any more to somebody who looks elsewhere; None for nothing.
    """
    data = {
        "language": language,
        "title": title,
        "step": step,
        "asked": asked,
        "skip": skip,
        "project": dict(project) if project else None,
        "job": dict(job) if job else None,
    }
    _mount(key="page", data=data, on_elsewhere_change=nothing)
