"""The command line: a thin layer over the verbs.

Every command runs in `open_console`, which turns errors into messages and exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bystander import __version__
from bystander.auditing.report import Result, check_page
from bystander.cli.console import Console, open_console
from bystander.cli.doctor import models_app
from bystander.cli.options import (
    DEFAULT_COLOR,
    DEFAULT_STRENGTH,
    AllowWeak,
    Audit,
    Cast,
    CodecOption,
    Color,
    DeinterlaceOption,
    Effect,
    Json,
    Keep,
    KeepAt,
    Mask,
    Output,
    Overwrite,
    ProfileOption,
    Strength,
    TimelineFile,
    Video,
    clicks_of,
    effect_of,
)
from bystander.cli.serve import serve
from bystander.errors import AuditFailed, ModelError
from bystander.files import check_file, named_after
from bystander.media.muxer import MUXERS, check_encoding, check_output
from bystander.media.probe import probe
from bystander.media.sound import plan_sound
from bystander.models import ModelSettings, load_models
from bystander.redaction.effects import EffectName
from bystander.settings import ProfileName, load_profile
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header, with_decisions

if TYPE_CHECKING:
    from bystander.pipeline.people_report import Pointed

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
  8    --keep-at, --keep or --mask names nobody
  9    a setting is unknown or out of bounds
  10   the storage of the service can't be used
  11   the audit found a leak
  12   the service refused, failed, or gave no answer
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


@app.command()
def mask(
    video: Video,
    output: Output,
    cast: Cast = None,
    keep_at: KeepAt = None,
    effect: Effect = EffectName.BLUR,
    color: Color = DEFAULT_COLOR,
    strength: Strength = DEFAULT_STRENGTH,
    allow_weak: AllowWeak = False,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            help="Also save the timeline, for 'people' and for 'render'.",
        ),
    ] = None,
    audit: Audit = False,
    codec: CodecOption = None,
    deinterlace: DeinterlaceOption = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask everyone in VIDEO but the people to keep."""
    from bystander.pipeline.mask import mask_video

    with open_console(json) as console:
        drawn = effect_of(effect, color, strength, allow_weak)
        page = named_after(output, ".audit.html") if audit else None
        with console.progress() as report:
            masked = mask_video(
                video,
                output,
                cast=cast or (),
                keep_at=clicks_of(keep_at),
                effect=drawn,
                profile=profile,
                codec=codec,
                deinterlace=deinterlace,
                timeline=timeline,
                audit=page,
                overwrite=overwrite,
                report=report,
            )
        summary = _summary(masked.header, masked.pointed_at)
        console.result(output=str(output), **summary, sound=masked.sound.summary())
        if masked.audit is not None:
            _tell(console, masked.audit, output)


@app.command()
def analyze(
    video: Video,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="TIMELINE", help="The timeline to write.")
    ],
    cast: Cast = None,
    keep_at: KeepAt = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Find everyone in VIDEO and write a timeline."""
    from bystander.pipeline.analyze import analyze as run
    from bystander.pipeline.mask import check_clicks

    with open_console(json) as console:
        chosen, clicks = load_profile(profile), clicks_of(keep_at)
        check_clicks(clicks, video, probe(video))
        check_file(output, overwrite, video)
        with console.progress() as report:
            found = run(
                video,
                output,
                settings=chosen.analysis,
                cast=cast or (),
                clicks=clicks,
                report=report,
            )
        console.result(timeline=str(output), **_summary(found.header, _pointed(found)))


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


@app.command()
def render(
    video: Video,
    timeline: TimelineFile,
    output: Output,
    keep: Keep = None,
    mask: Mask = None,
    effect: Effect = EffectName.BLUR,
    color: Color = DEFAULT_COLOR,
    strength: Strength = DEFAULT_STRENGTH,
    allow_weak: AllowWeak = False,
    save: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help="Save the timeline with the decisions."),
    ] = None,
    codec: CodecOption = None,
    deinterlace: DeinterlaceOption = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask VIDEO by a timeline; runs no network."""
    from bystander.pipeline.render import render as run

    with open_console(json) as console:
        chosen, drawn = load_profile(profile), effect_of(effect, color, strength, allow_weak)
        check_output(output, video, overwrite)
        encoder = chosen.encoder.changed({"codec": codec, "deinterlace": deinterlace})
        check_encoding(output, probe(video), video, encoder)
        sound = plan_sound(video, MUXERS[output.suffix.lower()])
        if save is not None:
            check_file(save, overwrite, video, output)
        loaded = Timeline.load(timeline)
        decided = Timeline(timeline, with_decisions(loaded.header, keep or (), mask or ()))
        with console.progress() as report:
            run(
                video,
                decided,
                output,
                effect=drawn,
                encoder=encoder,
                overwrite=overwrite,
                report=report,
            )
        if save is not None:
            loaded.save(save, decided.header)
        summary = _summary(decided.header, _pointed(decided))
        console.result(output=str(output), **summary, sound=sound.summary())


