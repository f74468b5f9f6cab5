"""Who is in the video, told to a client; and deciding about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bystander.errors import NotStored
from bystander.server.http.people import describe
from bystander.server.http.timelines import TimelineCache
from bystander.server.models import JobKind, JobState, Project
from bystander.storage.local import LocalStorage
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, Evidence, EvidenceKind, Verdict
from bystander.tracking.clicks import Click
from tests.support import drawn
from tests.support.drawn import Figure, Masked, Scene, cast_of, mask_scene, standing, walking
from tests.support.stage import Stage, staged

FRAMES = 40


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """Anna is recognised; of two strangers one comes late."""
    folder = tmp_path_factory.mktemp("party")
    figures = [
        Figure(drawn.BLUE, standing(20)),
        Figure(drawn.RED, walking(120, 1)),
        Figure(drawn.GREEN, standing(300), present=range(20, FRAMES)),
    ]
    return mask_scene(Scene(figures, frames=FRAMES), folder, cast=cast_of(folder, anna=drawn.BLUE))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Project:
    """An analysed one."""
    return analysed(stage, party)


def analysed(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path)


def people(stage: Stage, project: Project) -> list[dict[str, Any]]:
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/people")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["people"]
    return found


def with_doubt(header: Header, person: str, at: int) -> Header:
    """Somebody kept of whom it is doubtful from frame `at` on."""
    (wanted,) = (p for p in header.persons if p.id == person)
    first = header.tracklet(wanted.tracklets[0])
    face = Evidence(EvidenceKind.FACE, "anna", 0.9, 6, "6 faces agree")
    doubt = Evidence(EvidenceKind.DOUBT, reason="someone crossed")
    verdicts = (
        Verdict(first.start, at, Decision.KEEP, face),
        Verdict(at, first.end, Decision.MASK, doubt),
    )
    changed = replace(first, verdicts=verdicts)
    return replace(
        header, tracklets=tuple(changed if t.id == first.id else t for t in header.tracklets)
    )


def test_everyone_is_told_with_verdict_reason_and_times(stage: Stage, project: Project) -> None:
    found = people(stage, project)

    assert sorted(p["verdict"] for p in found) == ["keep", "mask", "mask"]
    anna = next(p for p in found if p["name"] == "anna")
    assert (anna["verdict"], anna["kind"], anna["first"]) == ("keep", "face", 0)
    assert anna["seconds"] == FRAMES / 25
    assert anna["samples"] > 0
    assert anna["similarity"] == pytest.approx(1, abs=0.02)
    (span,) = anna["spans"]
    assert (span["start"], span["end"], span["verdict"]) == (0, FRAMES / 25, "keep")
    assert span["reason"]
    (tracklet,) = anna["tracklets"]
    assert (tracklet["id"], tracklet["end"]) == (span["tracklet"], FRAMES / 25)
    late = min(found, key=lambda p: p["seconds"])
    assert late["first"] == pytest.approx(15 / 25)  # seen in frame 20, masked a bit before
    assert late["name"] is None


def test_who_is_doubtful_is_to_be_looked_at_first(party: Masked) -> None:
    header = party.timeline.header
    last = header.persons[-1].id
    told = describe(with_doubt(header, last, 30), {}, "/projects/p")

    assert [person.id for person in told] == [p.id for p in header.persons]
    assert sorted(person.review for person in told) == [1, 2, 3]
    doubtful = next(person for person in told if person.id == last)
    assert (doubtful.review, doubtful.doubtful, doubtful.verdict) == (1, True, "mixed")
    assert [(s.verdict, s.doubtful) for s in doubtful.spans] == [("keep", False), ("mask", True)]
    assert doubtful.spans[0].end == doubtful.spans[1].start == 30 / 25
    # Then those who are shown: a mistake there shows somebody.
    assert next(person for person in told if person.name == "anna").review == 2


def test_times_are_those_of_the_players_clock(party: Masked) -> None:
    header = party.timeline.header
    late = party.timeline.times() + 0.8
    for told, before in zip(
        describe(header, {}, "/p", times=late), describe(header, {}, "/p"), strict=True
    ):
        assert told.first == pytest.approx(before.first + 0.8)
        assert told.seconds == before.seconds
        for span, other in zip(told.spans, before.spans, strict=True):
            assert (span.start, span.end) == pytest.approx((other.start + 0.8, other.end + 0.8))


def test_pictures_are_found_where_the_list_says(stage: Stage, project: Project) -> None:
    person = people(stage, project)[0]
    with stage.client() as client:
        for url in (person["picture"], *(t["picture"] for t in person["tracklets"])):
            answer = client.get(url)
            assert answer.headers["content-type"] == "image/jpeg"
            Image.open(BytesIO(answer.content), formats=("JPEG",)).load()
        assert client.get(f"/projects/{project.id}/people/p99/picture").status_code == 404
        assert client.get(f"/projects/{project.id}/tracklets/t99/picture").status_code == 404


def test_decisions_change_what_would_be_rendered_and_nothing_stored(
    stage: Stage, project: Project
) -> None:
    before = people(stage, project)
    stranger = next(p for p in before if p["name"] is None)
    anna = next(p for p in before if p["name"] == "anna")
    stored = b"".join(stage.context.storage.read(f"{project.id}/timeline"))
    decisions = {"keep": [stranger["id"]], "mask": [anna["tracklets"][0]["id"]]}
    with stage.client() as client:
        answer = client.put(f"/projects/{project.id}/verdicts", json=decisions)
        assert answer.status_code == 200
        assert client.get(f"/projects/{project.id}/verdicts").json() == decisions

    verdicts = {p["id"]: (p["verdict"], p["kind"]) for p in answer.json()["people"]}
    assert verdicts[stranger["id"]] == ("keep", "user")
    assert verdicts[anna["id"]] == ("mask", "user")
    assert people(stage, project) == answer.json()["people"]
    assert b"".join(stage.context.storage.read(f"{project.id}/timeline")) == stored


def test_new_decisions_replace_the_old_ones(stage: Stage, project: Project) -> None:
    before = people(stage, project)
    with stage.client() as client:
        client.put(f"/projects/{project.id}/verdicts", json={"keep": [p["id"] for p in before]})
        client.put(f"/projects/{project.id}/verdicts", json={})

    assert people(stage, project) == before


@pytest.mark.parametrize(
    "verdicts",
    [
        {"keep": ["p99"]},
        {"mask": ["anna"]},
        {"keep": ["p1"], "mask": ["p1"]},
        {"keep": "p1"},
        {"show": ["p1"]},
    ],
)
def test_a_decision_about_nobody_is_refused_and_changes_nothing(
    stage: Stage, project: Project, verdicts: dict[str, Any]
) -> None:
    before = people(stage, project)
    with stage.client() as client:
        answer = client.put(f"/projects/{project.id}/verdicts", json=verdicts)

    assert answer.status_code == 422
    assert people(stage, project) == before


def test_nobody_is_decided_about_while_the_ids_are_about_to_change(
    stage: Stage, project: Project
) -> None:
    stage.job(project, JobKind.MASK, JobState.QUEUED)
    with stage.client() as client:
        answer = client.put(f"/projects/{project.id}/verdicts", json={"keep": ["p1"]})

    assert answer.status_code == 409
    stage.context.store.jobs.request_cancel(stage.context.store.jobs.list(project.id)[-1].id)


def test_a_new_analysis_is_seen_at_once(stage: Stage, project: Project, tmp_path: Path) -> None:
    assert len(people(stage, project)) == 3
    alone = mask_scene(Scene([Figure(drawn.RED, standing(20))], frames=4), tmp_path)
    stage.put(alone.timeline.path, f"{project.id}/timeline")
    stage.job(project, JobKind.ANALYZE, JobState.DONE)

    assert len(people(stage, project)) == 1


def test_before_an_analysis_there_is_nobody_yet(stage: Stage) -> None:
    project = stage.project()
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/people")

    assert answer.status_code == 404


def test_others_see_nobody(stage: Stage, project: Project) -> None:
    with stage.client(1) as stranger:
        for path in ("people", "verdicts", "people/p1/picture", "tracklets/t1/picture"):
            assert stranger.get(f"/projects/{project.id}/{path}").status_code == 404
        assert stranger.put(f"/projects/{project.id}/verdicts", json={}).status_code == 404


def test_looking_at_timelines_leaves_nothing_behind(
    party: Masked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "objects")
    timelines = TimelineCache(storage, tmp_path / "scratch")
    for number in range(3):
        (tmp_path / "copy").write_bytes(party.timeline.path.read_bytes())
        storage.put(tmp_path / "copy", f"p{number}/timeline")
    monkeypatch.setattr("bystander.server.http.timelines.MAX_CACHED_PROJECTS", 2)
    albums = [timelines.summary(f"p{number}", "job") for number in range(3)]

    assert timelines.summary("p2", "job") is albums[2]
    assert timelines.summary("p0", "job") is not albums[0]
    assert timelines.summary("p2", "another job") is not albums[2]
    assert list((tmp_path / "scratch").iterdir()) == []
    storage.delete("p2/")
    with pytest.raises(NotStored):
        timelines.summary("p2", "another job")


def test_a_click_is_told_with_the_person_whom_it_meant(tmp_path: Path) -> None:
    figures = [Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, standing(200))]
    made = mask_scene(Scene(figures, frames=10), tmp_path, clicks=[Click(0.2, 220, 150)])

    told = describe(made.timeline.header, {}, "/v1/projects/a")

    (meant,) = (person for person in told if person.pointed_at)
    assert [(at.seconds, at.x, at.y) for at in meant.pointed_at] == [(0.2, 220, 150)]
    assert (meant.verdict, meant.kind) == ("keep", EvidenceKind.CLICK)
