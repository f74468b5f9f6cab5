"""The command line: a thin layer over the verbs.

Exit codes are those of `bystander.errors`; 2 is wrong usage, 1 a defect.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bystander.console import Console
from bystander.errors import BystanderError, ConfigError, SelectionError
from bystander.models import ModelSettings, load_models
from bystander.people.cast import CastMember, load_cast
from bystander.people.edits import with_decisions
from bystander.people.follow import Click
from bystander.people.timeline import Timeline
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.settings import ProfileName, load_profile

app = typer.Typer(
    name="bystander",
    help="Mask everyone in a video except the people you choose.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 2 wrong usage, 3 video, 4 photo, 5 output, 6 model, "
    "7 timeline, 8 nobody there, 9 setting, 130 stopped.",
)
models_app = typer.Typer(help="The networks: where they are, and fetching them.")
app.add_typer(models_app, name="models", no_args_is_help=True)


DEFAULT_COLOR = EffectSettings().color


Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The video to mask.")]
TimelineFile = Annotated[Path, typer.Argument(metavar="TIMELINE", help="Made by 'analyze'.")]
Cast = Annotated[
    list[Path] | None,
    typer.Option(
        "--cast",
        metavar="PATH",
        help="A person to keep: a photo, a folder of photos of one person, or a folder of such "
        "folders. May be repeated. Without it everyone is masked.",
    ),
]
KeepAt = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-at",
        metavar="SECONDS:X,Y",
        help="Keep the person at this pixel at this time, e.g. 2.4:510,260. May be repeated.",
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The result.")]
Effect = Annotated[EffectName, typer.Option("--effect", help="What is drawn over people.")]
Color = Annotated[
    str, typer.Option("--color", metavar="'#rrggbb'", help="Colour of the solid effect.")
]
ProfileOption = Annotated[
    ProfileName, typer.Option("--profile", help="How thorough, how fast (configs/pipeline.yaml).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Progress and results as JSON lines.")]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="ID", help="Keep this person (p2) or tracklet (t17)."),
]
Mask = Annotated[
    list[str] | None,
    typer.Option("--mask", metavar="ID", help="Mask this person (p2) or tracklet (t17)."),
]


@app.command()
def mask(
    video: Video,
    output: Output,
    cast: Cast = None,
    keep_at: KeepAt = None,
    effect: Effect = EffectName.BLUR,
    color: Color = DEFAULT_COLOR,
    timeline: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help="Also save the timeline, to review it."),
    ] = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask everyone in VIDEO but the cast."""
    from bystander.analyze import analyze
    from bystander.media.probe import probe
    from bystander.media.writer import check_output
    from bystander.render import render

    with _console(json) as console:
        chosen = load_profile(profile)
        drawn = _effect(effect, color)
        clicks = [_click(text) for text in keep_at or ()]
        probe(video)
        check_output(output, video, overwrite)
        if timeline is not None:
            _check_file(timeline, overwrite)
        models = load_models(ModelSettings(segmenter=chosen.analysis.segmenter))
        people = load_cast(cast or (), models.faces)
        with tempfile.TemporaryDirectory(prefix="bystander-") as scratch:
            target = timeline or Path(scratch) / "timeline"
            with console.progress() as report:
                found = analyze(
                    video,
                    target,
                    models=models,
                    settings=chosen.analysis,
                    cast=people,
                    clicks=clicks,
                    report=report,
                )
                del models  # rendering runs none, and the encoder needs the memory
                render(
                    video,
                    found,
                    output,
                    effect=drawn,
                    encoder=chosen.encoder,
                    overwrite=overwrite,
                    report=report,
                )
        _warn_missing(console, people, found)
        console.result(output=str(output), **_summary(found))


