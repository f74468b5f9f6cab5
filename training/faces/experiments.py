"""Every experiment on one pack, in order: photos, conditions, clips, proposal, test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bystander.identity.segments import MIN_IDENTIFYING_QUALITY
from bystander.models.face_model import FaceModel, FaceThresholds
from bystander.settings import AnalysisSettings
from training.faces import conditions, groups, several, truth, verdicts
from training.faces.curves import histogram_figure, pixels, roc_figure
from training.faces.findings import Findings, by_pool, proposed
from training.faces.metrics import Scores, accepted, roc, threshold_at_tar
from training.faces.photos import Album, Photo, album, pairs, read_people
from training.faces.settings import FaceExperimentSettings
from training.faces.tracks import FaceTrack, read_tracks
from training.faces.verification import Thresholds, chosen, cross_validated, judged, verified

PHOTOS = "photos"
RIVALS = "tracks seen together"
"""Panels of curves that the overview shows."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is measured on.

    Attributes:
        lfw: folder of people, a folder of photos each.
        groups: other people, the same way, with group scenes beside their folders.
        clips: videos, or folders with a video, maybe `truth.json` and `cast/`.
    """

    lfw: Path
    groups: Path | None
    clips: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """One pack under test, with how the product uses it."""

    model: FaceModel
    settings: FaceExperimentSettings
    product: AnalysisSettings

    @property
    def current(self) -> Thresholds:
        return Thresholds(self.model.thresholds.same, self.model.thresholds.different)


def examine(bench: Bench, material: Material) -> Findings:
    """All experiments; those without material are left out.

    Raises:
        DataError: a folder doesn't hold what it should.
        PhotoError, VideoError: a file can't be read.
    """
    findings = Findings(bench.model.name)
    photos = read_people(material.lfw)
    clean = album(photos, bench.model)
    on_photos(bench, findings, clean)
    under_conditions(bench, findings, photos, clean)
    tracks = on_clips(bench, findings, material.clips, clean) if material.clips else {}
    rule = propose(bench, findings)
    if tracks:
        by_the_product(bench, findings, tracks, clean, rule)
    if material.groups:
        on_groups(bench, findings, material.groups, rule)
    return findings


def on_photos(bench: Bench, findings: Findings, clean: Album) -> None:
    """Experiment 1: pairs of photos, and thresholds tried on people they weren't chosen on."""
    genuine, impostor = pairs(clean, clean)
    findings.pools["photos"] = genuine, impostor
    findings.rocs[PHOTOS] = {"as they are": roc(genuine, impostor)}
    findings.add("Pairs of photos", "", [verified("photos", genuine, impostor)])
    findings.add(
        "Thresholds on the photos they were chosen on",
        "",
        [
            judged("by the rule", chosen(genuine, impostor, bench.settings), genuine, impostor),
            judged("as configured", bench.current, genuine, impostor),
        ],
    )
    findings.add(
        "Thresholds on people they were not chosen on",
        "By the rule on half of the people, tried on the other half.",
        cross_validated(clean, bench.settings),
    )


def under_conditions(bench: Bench, findings: Findings, photos: list[Photo], clean: Album) -> None:
    """Experiment 2: what size, blur, compression and pose do."""
    rows, probed = conditions.spoilt(photos, clean, bench.model, bench.settings)
    pool = conditions.usable(probed, MIN_IDENTIFYING_QUALITY, bench.model.min_face)
    if len(pool[0]) and len(pool[1]):
        findings.pools["spoilt photos that count"] = pool
        findings.rocs[PHOTOS]["spoilt, counting"] = roc(*pool)
        marks = {"same": bench.current.same, "different": bench.current.different}
        figure = histogram_figure("Spoilt photos that count", *pool, marks)
        findings.curves.append((pixels(figure), "Spoilt photos against photos as they are"))
    findings.add(
        "Spoilt photos",
        "A spoilt photo against the others as they are. Blur and smear are in pixels of a face "
        "of its original width, about 100.",
        rows,
    )
    for title, bins, values in (
        ("width", conditions.WIDTH_BINS, probed.width),
        ("yaw", conditions.YAW_BINS, probed.yaw),
        ("quality", conditions.QUALITY_BINS, probed.quality),
    ):
        findings.add(
            f"Spoilt photos by {title}",
            "All levels together, sorted by what is measured of the spoilt face.",
            conditions.by_bin(title, bins, values, probed),
        )
    findings.add(
        "Spoilt photos from some quality on",
        f"TAR at the configured same, {bench.current.same:g}.",
        list(conditions.by_least_quality(probed, bench.current.same)),
    )


