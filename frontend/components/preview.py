"""How a video will look: a still, and over it a few seconds that play once they have been made."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class PreviewTexts:
    """What is said: `making` until the seconds play, `failed` where they can't be had; `label` is
    the name of what plays."""

    language: str
    label: str
    making: str
    failed: str


_mount = register("preview")


def preview(
    key: str,
    *,
    picture: str,
    alt: str,
    clip: str | None,
    size: tuple[int, int] | None,
    texts: PreviewTexts,
) -> None:
    """Show the still, and the clip as soon as it can be played.

    Args:
        key: of the component, unique on the page.
        picture: address of the still, "/service/...".
        alt: what the still shows.
        clip: address of the few seconds, which may take a while to be made; None for the still
            alone.
        size: width and height of the video, so that nothing jumps.
        texts: what it says.
    """
    data = {"picture": picture, "alt": alt, "clip": clip, "size": size, "texts": asdict(texts)}
    _mount(key=key, data=data)
