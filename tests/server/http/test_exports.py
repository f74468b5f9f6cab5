"""Masks and boxes for other programs; markers are in test_results."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycocotools.coco import COCO

from bystander.choices import ShapeName
from bystander.errors import Cancelled
from bystander.pipeline.export import export
from bystander.redaction.effects import EffectSettings
from bystander.server.http import exports
from bystander.server.models import JobKind, JobState, Project
from bystander.timeline.header import with_decisions
from tests.server.http.wire import Wire
from tests.support.drawn import BLUE, RED, Figure, Masked, Scene, mask_scene, standing, walking
from tests.support.stage import Stage, staged
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools' own

FRAMES = 8


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    figures = [Figure(BLUE, walking(20, 9)), Figure(RED, standing(200))]
    return mask_scene(Scene(figures, frames=FRAMES), tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path, party.source)


def get(stage: Stage, project: Project, format: str, token: int = 0) -> httpx.Response:
    with stage.client(token) as client:
        return client.get(f"/projects/{project.id}/export", params={"format": format})


def nothing_is_left(stage: Stage) -> bool:
    return not list((stage.context.data / "work").iterdir())


@pytest.mark.long
def test_masks_are_those_of_the_command_line(
    stage: Stage, project: Project, party: Masked, tmp_path: Path
) -> None:
    answer = get(stage, project, "coco")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert 'filename="masks.json"' in answer.headers["content-disposition"]
    (local,) = export(party.timeline, tmp_path / "m.json", "coco", video=party.source)
    assert answer.content == local.read_bytes()
    (tmp_path / "got.json").write_bytes(answer.content)
    read = COCO(str(tmp_path / "got.json"))
    assert [len(read.imgs), len(read.anns)] == [FRAMES, 2 * FRAMES]
    assert nothing_is_left(stage)


@pytest.mark.long
def test_masks_are_of_the_result_by_its_shape(
    stage: Stage, project: Project, party: Masked, tmp_path: Path
) -> None:
    rendered = party.timeline.save(
        tmp_path / "rendered", with_decisions(party.timeline.header, ["p1"], [])
    )
    jobs = stage.context.store.jobs
    job = jobs.add(project.id, JobKind.MASK, {"kind": "mask", "effect": {"shape": "box"}})
    assert job is not None
    assert jobs.claim() is not None
    assert jobs.commit(job.id, {"verdicts_digest": "d"})
    assert jobs.finish(job.id, JobState.DONE)
    stage.made(project, rendered.path.read_bytes(), "rendered.timeline")

    answer = get(stage, project, "coco")

    box = EffectSettings(shape=ShapeName.BOX)
    (local,) = export(rendered, tmp_path / "m.json", "coco", video=party.source, effect=box)
    assert answer.content == local.read_bytes()
    assert {one["attributes"]["person"] for one in answer.json()["annotations"]} == {"p2"}
    assert answer.headers["bystander-job"] == job.id


@pytest.mark.parametrize(("format", "name"), [("mot", "boxes.txt"), ("mot-json", "boxes.json")])
def test_boxes_are_those_of_the_command_line(
    stage: Stage, project: Project, party: Masked, tmp_path: Path, format: str, name: str
) -> None:
    answer = get(stage, project, format)
    (local,) = export(party.timeline, tmp_path / name, format)
    assert answer.status_code == 200, answer.text
    assert f'filename="{name}"' in answer.headers["content-disposition"]
    assert answer.content == local.read_bytes()
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert nothing_is_left(stage)


@pytest.mark.parametrize("format", ["coco", "mot", "csv"])
def test_there_is_nothing_for_others_or_before_an_analysis(
    stage: Stage, project: Project, party: Masked, format: str
) -> None:
    assert get(stage, project, format, token=1).status_code == 404
    assert get(stage, stage.project(party.source), format).status_code == 404


@pytest.mark.long
def test_masks_need_a_video_of_which_the_timeline_is(
    stage: Stage, project: Project, party: Masked, tmp_path: Path
) -> None:
    assert get(stage, stage.analysed(party.timeline.path), "coco").status_code == 409
    (tmp_path / "v").write_bytes(b"nothing" * 1000)
    stage.put(tmp_path / "v", f"{project.id}/video")
    answer = get(stage, project, "coco")
    assert answer.status_code == 422
    assert str(stage.folder) not in answer.text
    assert nothing_is_left(stage)


def test_what_takes_too_long_is_given_up_and_another_way_is_told(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_MASKS_SECONDS", 0.01)
    answer = get(stage, project, "coco")
    assert answer.status_code == 422
    assert "bystander export" in answer.json()["advice"]
    assert nothing_is_left(stage)


def test_with_many_waiting_more_are_told_to_come_again(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_WAITING", 0)
    answer = get(stage, project, "coco")
    assert answer.status_code == 429
    assert answer.headers["retry-after"]


def test_nothing_is_drawn_for_those_who_left(stage: Stage, project: Project) -> None:
    here = stage.context.store.projects.find(project.id)
    assert here is not None
    gone = threading.Event()
    gone.set()
    with pytest.raises(Cancelled):
        exports._drawn(stage.context, here, None, gone)
    assert nothing_is_left(stage)


def test_who_goes_away_ends_the_drawing(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def draw(*arguments: Any) -> None:
        begun.set()
        until(arguments[-1])  # as the child's parent asks whether anybody waits
        ended.set()
        raise Cancelled("nobody waits for it any more")

    monkeypatch.setattr(exports, "draw_masks", draw)
    with Wire(stage, "GET", f"/projects/{project.id}/export?format=coco") as wire:
        assert begun.wait(HANGS_AFTER_SECONDS)
        wire.drop()
        assert ended.wait(HANGS_AFTER_SECONDS)
    until(lambda: nothing_is_left(stage))
