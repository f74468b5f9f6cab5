"""`bystander export`: a timeline for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bystander.choices import ExportFormat, ShapeName
from bystander.cli.console import open_console
from bystander.cli.options import Json, Overwrite, ShapeOption, TimelineFile


def export(
    timeline: TimelineFile,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="The file to write; of png a folder."),
    ],
    format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="ffv1: mattes as grey video (.mkv); prores: the clear picture with the mattes as "
            "its alpha (.mov), which shows everybody unmasked; png: mattes, a picture a frame; "
            "coco: masks (.json); mot: boxes of everyone (.txt); mot-json: the "
            "same by frame, with verdicts (.json); edl, fcpxml, csv: markers where "
            "a verdict is doubtful.",
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="VIDEO",
            help="The video that TIMELINE was made from; mattes and coco need it.",
        ),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            metavar="ID",
            help="Mattes of this person (p2) in a file OUT.p2 of their own; all: of each who is "
            "masked. May be repeated.",
        ),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option("--audit", metavar="JSON", help="Findings of this audit become markers, too."),
    ] = None,
    shape: ShapeOption = ShapeName.SILHOUETTE,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write what editors and data sets take: mattes, masks, boxes, markers."""
    from bystander.pipeline.export import export as run
    from bystander.redaction.effects import EffectSettings
    from bystander.timeline.archive import Timeline

    with open_console(json) as console, console.progress() as report:
        written = run(
            Timeline.load(timeline),
            output,
            format,
            video=video,
            persons=person,
            audit=audit,
            effect=EffectSettings(shape=shape),
            overwrite=overwrite,
            report=report,
        )
        console.result(files=[str(path) for path in written])
