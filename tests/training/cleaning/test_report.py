from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.training.cleaning.made import HEIGHT, WIDTH, person, picture
from training.cleaning import apply, clean, read_findings
from training.cleaning.drawing import LONG_SIDE, drawn
from training.cleaning.report import FINDINGS, REPORT, write_report
from training.pictures import Picture


def mix(folder: Path) -> list[Picture]:
    missing = replace(picture(folder, "missing.png", seed=3), path=folder / "nowhere.png")
    useless = replace(person("nan"), polygons=(np.full((3, 2), np.nan),))
    return [
        picture(folder, "a.png", (person("1"),)),
        picture(folder, "copy.png"),
        picture(folder, "b.png", (useless, person("out", x=WIDTH + 9)), seed=1),
        missing,
    ]


def test_the_report_shows_every_check_and_what_is_done(tmp_path: Path) -> None:
    pictures = mix(tmp_path)
    findings = clean(pictures)
    write_report(pictures, findings, tmp_path / "report")

    html = (tmp_path / "report" / REPORT).read_text()
    for check in ("broken file", "duplicate", "degenerate", "outside"):
        assert f"<h2>{check}: 1</h2>" in html
    assert html.count("<img") == 3  # a file that is missing can't be shown
    for said in ("made/missing.png", "doesn&#39;t exist", "made/b.png#out", "made/a.png:"):
        assert said in html
    assert read_findings(tmp_path / "report" / FINDINGS) == findings
    assert len(list((tmp_path / "report").iterdir())) == 2


def test_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, f"{index}.png") for index in range(6)]
    write_report(pictures, clean(pictures), tmp_path / "report", limit=2)
    html = (tmp_path / "report" / REPORT).read_text()
    assert html.count("<img") == 2
    assert "3 more are in findings.json" in html


def test_a_duplicate_is_shown_beside_what_is_kept(tmp_path: Path) -> None:
    pictures = mix(tmp_path)
    findings = clean(pictures)
    [copy] = [each for each in findings.found if each.check == "duplicate"]
    rgb = drawn(copy, pictures[1], pictures[0], pictures[1])
    assert rgb is not None
    assert rgb.shape[1] > 2 * LONG_SIDE
    assert rgb.shape[0] == LONG_SIDE * HEIGHT // WIDTH


def test_a_small_person_is_enlarged_beside_the_picture(tmp_path: Path) -> None:
    made = picture(tmp_path, "a.png", (person("1", width=3, height=3),))
    [finding] = clean([made]).found
    rgb = drawn(finding, made, None, apply([made], clean([made]))[0])
    assert rgb is not None
    assert rgb.shape[1] > 1.5 * LONG_SIDE
