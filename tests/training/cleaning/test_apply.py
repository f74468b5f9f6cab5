from __future__ import annotations

from pathlib import Path

import pytest

from bystander.errors import ConfigError
from tests.training.cleaning.made import HEIGHT, WIDTH, person, picture
from training.cleaning import (
    CleaningSettings,
    Finding,
    Findings,
    Overrides,
    apply,
    clean,
    read_findings,
    read_overrides,
    write_findings,
)
from training.errors import DataError
from training.pictures import Picture

PEOPLE = (person("fine"), person("half", x=WIDTH - 10), person("gone", x=WIDTH + 5))


@pytest.fixture
def mix(tmp_path: Path) -> list[Picture]:
    """A picture, its copy, and one with annotations outside of it."""
    return [
        picture(tmp_path, "a.png", (person("1"),)),
        picture(tmp_path, "copy.png"),
        picture(tmp_path, "b.png", PEOPLE, seed=1),
    ]


def kept(cleaned: list[Picture]) -> dict[str, list[str]]:
    return {each.key: [person.key for person in each.people] for each in cleaned}


def test_findings_are_carried_out(mix: list[Picture]) -> None:
    cleaned = apply(mix, clean(mix))
    assert kept(cleaned) == {"made/a.png": ["1"], "made/b.png": ["fine", "half"]}
    half = cleaned[1].people[1]
    assert half.polygons[0].max(axis=0) == pytest.approx((WIDTH, 100))
    assert half.box == (WIDTH - 10, 40, WIDTH, 100)


def test_the_pictures_themselves_stay_as_they_are(mix: list[Picture]) -> None:
    before = [each.path.read_bytes() for each in mix]
    apply(mix, clean(mix))
    assert [each.path.read_bytes() for each in mix] == before
    assert mix[2].people == PEOPLE
    assert PEOPLE[1].polygons[0].max() > HEIGHT


def test_a_person_can_decide_otherwise(mix: list[Picture], tmp_path: Path) -> None:
    file = tmp_path / "overrides.yaml"
    file.write_text(
        "keep: [made/copy.png, made/b.png#half]\nremove: [made/a.png, made/b.png#fine]\n"
    )
    cleaned = apply(mix, clean(mix), read_overrides(file))
    assert kept(cleaned) == {"made/copy.png": [], "made/b.png": ["half"]}
    assert cleaned[1].people[0] is PEOPLE[1]


def test_without_a_file_nothing_is_overruled() -> None:
    assert read_overrides(None) == Overrides()


def test_a_misspelt_override_is_an_error(mix: list[Picture]) -> None:
    with pytest.raises(DataError, match=r"made/c\.png"):
        apply(mix, clean(mix), Overrides(keep=("made/c.png",)))
    with pytest.raises(DataError, match=r"keep and remove made/a\.png"):
        apply(mix, clean(mix), Overrides(keep=("made/a.png",), remove=("made/a.png",)))


def test_an_unknown_list_of_overrides_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "overrides.yaml").write_text("delete: [a]")
    with pytest.raises(ConfigError, match="delete"):
        read_overrides(tmp_path / "overrides.yaml")


def test_the_strongest_finding_about_an_annotation_counts(mix: list[Picture]) -> None:
    found = (
        Finding("outside", "clip annotation", "made/a.png", "", "1"),
        Finding("twin", "remove annotation", "made/a.png", "", "1"),
        Finding("outside", "clip annotation", "made/a.png", "", "1"),
    )
    findings = Findings(pictures=3, settings=CleaningSettings(), found=found)
    assert kept(apply(mix, findings))["made/a.png"] == []


def test_findings_come_back_from_their_file(mix: list[Picture], tmp_path: Path) -> None:
    findings = clean(mix, CleaningSettings(min_area=7))
    write_findings(findings, tmp_path / "findings.json")
    assert read_findings(tmp_path / "findings.json") == findings
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", ["", "{}", '{"version": 2}'])
def test_a_damaged_file_of_findings_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "findings.json").write_text(content)
    with pytest.raises(DataError, match=r"findings\.json"):
        read_findings(tmp_path / "findings.json")


def test_two_pictures_with_one_key_are_refused(mix: list[Picture]) -> None:
    with pytest.raises(DataError, match=r"made/a\.png"):
        clean([*mix, mix[0]])