@app.command()
def audit(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The video that was masked.")],
    masked: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The masked video.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="REPORT.html", help="The report; JSON beside it."),
    ],
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            help="Who may be seen: the timeline that OUTPUT was rendered from. Without it, "
            "people who can be seen are only listed.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Attack a masked video, and report what it gives away."""
    from bystander.pipeline.audit import audit as run

    with open_console(json) as console:
        for path in (output, output.with_suffix(".json")):
            check_file(path, overwrite, source, masked, *([timeline] if timeline else []))
        check_page(output)
        for video in (source, masked):
            probe(video)
        known = None if timeline is None else Timeline.load(timeline)
        with console.progress() as report:
            found = run(source, masked, output, timeline=known, report=report)
        _tell(console, found, output)


@app.command()
def estimate(
    video: Video, profile: ProfileOption = ProfileName.BALANCED, json: Json = False
) -> None:
    """Say how long masking VIDEO will take here."""
    from bystander.pipeline.estimate import estimate as run

    with open_console(json) as console:
        chosen = load_profile(profile)
        probe(video)
        models = load_models(ModelSettings(segmenter=chosen.analysis.segmenter))
        console.estimate(run(video, models, chosen))


app.command()(serve)


@app.command()
def doctor(json: Json = False) -> None:
    """Check that everything needed is there and works."""
    from bystander.cli.doctor import check_up

    with open_console(json) as console:
        checks = check_up()
        console.table(
            "doctor",
            [asdict(check) for check in checks],
            {"check": "name", "": "ok", "found": "found"},
        )
        if failed := [check.name for check in checks if not check.ok]:
            raise ModelError(f"not in order: {', '.join(failed)}", "What was found says why.")


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the results go.")
    ] = Path("out/demo"),
    json: Json = False,
) -> None:
    """Make a sample video and mask all but one in it."""
    from bystander.cli.demo import run_demo

    with open_console(json) as console, console.progress() as report:
        console.result(**run_demo(output, report))


def _tell(console: Console, found: Result, page: Path) -> None:
    """Say what the audit came to, and where to look.

    Raises:
        AuditFailed: it found a leak. The masked video stays where it is.
    """
    console.result(report=str(page), passed=found.passed, findings=len(found.findings))
    if not found.passed:
        raise AuditFailed(f"{found.output}: {found.summary()}", f"{page} shows it.")


def _pointed(timeline: Timeline) -> Sequence[Pointed]:
    from bystander.pipeline.people_report import pointed_people

    return pointed_people(timeline)


def _summary(header: Header, pointed: Sequence[Pointed]) -> dict[str, object]:
    kept = [person.name or person.id for person in header.persons if header.is_kept(person)]
    return {
        **({"pointed_at": list(pointed)} if pointed else {}),
        "frames": header.video.frames,
        "people": len(header.persons),
        "kept": kept,
        "masked": len(header.persons) - len(kept),
    }


def main() -> None:
    app()
