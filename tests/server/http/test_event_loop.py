"""Nothing on the event loop waits for the store: one that is locked would stop every request."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bystander.server.models import JobState
from tests.server.http.wire import Wire
from tests.support.stage import Stage, staged
from tests.support.waiting import until

asked_on_the_loop: list[str] = []


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A service whose store notes from where it is asked."""
    asked_on_the_loop.clear()
    with staged(tmp_path) as made:
        database = type(made.context.store._database)
        for way in ("_connected", "transaction"):
            monkeypatch.setattr(database, way, noting(getattr(database, way)))
        yield made


def noting(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A way into the database that notes who asks on the event loop."""

    def asked(*arguments: Any) -> Any:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            asked_on_the_loop.append("the store")
        return ask(*arguments)

    return asked


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_no_route_asks_the_store_there(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(b"moving pictures")
    project = stage.project(tmp_path / "video")
    address = f"/projects/{project.id}"
    with stage.client() as client:
        key = {"Idempotency-Key": "k"}
        sent = {"person": "Anna"}
        for content in (picture(), picture()):
            made = client.post(f"{address}/photos", params=sent, content=content, headers=key)
            assert made.status_code == 201
        job = client.post(f"{address}/jobs", json={"kind": "mask"}).json()["id"]
        assert stage.context.store.jobs.finish(job, JobState.FAILED)
        assert "failed" in client.get(f"{address}/jobs/{job}/events").text
        for path in (
            "", "/photos", "/jobs", "/people", "/people/p1/clip", "/verdicts", "/video",
            "/video/file", "/video/proxy", "/video/posters/0", "/frames/0/picture", "/estimate",
            "/preview", "/result", "/timeline", "/audit", "/audit.json",
        ):  # fmt: skip
            assert client.get(f"{address}{path}").status_code < 500, path
        box = {"kind": "box", "x": 0, "y": 0, "width": 9, "height": 9}
        edit = {"kind": "mask", "keys": [{"seconds": 0, "shape": box}]}
        assert client.post(f"{address}/track", json={"edit": edit}).status_code == 404
        assert client.get("/limits").status_code == 200
    assert asked_on_the_loop == []


def test_a_photo_whose_project_is_deleted_meanwhile_does_not_either(stage: Stage) -> None:
    project, content = stage.project(), picture()
    path = f"/projects/{project.id}/photos?person=Anna"
    head = f"Content-Length: {len(content)}"
    folder = stage.context.data / "photos"
    with Wire(stage, "POST", path, head, body=content[:20]) as wire:
        until(lambda: list(folder.rglob("*.part")))
        stage.context.janitor.purge(project.id)
        wire.send(content[20:])
        status, problem = wire.answer()
    assert (status, problem["type"]) == (404, "urn:bystander:missing")
    until(lambda: not list(folder.iterdir()))
    assert asked_on_the_loop == []
