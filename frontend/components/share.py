"""A link to be copied. Only the browser knows under which address it sees the app."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class ShareTexts:
    """`link` names the field, `copy` the button, `copied` is read out once it has been."""

    language: str
    link: str
    copy: str
    copied: str


_mount = register("share")


def share(key: str, *, query: str, texts: ShareTexts) -> None:
    """Show the link, with a button that copies it.

    Args:
        key: of the component, unique on the page.
        query: what stands behind the app's address, "shared=nT5o".
        texts: what it says.
    """
    _mount(key=key, data={"query": query, "texts": asdict(texts)})
