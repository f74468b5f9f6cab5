"""Where everyone is, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from bystander.server.models import Project
from tests.support import drawn
from tests.support.drawn import Figure, Masked, Scene, cast_of, mask_scene, standing, walking
from tests.support.stage import Stage, staged

FRAMES = 30


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """Anna stays where she is; a stranger walks."""
    folder = tmp_path_factory.mktemp("party")
    figures = [Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, walking(120, 2))]
    return mask_scene(Scene(figures, frames=FRAMES), folder, cast=cast_of(folder, anna=drawn.BLUE))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def project(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path)


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as found:
        yield found


def frames(client: httpx.Client, project: Project, **query: int) -> list[dict[str, Any]]:
    answer = client.get(f"/projects/{project.id}/frames", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["frames"]
    return found


def test_every_frame_has_its_time_as_players_show_it(
    client: httpx.Client, project: Project, party: Masked
) -> None:
    found = client.get(f"/projects/{project.id}/frames/times").json()

    video = party.timeline.header.video
    assert (found["width"], found["height"], found["frames"]) == (video.width, video.height, FRAMES)
    assert found["times"] == pytest.approx(party.timeline.times().tolist(), abs=1e-6)
    assert found["shots"] == [[0, FRAMES]]


def test_everyone_is_outlined_where_they_are(
    client: httpx.Client, project: Project, party: Masked
) -> None:
    (told,) = frames(client, project, start=12, end=13)

    header = party.timeline.header
    (record,) = (r for r in party.timeline.frames() if r.index == 12)
    assert told["frame"] == 12
    assert len(told["people"]) == len(record.sightings) == 2
    scale = np.array(header.video.display_size) / header.grid
    for person, sighting in zip(told["people"], record.sightings, strict=True):
        canvas = np.zeros(header.grid[::-1], np.uint8)
        for line in person["outlines"]:
            points = np.array(line).reshape(-1, 2) / scale - 0.5
            cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 1, shift=4)
        truth = sighting.mask.on_grid(*header.grid)
        both = canvas.astype(bool) & truth
        assert both.sum() / (canvas.astype(bool) | truth).sum() > 0.9
        assert person["tracklet"] == f"t{sighting.tracklet}"


def test_verdicts_are_those_of_now(client: httpx.Client, project: Project) -> None:
    def now() -> dict[str, tuple[str, int]]:
        return {
            person["person"]: (person["verdict"], frame["frame"])
            for frame in frames(client, project, start=0, end=FRAMES)
            for person in frame["people"]
            if frame["frame"] in (0, FRAMES - 1)
        }

    people = client.get(f"/projects/{project.id}/people").json()["people"]
    anna = next(person["id"] for person in people if person["name"] == "anna")
    stranger = next(person["id"] for person in people if person["name"] is None)
    assert now() == {anna: ("keep", FRAMES - 1), stranger: ("mask", FRAMES - 1)}
    path = f"/projects/{project.id}/edits"
    edits = {"edits": [{"kind": "erase", "who": stranger, "start": 0.5}]}
    changed = client.put(path, json=edits, headers={"If-Match": client.get(path).headers["ETag"]})
    assert changed.status_code == 200, changed.text
    assert now() == {anna: ("keep", FRAMES - 1), stranger: ("mask", 0)}


def test_one_frame_is_told_alone(client: httpx.Client, project: Project) -> None:
    alone = client.get(f"/projects/{project.id}/frames/7").json()

    assert alone == frames(client, project, start=7, end=8)[0]
    assert client.get(f"/projects/{project.id}/frames/{FRAMES}").status_code == 404


@pytest.mark.parametrize("query", [{"start": 5, "end": 5}, {"start": 0, "end": 999},
                                   {"start": 0, "end": 31}, {"start": -1, "end": 5}])  # fmt: skip
def test_frames_that_are_not_there_are_refused(
    client: httpx.Client, project: Project, query: dict[str, int]
) -> None:
    answer = client.get(f"/projects/{project.id}/frames", params=query)

    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_before_an_analysis_there_is_nothing(client: httpx.Client, stage: Stage) -> None:
    empty = stage.project()
    for path in ("frames/times", "frames", "frames/0"):
        assert client.get(f"/projects/{empty.id}/{path}").status_code == 404
