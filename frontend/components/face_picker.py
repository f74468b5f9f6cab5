"""A photo with a frame around the face that will be used, and a button over every other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from frontend.components.parts import nothing, register

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture."""


@dataclass(frozen=True)
class FacePickerTexts:
    """`picture` describes the photo, `used` labels the frame ("This face is used"), `use` names
    the button over face `{n}`."""

    language: str
    picture: str
    used: str
    use: str


_mount = register("face_picker")


def face_picker(
    key: str,
    *,
    picture: str,
    width: int,
    height: int,
    faces: Sequence[Box],
    chosen: int | None,
    texts: FacePickerTexts,
) -> int | None:
    """Show the photo; gives the number of the face that a click chose in this run.

    Args:
        key: of the component, unique on the page.
        picture: address of the photo, "/service/...".
        width, height: of the photo, pixels.
        faces: where they are.
        chosen: number of the face that will be used.
        texts: what it says.
    """
    result = _mount(
        key=key,
        data={
            "picture": picture,
            "width": width,
            "height": height,
            "faces": [list(face) for face in faces],
            "chosen": chosen,
            "texts": asdict(texts),
        },
        on_chosen_change=nothing,
    )
    number = result.chosen
    # It came from a browser.
    return number if type(number) is int and 0 <= number < len(faces) else None
