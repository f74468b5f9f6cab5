"""The projects that were begun in this browser. It alone knows which they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from frontend.components.parts import register


@dataclass(frozen=True)
class ProjectsTexts:
    """`title` and `about` stand above the list, `unnamed` for a video whose file has no name.

    States: `asking` until the service has answered, `away` where it doesn't; `begun`, `ready` (its
    video has arrived), `working`, `found` (everyone was found, no video made), `done`, `changed`
    (since the video was made), `failed`. `forget` empties the list, after `forget_sure`, with
    `forget_go`; `back` doesn't.
    """

    language: str
    title: str
    about: str
    unnamed: str
    asking: str
    away: str
    begun: str
    ready: str
    working: str
    found: str
    done: str
    changed: str
    failed: str
    forget: str
    forget_sure: str
    forget_go: str
    back: str


_mount = register("projects", "store", "projects")


def projects(key: str, *, texts: ProjectsTexts) -> None:
    """List them with what the service says of each; nothing at all where there are none.

    Args:
        key: of the component, unique on the page.
        texts: what it says.
    """
    _mount(key=key, data={"texts": asdict(texts)})
