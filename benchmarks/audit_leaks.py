"""Does the audit find leaks? Plants some in videos that were masked well, and audits them.

python -m benchmarks.audit_leaks                    all clips
python -m benchmarks.audit_leaks demo hamilton      some of them
python -m benchmarks.audit_leaks --work DIR         keep what is made there, and use it again
python -m benchmarks.audit_leaks -o table.json      the table as JSON, too
python -m benchmarks.audit_leaks --every 50         networks look seldom: a third of the time

The audit gets the true timeline. A moved mask counts as a leak where it uncovers at least
one part in a hundred of the person; moves that growth or other people's masks make up for
are listed, but are none. A clean file passes if nothing at all is called a leak in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import imageio_ffmpeg

from benchmarks.material import Clip, use_shared_models
from benchmarks.planting import (
    Masked,
    Planted,
    Tamper,
    Tampered,
    dropped,
    files_with_extras,
    planned,
    shifted,
    uncovered,
    weakly_blurred,
)
from benchmarks.quality.truth import point_inside
from bystander.auditing.findings import AuditSettings, Finding
from bystander.auditing.report import AuditResult
from bystander.auditing.streams import carried, carried_in_frame
from bystander.choices import EffectName
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import Models, load_models
from bystander.pipeline.audit import audit
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline

SET_ON: Final = ("demo", "hamilton", "schoolgirls", "schoolgirls-one-kept", "opera", "plaza")
"""Clips that were looked at when the audit's thresholds were set."""
ONLY_TESTED: Final = ("interview", "swings")
KEPT_GIRL: Final = 2
PLAZA_FRAMES: Final = 100
QUALITIES: Final = (20, 30)
"""Constant rate factors: the default, and visibly poor."""
WEAK: Final = (0.15, 0.3)
"""Standard deviation of a weak blur, in cells of the proper one: see `redaction.effects`."""
EXTRAS: Final = "tags and streams"
UNCOVERS: Final = 0.01
"""Share of a person that a moved mask must show to be a leak."""


@dataclass(frozen=True)
class Score:
    """What came of one kind of leak in one clip.

    Attributes:
        planted, found: leaks; for clean files and harmless moves, none are planted.
        alarms: findings called leaks that nobody planted.
        files: how many were audited.
    """

    clip: str
    kind: str
    planted: int
    found: int
    alarms: int
    files: int = 1

    def __str__(self) -> str:
        numbers = f"{self.planted:7d} {self.found:6d} {self.alarms:12d}"
        return f"{self.clip:20} {self.kind:28} {numbers}"


def prepared(name: str, work: Path) -> Masked:
    """Mask a clip with the program's defaults, unless it was."""
    source, timeline, output = (work / f"{name}{end}" for end in ("-source.mp4", "", ".mp4"))
    timeline = timeline.with_suffix(".timeline")
    options: list[str] = []
    if name == "demo":
        folder = work / "demo"
        source, timeline, output = (folder / n for n in ("source.mp4", "timeline", "masked.mp4"))
    elif name == "plaza":
        if not source.exists():
            _cut(Clip(name).folder / "video.avi", source, PLAZA_FRAMES)
    else:
        clip = Clip(name.removesuffix("-one-kept"))
        source = clip.video
        if name.endswith("-one-kept"):
            frame, x, y = point_inside(clip.persons, KEPT_GIRL)
            options = ["--keep-at", f"{frame / float(probe(source).average_rate)}:{x},{y}"]
        elif (clip.folder / "cast").is_dir():
            (cast, *_) = sorted((clip.folder / "cast").iterdir(), reverse=True)
            options = ["--cast", str(cast)]
    if not output.exists() or not timeline.exists():
        command = ["mask", str(source), "-o", str(output), "--timeline", str(timeline), *options]
        command = ["demo", "-o", str(output.parent)] if name == "demo" else command
        subprocess.run([sys.executable, "-m", "bystander", *command], check=True)
    return Masked(name, source, Timeline.load(timeline), output)


