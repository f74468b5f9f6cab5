"""`bystander edit`: apply what was mended by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.cli.console import open_console
from bystander.cli.options import Json, Overwrite
from bystander.cli.summary import pointed_in, summary_of
from bystander.files import check_file


def edit(
    video: Annotated[
        Path | None, typer.Argument(metavar="VIDEO", help="The video of the timeline.")
    ] = None,
    timeline: Annotated[
        Path | None, typer.Argument(metavar="TIMELINE", help="A file that 'analyze' made.")
    ] = None,
    edits: Annotated[
        Path | None, typer.Argument(metavar="EDITS", help="The edits, a JSON document.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="TIMELINE", help="The edited timeline to write."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of EDITS, and exit.")
    ] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Apply edits by hand to TIMELINE; 'render' then draws them."""
    from bystander.editing.document import Edits, schema_text
    from bystander.pipeline.edit import edit as run
    from bystander.timeline.archive import Timeline

    if schema:
        typer.echo(schema_text(), nl=False)
        return
    if video is None or timeline is None or edits is None or output is None:
        raise typer.BadParameter("VIDEO, TIMELINE, EDITS and -o are needed")
    with open_console(json) as console:
        check_file(output, overwrite, video, timeline, edits)
        with console.progress() as report:
            edited = run(video, Timeline.load(timeline), Edits.load(edits), output, report=report)
        header = edited.timeline.header
        console.result(timeline=str(output), **summary_of(header, pointed_in(edited.timeline)))
