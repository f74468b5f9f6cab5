"""The command line: a thin layer over the verbs.

Every command runs in `open_console`, which turns errors into messages and exit codes. What it
runs is imported by it, before the console opens: `--help` loads nothing, `render` no network.
What paths alone tell is wrong is refused before that (`check_at_once`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bystander import __version__
from bystander.choices import LicenceUse, ProfileName
from bystander.cli.audit import audit
from bystander.cli.console import open_console
from bystander.cli.edit import edit
from bystander.cli.export import export
from bystander.cli.mask import mask
from bystander.cli.models import models_app
from bystander.cli.options import (
    CastOption,
    ClusterOption,
    DeviceOption,
    Json,
    KeepAt,
    LicenceOption,
    Overwrite,
    PrecisionOption,
    ProcessesOption,
    ProfileOption,
    TimelineFile,
    VideoArgument,
    Work,
    clicks_of,
)
from bystander.cli.paths import check_at_once
from bystander.cli.preset import PresetOption
from bystander.cli.render import render
from bystander.cli.summary import pointed_in, summary_of
from bystander.errors import ModelError
from bystander.files import check_file

HELP = """Mask everyone in a video except the people you choose.

\b
  bystander mask holiday.mp4 --cast photos/anna -o masked.mp4

To look before you mask: 'analyze' finds everyone, 'people' shows who was found,
'render' masks them, with any verdict changed by hand.
"""
EXIT_CODES = """\b
Exit codes:
  0    done
  1    a defect of the program; please report it
  2    wrong usage of the command line
  3    the video can't be read or processed
  4    a photo of the cast can't be used
  5    the result can't be written
  6    a network, or another part of the installation, is missing or damaged
  7    the timeline can't be used
  8    --keep-at, --mask-at, --keep or --mask names nobody
  9    a setting is unknown or out of bounds
  10   the storage of the service can't be used
  11   the audit found a leak
  12   the service refused, failed, or gave no answer
  13   workers died over a part of the work, or the cluster can't be reached
  14   of a folder's videos, some weren't masked, or show more than they should
  130  stopped by Ctrl-C (143 by kill); nothing half-written is left
"""

app = typer.Typer(
    name="bystander",
    help=HELP,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


app.add_typer(models_app, name="models")

BACKEND_COLUMNS = {
    "backend": "name",
    "ms": "milliseconds",
    "IoU %": "iou_percent",
    "scores +-%": "score_percent",
    "lost, new": "unmatched",
    "": "verdict",
}
PEOPLE_COLUMNS = {
    "id": "id",
    "who": "name",
    "from": "from",
    "seconds": "seconds",
    "verdict": "verdict",
    "why": "reason",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bystander {__version__}")
        raise typer.Exit


@app.callback()
def bystander(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command()(mask)


@app.command()
def analyze(
    video: VideoArgument,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="TIMELINE", help="The timeline to write.")
    ],
    cast: CastOption = None,
    keep_at: KeepAt = None,
    profile: ProfileOption = ProfileName.BALANCED,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    licence: LicenceOption = None,
    processes: ProcessesOption = None,
    cluster: ClusterOption = None,
    work: Work = None,
    preset: PresetOption = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Find everyone in VIDEO and write a timeline."""
    with open_console(json):
        check_at_once(video, output, overwrite, cast)
    from bystander.executors.choice import executor_of, parallel_of
    from bystander.media.probe import probe
    from bystander.pipeline.analyze import analyze as run
    from bystander.settings import load_profile
    from bystander.tracking.clicks import check_clicks

    with open_console(json) as console:
        chosen = load_profile(profile).on(device, precision, licence)
        clicks = clicks_of(keep_at)
        check_clicks(clicks, video, probe(video))
        check_file(output, overwrite, video)
        executor = executor_of(processes, cluster)
        with (
            parallel_of(executor, work, video, output) as parallel,
            console.progress() as report,
        ):
            found = run(
                video,
                output,
                settings=chosen.analysis,
                cast=cast or (),
                clicks=clicks,
                report=report,
                parallel=parallel,
            )
        console.result(timeline=str(output), **summary_of(found.header, pointed_in(found)))


@app.command()
def people(
    timeline: TimelineFile,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PEOPLE.png", help="Also draw them on a contact sheet."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Show who was found, how long, verdict and why."""
    from bystander.pipeline.people_report import contact_sheet, describe_people
    from bystander.timeline.archive import Timeline

    with open_console(json) as console:
        loaded = Timeline.load(timeline)
        if sheet is not None:
            check_file(sheet, overwrite, timeline)
        console.table(
            "people",
            [person.as_row() for person in describe_people(loaded.header, loaded.times())],
            PEOPLE_COLUMNS,
        )
        if sheet is not None:
            contact_sheet(loaded, sheet)
            console.result(sheet=str(sheet))


app.command()(render)


app.command()(edit)


app.command()(audit)
app.command()(export)


@app.command()
def estimate(
    video: VideoArgument,
    profile: ProfileOption = ProfileName.BALANCED,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    json: Json = False,
) -> None:
    """Say how long masking VIDEO will take here."""
    from bystander.media.probe import probe
    from bystander.models import load_models
    from bystander.pipeline.estimate import estimate as run
    from bystander.settings import load_profile

    with open_console(json) as console:
        chosen = load_profile(profile).on(device, precision)
        probe(video)
        models = load_models(chosen.analysis.model_settings())
        console.estimate(run(video, models, chosen))


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")] = 3000,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="For everything that is stored."),
    ] = None,
    json: Json = False,
) -> None:
    """Start the service; its settings are in configs/service.yaml."""
    from bystander.cli.serve import become_service

    with open_console(json):
        become_service(host, port, data)


@app.command()
def doctor(licence: LicenceOption = None, json: Json = False) -> None:
    """Check that everything needed is there and works."""
    from bystander.cli.doctor import check_up, list_backends

    with open_console(json) as console:
        checks = check_up(licence or LicenceUse.ANY)
        console.table(
            "doctor",
            [asdict(check) for check in checks],
            {"check": "name", "": "ok", "found": "found"},
        )
        console.table("backends", list_backends(licence or LicenceUse.ANY), BACKEND_COLUMNS)
        if failed := [check.name for check in checks if not check.ok]:
            raise ModelError(f"not in order: {', '.join(failed)}", "What was found says why.")


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the results go.")
    ] = Path("out/demo"),
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    json: Json = False,
) -> None:
    """Make a sample video and mask all but one in it."""
    from bystander.cli.demo import run_demo

    with open_console(json) as console, console.progress() as report:
        console.result(**run_demo(output, report, device, precision))


def main() -> None:
    app()