def _cut(video: Path, output: Path, frames: int) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(video)]
    command += ["-frames:v", str(frames), "-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(output)], check=True)


def scores(masked: Masked, models: Models, settings: AuditSettings, work: Path) -> Iterator[Score]:
    yield from score_clean(masked, models, settings, work)
    everybody, one = planned(masked, True), planned(masked, False)
    output = _rendered(masked, "frame unmasked", dropped(everybody), work)
    yield _score(masked, "frame unmasked", everybody, audited(masked, output, models, settings))
    output = _rendered(masked, "person dropped", dropped(one), work)
    yield _score(masked, "person dropped, 3 frames", one, audited(masked, output, models, settings))
    output = _rendered(masked, "mask shifted", shifted(one), work)
    result = audited(masked, output, models, settings)
    leaks = [leak for leak in one if uncovered(masked, output, leak) >= UNCOVERS]
    harmless = [leak for leak in one if leak not in leaks]
    yield _score(masked, "mask shifted, 3 frames", leaks, result, harmless)
    told = sum(_about(result, leak, masked) for leak in harmless)
    yield Score(masked.name, f"(shifted, harmless: {told} of {len(harmless)} told)", 0, 0, 0, 0)
    yield from score_weak(masked, models, settings, work)


def score_clean(
    masked: Masked, models: Models, settings: AuditSettings, work: Path
) -> Iterator[Score]:
    for effect in EffectName:
        for quality in QUALITIES:
            output = work / f"{masked.name}-clean-{effect}-{quality}.mp4"
            render(
                masked.source,
                masked.timeline,
                output,
                effect=EffectSettings(name=effect),
                encoder=EncoderSettings(crf=quality),
                overwrite=True,
            )
            result = audited(masked, output, models, settings)
            yield _score(masked, f"clean, {effect}, {quality}", (), result)


def score_weak(
    masked: Masked, models: Models, settings: AuditSettings, work: Path
) -> Iterator[Score]:
    whole = [Planted(0, masked.timeline.header.video.frames, None)]
    for sigma in WEAK:
        output = work / f"{masked.name}-weak-{sigma}.mp4"
        weakly_blurred(masked, sigma, output)
        yield _score(
            masked, f"blur of {sigma} cells", whole, audited(masked, output, models, settings)
        )
    for name in (EffectName.BLUR, EffectName.MOSAIC):
        output = work / f"{masked.name}-half-{name}.mp4"
        effect = EffectSettings(name=name, strength=0.5, allow_weak=True)
        render(masked.source, masked.timeline, output, effect=effect, overwrite=True)
        result = audited(masked, output, models, settings)
        yield _score(masked, f"{name} at half the strength", whole, result)


def score_extras(masked: Masked, work: Path) -> Score:
    """Metadata and streams; the pictures are the masked video's own."""
    names, missed = [], []
    for name, path in files_with_extras(masked, work):
        names.append(name)
        if not _carries(path):
            missed.append(name)
    for name in missed:
        print(f"  missed: {masked.name} {name}")
    found, alarms = len(names) - len(missed), int(_carries(masked.output))
    return Score(masked.name, EXTRAS, len(names), found, alarms, len(names) + 1)


def _carries(path: Path) -> bool:
    with VideoReader(path, probe(path)) as frames:
        return bool(carried(path)) or any(carried_in_frame(frame.picture) for frame in frames)


def _rendered(masked: Masked, kind: str, tamper: Tamper, work: Path) -> Path:
    output = work / f"{masked.name}-{kind.replace(' ', '-')}.mp4"
    render(masked.source, Tampered(masked.timeline, tamper), output, overwrite=True)
    return output


def audited(masked: Masked, output: Path, models: Models, settings: AuditSettings) -> AuditResult:
    page = output.with_suffix(".html")
    return audit(
        masked.source, output, page, models=models, timeline=masked.timeline, settings=settings
    )


def _score(
    masked: Masked,
    kind: str,
    plan: Sequence[Planted],
    result: AuditResult,
    harmless: Sequence[Planted] = (),
) -> Score:
    """How many leaks were found, and how many findings are none of them."""
    found = [leak for leak in plan if _about(result, leak, masked)]
    alarms = [
        finding
        for finding in result.leaks
        if not any(_is_about(finding, leak, masked) for leak in (*plan, *harmless))
    ]
    for leak in plan:
        if leak not in found:
            print(f"  missed: {masked.name} {kind} {leak}")
    for alarm in alarms:
        print(f"  false alarm: {masked.name} {kind} {alarm}")
    return Score(masked.name, kind, len(plan), len(found), len(alarms))


def _about(result: AuditResult, leak: Planted, masked: Masked) -> bool:
    return any(_is_about(finding, leak, masked) for finding in result.leaks)


def _is_about(finding: Finding, leak: Planted, masked: Masked) -> bool:
    if finding.frame is None:  # about the whole file
        return leak.start == 0 and leak.person is None
    rate = masked.timeline.header.video.rate
    lead = float(masked.timeline.times()[0])  # findings are told by a player's clock
    start, end = (seconds - lead for seconds in (finding.start, finding.end))
    return end * rate > leak.start - 1 and start * rate < leak.end


def summary(table: Sequence[Score]) -> dict[str, object]:
    """Recall of each kind and on either set of clips, precision, and clean files passed."""

    def recall(rows: Sequence[Score]) -> str:
        return f"{sum(r.found for r in rows)} of {sum(r.planted for r in rows)}"

    kinds = {row.kind: [r for r in table if r.kind == row.kind] for row in table if row.planted}
    clean = [row for row in table if row.kind.startswith("clean")]
    found, alarms = sum(r.found for r in table), sum(r.alarms for r in table)
    return {
        "recall": recall(table),
        "recall by kind": {kind: recall(rows) for kind, rows in kinds.items()},
        "recall where thresholds were set": recall([r for r in table if r.clip in SET_ON]),
        "recall where only tested": recall([r for r in table if r.clip in ONLY_TESTED]),
        "precision": f"{found} of {found + alarms}",
        "clean files passed": f"{sum(r.alarms == 0 for r in clean)} of {len(clean)}",
        "thresholds set on": [c for c in SET_ON if any(r.clip == c for r in table)],
        "only tested on": [c for c in ONLY_TESTED if any(r.clip == c for r in table)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    clips = (*SET_ON, *ONLY_TESTED)
    parser.add_argument("clips", nargs="*", default=clips, choices=clips)
    parser.add_argument("--work", type=Path, help="where videos and reports stay")
    parser.add_argument("-o", "--output", type=Path, help="the table as JSON")
    parser.add_argument(
        "--every", type=int, default=AuditSettings().every, help="frames between networks' looks"
    )
    arguments = parser.parse_args()
    settings = AuditSettings(every=arguments.every)
    use_shared_models()
    models = load_models()
    table: list[Score] = []
    document: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="audit-leaks-") as temporary:
        work = arguments.work or Path(temporary)
        for name in arguments.clips:
            masked = prepared(name, work)
            # One of them needs sound. Once is enough, the pictures don't matter.
            if probe(masked.output).audio and not any(row.kind == EXTRAS for row in table):
                table.append(score_extras(masked, work))
                print(table[-1], flush=True)
            for score in scores(masked, models, settings, work):
                print(score, flush=True)
                table.append(score)
            document = summary(table) | {"networks look at every": arguments.every}
            if arguments.output:  # after each clip: the next may take minutes
                rows = [asdict(row) for row in table]
                text = json.dumps({"rows": rows, **document}, indent=2)
                arguments.output.write_text(text + "\n")
    print(f"\n{'clip':20} {'leak':28} planted  found false alarms")
    print(*table, sep="\n")
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
