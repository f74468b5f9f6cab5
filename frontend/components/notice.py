"""The button by which somebody asks to be told when the job has ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class NoticeTexts:
    """`ask` is the button; then `on`, or `title_only` where the browser shows no notifications."""

    language: str
    ask: str
    on: str
    title_only: str


_mount = register("notice", "notices", "notice")


def notice(key: str, *, project: str, texts: NoticeTexts) -> None:
    """Show the button. What is told, and when, `page` knows.

    Args:
        key: of the component, unique on the page.
        project: whose jobs it is about.
        texts: what it says.
    """
    _mount(key=key, data={"project": project, "texts": asdict(texts)})
