"""`--preset FILE`: options from a file, where the command line gives none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.cli.console import open_console


def _take(context: typer.Context, path: Path | None) -> Path | None:
    """Let the options that aren't given be those of the file."""
    if path is None or context.resilient_parsing:
        return path
    from bystander.preset import load_preset

    with open_console(as_json=False):
        options = load_preset(path).options()
    there = {parameter.name for parameter in context.command.params}
    given = {name: value for name, value in options.items() if name in there}
    context.default_map = {**(context.default_map or {}), **given}
    return path


PresetOption = Annotated[
    Path | None,
    typer.Option(
        "--preset",
        metavar="FILE",
        callback=_take,
        is_eager=True,
        help="Take options from this file (YAML, or TOML by its name): profile: thorough, audit: "
        "true, and so on. What the command line says goes first.",
        show_default=False,
    ),
]
