"""Prints the requirements of one extra of pyproject.toml, one a line.

pip can install a package with an extra, or the package without its dependencies, but not the
extra alone, which is all that the web app's image needs: `python extra.py app > app.txt`.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extra: str) -> list[str]:
    """What the optional dependencies called `extra` name.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    named: list[str] = project["optional-dependencies"][extra]
    return named


if __name__ == "__main__":
    print(*requirements(Path("pyproject.toml"), sys.argv[1]), sep="\n")