@app.command()
def analyze(
    video: Video,
    output: Output,
    cast: Cast = None,
    keep_at: KeepAt = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Find everyone in VIDEO and decide who may be seen; writes a timeline, no video."""
    from bystander.analyze import analyze as run
    from bystander.media.probe import probe

    with _console(json) as console:
        chosen = load_profile(profile)
        clicks = [_click(text) for text in keep_at or ()]
        probe(video)
        _check_file(output, overwrite)
        models = load_models(ModelSettings(segmenter=chosen.analysis.segmenter))
        people = load_cast(cast or (), models.faces)
        with console.progress() as report:
            found = run(
                video,
                output,
                models=models,
                settings=chosen.analysis,
                cast=people,
                clicks=clicks,
                report=report,
            )
        _warn_missing(console, people, found)
        console.result(timeline=str(output), **_summary(found))


@app.command()
def people(
    timeline: TimelineFile,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PEOPLE.png", help="Also draw a contact sheet."),
    ] = None,
    json: Json = False,
) -> None:
    """Show who was found, for how long, the verdict and why."""
    from bystander.sheet import contact_sheet, describe_people

    with _console(json) as console:
        loaded = Timeline.load(timeline)
        console.people(describe_people(loaded.header))
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
    save: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help="Save the timeline with the decisions."),
    ] = None,
    profile: ProfileOption = ProfileName.BALANCED,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mask VIDEO by an existing timeline, with decisions of your own. Runs no network."""
    from bystander.media.writer import check_output
    from bystander.render import render as run

    with _console(json) as console:
        chosen = load_profile(profile)
        drawn = _effect(effect, color)
        check_output(output, video, overwrite)
        if save is not None:
            _check_file(save, overwrite)
        loaded = Timeline.load(timeline)
        decided = Timeline(timeline, with_decisions(loaded.header, keep or (), mask or ()))
        with console.progress() as report:
            run(
                video,
                decided,
                output,
                effect=drawn,
                encoder=chosen.encoder,
                overwrite=overwrite,
                report=report,
            )
        if save is not None:
            loaded.save(save, decided.header)
        console.result(output=str(output), **_summary(decided))


@app.command()
def estimate(
    video: Video, profile: ProfileOption = ProfileName.BALANCED, json: Json = False
) -> None:
    """How long masking VIDEO will take on this machine, with the range."""
    from bystander.estimate import estimate as run

    with _console(json) as console:
        chosen = load_profile(profile)
        models = load_models(ModelSettings(segmenter=chosen.analysis.segmenter))
        console.estimate(run(video, models, chosen))


@models_app.command("list")
def models_list(json: Json = False) -> None:
    """Show each network, its licence, and where it was found."""
    from bystander.doctor import list_models

    with _console(json) as console:
        console.table("models", list_models())


@models_app.command("pull")
def models_pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="All that are missing.")
    ] = None,
    json: Json = False,
) -> None:
    """Download networks from their official source, verified."""
    from bystander.doctor import pull_models

    with _console(json) as console:
        for name, path in pull_models(names or ()):
            console.result(model=name, path=str(path))


@app.command()
def doctor(json: Json = False) -> None:
    """Check that everything needed is there and works."""
    from bystander.doctor import check_up

    with _console(json) as console:
        checks = check_up()
        console.table("doctor", [asdict(check) for check in checks])
        if not all(check.ok for check in checks):
            raise typer.Exit(1)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where results go.")
    ] = Path("out/demo"),
    json: Json = False,
) -> None:
    """Make a sample video of real people, keep one of them, mask the others."""
    from bystander.demo import run_demo

    with _console(json) as console, console.progress() as report:
        console.result(**run_demo(output, report))


@contextmanager
def _console(json: bool) -> Iterator[Console]:
    """Errors become one clear message and the documented exit code."""
    console = Console(json)
    try:
        yield console
    except BystanderError as error:
        console.error(error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        console.stopped()
        raise typer.Exit(130) from interrupt


def _effect(name: EffectName, color: str) -> EffectSettings:
    try:
        return EffectSettings(name=name, color=color)
    except ValueError as error:
        raise ConfigError(f"'{color}' is not a colour", "Write it like '#ff00ff'.") from error


def _click(text: str) -> Click:
    try:
        seconds, _, point = text.partition(":")
        x, _, y = point.partition(",")
        click = Click(float(seconds), float(x), float(y))
        if not (click.seconds >= 0 and click.x >= 0 and click.y >= 0):
            raise ValueError
    except ValueError as error:
        raise SelectionError(
            f"--keep-at {text} can't be read", "Write SECONDS:X,Y, for example 2.4:510,260."
        ) from error
    return click


def _check_file(path: Path, overwrite: bool) -> None:
    from bystander.errors import OutputExists, OutputUnwritable

    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists already", "Choose another name, or add --overwrite.")
    if not path.parent.is_dir():
        raise OutputUnwritable(f"the folder {path.parent} does not exist", "Make it first.")


def _warn_missing(console: Console, cast: tuple[CastMember, ...], timeline: Timeline) -> None:
    """Somebody who was to be kept but was never recognised is worth a word."""
    found = {person.name for person in timeline.header.persons}
    for member in cast:
        if member.name not in found:
            console.warn(
                f"{member.name} was not recognised anywhere and is masked. More photos, or "
                "--keep-at, may help; 'bystander people' shows everyone who was found."
            )


def _summary(timeline: Timeline) -> dict[str, object]:
    header = timeline.header
    kept = [p.name or p.id for p in header.persons if _kept(timeline, p.tracklets)]
    return {
        "frames": header.video.frames,
        "people": len(header.persons),
        "kept": kept,
        "masked": len(header.persons) - len(kept),
    }


def _kept(timeline: Timeline, tracklets: tuple[int, ...]) -> bool:
    return any(
        verdict.decision == "keep"
        for tracklet in timeline.header.tracklets
        if tracklet.id in tracklets
        for verdict in tracklet.verdicts
    )


def main() -> None:
    app()
