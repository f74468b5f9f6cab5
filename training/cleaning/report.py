"""The findings as a page on which a person can decide.

What is decided otherwise goes into the overrides (see `training.cleaning.Overrides`), by
the keys that the captions state.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from bystander.errors import OutputUnwritable
from training.cleaning.apply import amended
from training.cleaning.drawing import drawn
from training.cleaning.findings import Check, Finding, Findings, write_findings
from training.pages import Page, Rgb
from training.pictures import Picture

FINDINGS = "findings.json"
REPORT = "report.html"

_MEANINGS: Mapping[Check, str] = {
    "broken file": "Files that are missing, damaged, turned, or of another size than stated.",
    "leak": "Training pictures that are validation pictures: left validation, right training. "
    "The right one is removed.",
    "duplicate": "Pictures that are in the mix twice. The right one is removed.",
    "crowd": "Regions of people who aren't told apart; they are painted grey. Pictures with too "
    "much of that are removed.",
    "degenerate": "Annotations without a usable area.",
    "outside": "Annotations that reach out of their picture are clipped, those wholly outside "
    "removed.",
    "twin": "People who are annotated twice; the other annotation stays.",
    "box": "Silhouettes that don't fit the box stated with them, or are next to empty. They are "
    "painted grey with their box, as it isn't known which is right.",
    "unlabelled person": "People whom the network sees and nobody annotated, the most certain "
    "first. Nothing is done about them, unless the picture is listed under `remove` in the "
    "overrides. Statues, posters and reflections are among them.",
}


def write_report(
    pictures: Sequence[Picture], findings: Findings, folder: Path, limit: int = 60
) -> None:
    """Write the findings to `folder`, as findings.json and as report.html.

    Args:
        pictures: those that the findings are about.
        limit: pictures that are shown of each check.

    Raises:
        OutputUnwritable: `folder` can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_findings(findings, folder / FINDINGS)
        _save(_page(pictures, findings, limit), folder / REPORT)
    except OSError as error:
        raise OutputUnwritable(
            f"the report can't be written to {folder} ({error.strerror})",
            "Choose a folder that may be written to.",
        ) from error


def _page(pictures: Sequence[Picture], findings: Findings, limit: int) -> Page:
    by_key = {picture.key: picture for picture in pictures}
    page = Page("What cleaning found")
    kinds = Counter((finding.check, finding.action) for finding in findings.found)
    removed = {each.picture for each in findings.found if each.action == "remove picture"}
    page.text(
        f"{len(findings.found)} findings in {findings.pictures} pictures; {len(removed)} pictures "
        f"are removed. No file is changed. To decide otherwise, list keys under keep or remove "
        f"in the overrides; an annotation's key is PICTURE#ANNOTATION."
    )
    page.table(
        {
            "check": check,
            "what is done": action,
            "findings": count,
            "pictures": len(
                {f.picture for f in findings.found if (f.check, f.action) == (check, action)}
            ),
        }
        for (check, action), count in kinds.items()
    )
    of_picture: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings.found:
        of_picture[finding.picture].append(finding)
    for check in get_args(Check):
        found = [finding for finding in findings.found if finding.check == check]
        if found:
            _section(page, check, found, limit, by_key, of_picture)
    return page


def _save(page: Page, path: Path) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        page.save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _section(
    page: Page,
    check: Check,
    found: Sequence[Finding],
    limit: int,
    pictures: Mapping[str, Picture],
    of_picture: Mapping[str, Sequence[Finding]],
) -> None:
    page.heading(f"{check}: {len(found)}")
    page.text(_MEANINGS[check])
    shown: list[tuple[Rgb, str]] = []
    unseen: list[dict[str, object]] = []
    for finding in found[:limit]:
        picture = pictures[finding.picture]
        # Of a twin, `other` is an annotation of the same picture.
        other = pictures.get(finding.other or "") if finding.annotation is None else None
        rgb = drawn(finding, picture, other, amended(picture, of_picture[picture.key]))
        if rgb is None:
            unseen.append({"picture": finding.picture, "reason": finding.reason})
        else:
            shown.append((rgb, _caption(finding)))
    page.pictures(shown)
    page.table(unseen)
    if len(found) > limit:
        page.text(f"{len(found) - limit} more are in {FINDINGS}, and not shown.")


def _caption(finding: Finding) -> str:
    key = f"#{finding.annotation}" if finding.annotation is not None else ""
    return f"{finding.picture}{key}: {finding.reason} ({finding.action})"