def on_clips(
    bench: Bench, findings: Findings, clips: tuple[Path, ...], clean: Album
) -> dict[Path, list[FaceTrack]]:
    """Experiment 3: face tracks, and a single face against several. Returns them by clip."""
    settings = bench.settings
    found = {clip: read_tracks(clip, bench.model, settings) for clip in clips}
    findings.add(
        "Face tracks",
        f"Faces linked at {settings.looks_per_second:g} looks a second. A face counts from "
        f"quality {MIN_IDENTIFYING_QUALITY:g} on.",
        [
            {
                "clip": clip.stem,
                "tracks": len(tracks),
                "faces": sum(len(track.samples) for track in tracks),
                "that count": sum(
                    len(track.usable(MIN_IDENTIFYING_QUALITY).samples) for track in tracks
                ),
                "tracks of a second": sum(bool(np.ptp(track.seconds) >= 1) for track in tracks),
                "median width": _median([track.samples.width for track in tracks]),
            }
            for clip, tracks in found.items()
        ],
    )
    everything = [track for tracks in found.values() for track in tracks]
    usable = [track.usable(MIN_IDENTIFYING_QUALITY) for track in everything]
    mine = several.within_tracks(usable, settings.apart)
    rivals = several.between_tracks(usable)
    strangers = several.to_photos(usable, clean.samples)
    findings.pools["tracks, and those seen together"] = mine, rivals
    findings.pools["tracks, and strangers' photos"] = np.zeros(0), strangers
    if len(mine):
        rows = [
            verified(name, mine, theirs)
            for name, theirs in (("seen together", rivals), ("strangers' photos", strangers))
            if len(theirs)
        ]
        findings.add("Pairs of single faces from tracks", "", rows)
    findings.add(
        "Faces in tracks by yaw",
        "Every face of a track, counting or not, against faces of its track turned less than 20 "
        "degrees, and against strangers' photos.",
        several.by_yaw(everything, clean.samples, settings, conditions.YAW_BINS),
    )
    _several(bench, findings, usable, clean)
    return found


def _several(bench: Bench, findings: Findings, tracks: list[FaceTrack], clean: Album) -> None:
    settings = bench.settings
    genuine = several.genuine_trials(tracks, settings)
    long_enough = sum(bool(len(several.genuine_trials([track], settings))) for track in tracks)
    for name, impostor in (
        (RIVALS, several.rival_trials(tracks, settings)),
        ("strangers' photos", several.photo_trials(clean.samples, tracks, settings)),
    ):
        if not len(genuine) or not len(impostor):
            continue
        findings.add(
            f"One face against several: {name}",
            f"{len(genuine)} genuine and {len(impostor)} impostor comparisons of one reference "
            f"with {max(settings.counts)} faces that count, spread in time, or some of them. "
            f"Genuine ones are of {long_enough} tracks.",
            several.compared(genuine, impostor, settings.counts),
        )
        curves = {
            "single face" if count == 1 else f"mean of {count}": roc(
                genuine.scores("mean", count), impostor.scores("mean", count)
            )
            for count in settings.counts
        }
        findings.rocs[name] = curves


