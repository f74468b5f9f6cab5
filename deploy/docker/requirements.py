"""Prints what pip is to install in an image: requirements of pyproject.toml, one a line.

`python requirements.py . serve` gives the library's own (`.`) and those of its extra `serve`.
An image holds the code itself as a folder, not as an installed package: the service starts from
service.py, which lies beside the folder, and a change of code installs nothing again.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

OWN = "."


def requirements(pyproject: Path, *groups: str) -> Iterator[str]:
    """What each of `groups`, `OWN` or the name of an extra, requires.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    for group in groups:
        named = project["dependencies" if group == OWN else "optional-dependencies"]
        yield from named if group == OWN else named[group]


if __name__ == "__main__":
    print(*requirements(Path("pyproject.toml"), *sys.argv[1:]), sep="\n")
