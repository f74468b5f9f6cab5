"""`bystander models`: the networks, where they are, fetching them, and adding one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.cli.console import open_console
from bystander.cli.options import Json

models_app = typer.Typer(
    help="The networks: where they are, fetching them, and adding one's own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@models_app.command("list")
def models_list(json: Json = False) -> None:
    """Show each network, its licence, and where it is."""
    from bystander.cli.doctor import list_models

    with open_console(json) as console:
        console.table(
            "models",
            list_models(),
            {"name": "name", "licence": "licence", "": "used", "where": "where"},
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


@models_app.command("add")
def models_add(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A YOLO-seg or RF-DETR-Seg, .onnx; see docs/networks.md."
        ),
    ],
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="Its licence, e.g. Apache-2.0.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="By default its file's.", show_default=False),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", help="Who made it, and from what.")
    ] = "",
    use: Annotated[
        bool, typer.Option("--use", help="Let it find people from now on, instead of any other.")
    ] = False,
    json: Json = False,
) -> None:
    """Try a network of your own, and register a copy."""
    from bystander.cli.own_networks import add_network

    with open_console(json) as console:
        added = add_network(file, licence.strip(), name, source, use)
        console.result(**added.facts())
        for warning in added.warnings():
            console.warn(warning)


@models_app.command("use")
def models_use(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="From 'models list'; auto: as it was at first.")
    ],
    json: Json = False,
) -> None:
    """Let this network find people, instead of any other."""
    from bystander.models.registry import Registry

    with open_console(json) as console:
        Registry.of_user().use(name)
        console.result(used=name)


@models_app.command("remove")
def models_remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that was added.")],
    json: Json = False,
) -> None:
    """Forget a network that was added, and delete the copy."""
    from bystander.models.registry import Registry

    with open_console(json) as console:
        Registry.of_user().remove(name)
        console.result(removed=name)
