"""A video to watch, with a plain sentence where the browser can't play it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class PlayerTexts:
    """What the player says; `label` is the video's name for a screen reader."""

    language: str
    label: str
    unplayable: str
    away: str
    try_again: str


_mount = register("player")


def player(key: str, *, src: str, poster: str | None, texts: PlayerTexts) -> None:
    """Show the video at `src`.

    Args:
        key: of the component, unique on the page.
        src: address of the video, "/service/...".
        poster: address of the picture before it plays.
        texts: what it says.
    """
    _mount(key=key, data={"src": src, "poster": poster, "texts": asdict(texts)})
