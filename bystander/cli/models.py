"""`bystander models`: the networks, where they are, and fetching them."""

from __future__ import annotations

from typing import Annotated

import typer

from bystander.cli.console import open_console
from bystander.cli.options import Json

models_app = typer.Typer(
    help="The networks: where they are, and fetching them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@models_app.command("list")
def models_list(json: Json = False) -> None:
    """Show each network, its licence, and where it is."""
    from bystander.cli.doctor import list_models

    with open_console(json) as console:
        console.table(
            "models", list_models(), {"name": "name", "licence": "licence", "where": "where"}
        )


@models_app.command("pull")
def models_pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="From 'models list'; by default all missing."),
    ] = None,
    json: Json = False,
) -> None:
    """Download networks from their publishers, verified."""
    from bystander.cli.doctor import pull_models

    with open_console(json) as console:
        for name, path in pull_models(names or ()):
            console.result(model=name, path=str(path))


@models_app.command("import-bento")
def models_import_bento(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="From 'models list'; by default all that are here."),
    ] = None,
    json: Json = False,
) -> None:
    """Copy networks into BentoML's model store."""
    from bystander.cli.doctor import import_models

    with open_console(json) as console:
        for name, tag in import_models(names or ()):
            console.result(model=name, tag=tag)
