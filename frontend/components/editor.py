"""The review player: everyone's outline over the video, kept, masked and mended by hand.

The browser gets all it shows from the service by itself, and saves the edits there
(docs/editing.md); the page is told only that they are others now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from frontend.components.parts import nothing, register

SCRIPTS: Final = (
    "pictures", "editor_model", "editor_frames", "editor_tracks", "editor_stage", "editor_paint",
    "editor_draw", "editor_strip", "editor_menu", "editor_people", "editor_bars",
    "editor_findings", "editor_actions", "editor",
)  # fmt: skip

_mount = register("editor", *SCRIPTS, styles=("editor_people",))


def editor(key: str, *, base: str, video: str, checked: str, texts: Mapping[str, str]) -> bool:
    """Show the player; gives whether there are edits that the service doesn't have yet.

    The page runs again when edits have been saved, or can't be.

    Args:
        key: of the component, unique on the page.
        base: address of the project, "/service/projects/3f2a".
        video: address of the video.
        checked: names the result that was checked, another one has other findings; "" for none.
        texts: what it says, by name.
    """
    data = {"base": base, "video": video, "checked": checked, "texts": dict(texts)}
    result = _mount(key=key, data=data, default={"edits": None}, on_edits_change=nothing)
    match result.edits:  # it came from a browser
        case {"unsaved": bool(unsaved)}:
            return unsaved
    return False
