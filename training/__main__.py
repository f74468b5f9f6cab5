"""`python -m training RECIPE -o OUT`: from data to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.cli.console import open_console
from bystander.config import read_config
from training.pipeline import Stage, run
from training.recipe import Recipe

app = typer.Typer(add_completion=False)


@app.command()
def main(
    recipe: Annotated[Path, typer.Argument(help="e.g. configs/training/person-seg-n.yaml")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for everything made.")],
    until: Annotated[Stage, typer.Option(help="Stop after this stage.")] = Stage.EVALUATION,
) -> None:
    """Make a person segmenter by a recipe. An interrupted run goes on where it stopped."""
    with open_console(as_json=False) as console, console.progress() as report:
        run(read_config(recipe, Recipe), output, until, console.note, report)
        console.result(output=str(output))


if __name__ == "__main__":
    app()