def propose(bench: Bench, findings: Findings) -> Thresholds:
    """Thresholds by the rule, the worst pool deciding."""
    settings = bench.settings
    rule = proposed(findings.pools, settings)
    findings.add(
        "Thresholds by the rule",
        f"same: at most {settings.far:g} of strangers' pairs pass. different: at least "
        f"{settings.tar:g} of one person's pairs lie above it. The worst pool decides, and "
        "different is at most same.",
        [
            *by_pool(findings.pools, settings),
            {"pool": "worst", "same": rule.same, "different": rule.different},
            {
                "pool": "as configured",
                "same": bench.current.same,
                "different": bench.current.different,
            },
        ],
    )
    return rule


def by_the_product(
    bench: Bench,
    findings: Findings,
    found: dict[Path, list[FaceTrack]],
    clean: Album,
    rule: Thresholds,
) -> None:
    """What the product says of the tracks, with its thresholds and with those by the rule."""
    tracks = [track for those in found.values() for track in those]
    own, swapped = several.after_earlier(
        [track.usable(MIN_IDENTIFYING_QUALITY) for track in tracks]
    )
    if len(own) and len(swapped):
        at_tar = threshold_at_tar(own, bench.settings.tar)
        findings.add(
            "A face against the median of those before it",
            "One below different makes the tracker doubt that it is still the same person.",
            [
                {
                    "different": name,
                    "value": value,
                    "doubted without reason": 1 - accepted(own, value),
                    "swaps not noticed": accepted(swapped, value),
                }
                for name, value in (
                    ("as configured", bench.current.different),
                    ("by the rule", rule.different),
                    (f"TAR {bench.settings.tar:g} of these medians", at_tar),
                )
            ],
        )
    cast, others = truth.cast_cases(found, bench.model)
    kinds = {
        "the track's own face": verdicts.against_own(tracks, bench.settings),
        "cast photo, the same person": cast,
        "cast photo, another person": others,
        "a face seen together with it": verdicts.against_rivals(tracks, bench.settings),
        "a stranger's photos": verdicts.against_people(tracks, clean.samples.vectors, clean.person),
    }
    for title, thresholds in (("as configured", bench.current), ("by the rule", rule)):
        findings.add(
            f"The product's verdicts, thresholds {title}",
            f"What bystander/identity/verdicts.py says of each track by its faces alone, with same "
            f"{thresholds.same:.3f} and different {thresholds.different:.3f}. Short tracks "
            "stay in doubt whoever they show.",
            [
                verdicts.told(
                    name,
                    cases,
                    FaceThresholds(thresholds.same, thresholds.different),
                    bench.product,
                )
                for name, cases in kinds.items()
                if cases
            ],
        )


def on_groups(bench: Bench, findings: Findings, folder: Path, rule: Thresholds) -> None:
    """Experiment 4: other people, whom no threshold was chosen on."""
    people = album(read_people(folder), bench.model)
    scenes = groups.read_scenes(folder, bench.model)
    genuine, impostor = pairs(people, people)
    findings.rocs[PHOTOS]["other people"] = roc(genuine, impostor)
    findings.add("Other people: pairs of photos", "", [verified("photos", genuine, impostor)])
    within = groups.within_scenes(scenes)
    thresholds = {"by the rule": rule, "as configured": bench.current}
    findings.add(
        "Other people: thresholds",
        f"{len(within)} pairs of faces in one scene are impostors too.",
        [
            judged(f"{which}, {name}", one, *pool)
            for name, one in thresholds.items()
            for which, pool in (
                ("photos", (genuine, impostor)),
                ("scenes", (np.zeros(0), within)),
            )
        ],
    )
    findings.add(
        "Other people: who is in the group scenes",
        "Nearest photo of each face. Two faces of a scene taken for one person: one is a mistake.",
        [
            {"thresholds": name, **groups.recognised(scenes, people, one)}
            for name, one in thresholds.items()
        ],
    )


def draw_curves(findings: Findings) -> None:
    """Draw the overview's curves into the findings."""
    for title, panel in findings.rocs.items():
        figure = roc_figure({f"{findings.pack}: {title}": panel})
        findings.curves.append((pixels(figure), f"ROC, {title}"))


def _median(parts: list[Scores]) -> float:
    return float(np.median(np.concatenate(parts))) if parts else 0.0
