"""Uploading in parts by tus 1.0: over broken connections, and what is refused."""

from __future__ import annotations

import base64
from itertools import pairwise

import httpx
import pytest

from bystander.server.models import Project
from tests.sandbox.made import box
from tests.server.http.uploads.client import (
    MIB,
    PART,
    TUS,
    begin,
    begun,
    head,
    offset_of,
    send,
    state_of,
    stored,
    uploading,
)
from tests.server.http.wire import Wire
from tests.support.stage import Stage
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)


def test_a_whole_video_is_examined_and_stored(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    answer = client.put(address, content=film)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["facts"]["frame_count"]) == ("ready", 24)
    assert stored(stage, address) == film
    assert uploading(stage, address) == []
    headers = head(client, answer.json()["upload"]).headers
    assert headers["upload-offset"] == headers["upload-length"] == str(len(film))


def test_a_video_in_parts_is_the_same_video(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film))
    assert state_of(client, address) == "uploading"
    assert client.get(address).json()["upload"] == upload

    cuts = (0, 1, 1000, len(film))
    for start, end in pairwise(cuts):
        assert offset_of(client, upload) == start
        answer = send(client, upload, start, film[start:end])
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["upload-offset"] == str(end)
        assert ("upload-expires" in answer.headers) == (end < len(film))

    assert state_of(client, address) == "ready"
    assert stored(stage, address) == film
    assert offset_of(client, upload) == len(film)
    assert send(client, upload, len(film), b"").status_code == 204
    assert send(client, upload, len(film), b"more").status_code == 413
    assert send(client, upload, 0, film).status_code == 409
    assert stored(stage, address) == film


def test_the_first_part_may_come_with_the_beginning(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    answer = begin(client, address, len(film), film[:1000])
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "1000")
    send(client, answer.headers["location"], 1000, film[1000:])
    assert stored(stage, address) == film

    answer = begin(client, address, len(film), film)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(film)))
    assert state_of(client, address) == "ready"


def test_a_broken_connection_costs_only_what_did_not_arrive(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    film += box(b"free", bytes(4 * MIB))

    def arrived() -> int:
        upload = client.get(address).json()["upload"]
        return offset_of(client, upload) if upload else 0

    def settled() -> bool:
        return send(client, upload, offset_of(client, upload), b"").status_code == 204

    with Wire(stage, "PUT", address, f"Content-Length: {len(film)}") as wire:
        wire.send(film[: 3 * MIB])
        until(lambda: arrived() >= 2 * MIB)
    upload = client.get(address).json()["upload"]
    until(settled)
    assert 2 * MIB <= offset_of(client, upload) <= 3 * MIB
    assert head(client, upload).headers["upload-length"] == str(len(film))
    assert state_of(client, address) == "uploading"

    for more in (0, 1, 1000):
        start = offset_of(client, upload)
        headers = (
            *(f"{name}: {value}" for name, value in (TUS | PART).items()),
            f"Upload-Offset: {start}",
            f"Content-Length: {len(film) - start}",
        )
        at_it = False
        while not at_it:  # where a look was faster, the wire was refused
            with Wire(stage, "PATCH", upload, *headers) as wire:
                at_it = any(not settled() for _ in range(20))
                if at_it:
                    wire.send(film[start : start + more])
            until(settled)
        assert start <= offset_of(client, upload) <= start + more

    at = offset_of(client, upload)
    assert send(client, upload, at, film[at:]).status_code == 204
    assert state_of(client, address) == "ready"
    assert stored(stage, address) == film


def test_another_upload_takes_the_place_of_the_one_before(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    first = begun(client, address, len(film))
    send(client, first, 0, film[:100])

    second = begun(client, address, len(film))  # as large, and another file perhaps

    assert offset_of(client, second) == 0
    assert head(client, first).status_code == 404
    assert send(client, first, 100, film[100:]).status_code == 404
    assert client.delete(first, headers=TUS).status_code == 404
    assert send(client, second, 0, film).status_code == 204
    assert stored(stage, address) == film


@pytest.mark.parametrize("wrong", [0, 99, 101, 10**9, 10**30])
def test_a_part_for_elsewhere_is_told_where_to_go_on(
    client: httpx.Client, address: str, film: bytes, wrong: int
) -> None:
    upload = begun(client, address, len(film))
    send(client, upload, 0, film[:100])

    answer = send(client, upload, wrong, film[100:200])

    assert answer.status_code == 409
    assert answer.headers["upload-offset"] == "100"
    assert offset_of(client, upload) == 100


@pytest.mark.parametrize("offset", [None, "", "-1", "1.5", "0x10", "many", "1e3"])
def test_a_part_says_where_it_begins(
    client: httpx.Client, address: str, offset: str | None
) -> None:
    upload = begun(client, address, 100)
    headers = TUS | PART | ({} if offset is None else {"Upload-Offset": offset})

    assert client.patch(upload, headers=headers, content=b"part").status_code == 422
    assert offset_of(client, upload) == 0


@pytest.mark.parametrize("kind", [None, "application/octet-stream", "application/json"])
def test_a_part_says_what_it_is(client: httpx.Client, address: str, kind: str | None) -> None:
    upload = begun(client, address, 100)
    headers = {**TUS, "Upload-Offset": "0", **({"Content-Type": kind} if kind else {})}

    assert client.patch(upload, headers=headers, content=b"part").status_code == 415
    assert offset_of(client, upload) == 0
    headers = {**TUS, "Upload-Length": "100", **({"Content-Type": kind} if kind else {})}
    answer = client.post(upload.rpartition("/")[0], headers=headers, content=b"part")
    assert answer.status_code == 415
    assert offset_of(client, upload) == 0  # the one before is still there


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", ""])
def test_another_version_of_the_protocol_is_told_which_one_is_spoken(
    client: httpx.Client, address: str, version: str | None
) -> None:
    upload = begun(client, address, 4)
    spoken = {} if version is None else {"Tus-Resumable": version}
    part = {**spoken, **PART, "Upload-Offset": "0"}
    for answer in (
        client.post(upload.rpartition("/")[0], headers={**spoken, "Upload-Length": "5"}),
        client.head(upload, headers=spoken),
        client.patch(upload, headers=part, content=b"part"),
        client.delete(upload, headers=spoken),
    ):
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert offset_of(client, upload) == 0


def test_options_say_what_is_spoken(stage: Stage, client: httpx.Client, address: str) -> None:
    answer = client.options(f"{address.removesuffix('/video')}/uploads")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(stage.context.settings.limits.video_bytes)
    spoken = set(answer.headers["tus-extension"].split(","))
    assert spoken == {"creation", "creation-with-upload", "expiration", "termination"}


def test_every_answer_about_uploads_says_its_version(
    stage: Stage, client: httpx.Client, address: str
) -> None:
    upload = begun(client, address, 4)
    uploads = upload.rpartition("/")[0]
    with httpx.Client(base_url=stage.url) as nobody:
        answers = [
            client.options(uploads),
            begin(client, address, 4),
            head(client, upload),
            send(client, upload, 0, b"part"),
            send(client, uploads + "/none", 0, b"part"),
            client.put(upload, headers=TUS),
            nobody.head(upload, headers=TUS),
        ]
    assert [answer.status_code for answer in answers] == [204, 201, 404, 404, 404, 405, 401]
    assert {answer.headers["tus-resumable"] for answer in answers} == {"1.0.0"}
    assert "tus-resumable" not in client.get(address).headers


def test_the_method_may_be_told_in_a_header(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film))

    def ask(method: str, content: bytes = b"", **more: str) -> httpx.Response:
        headers = {**TUS, "X-HTTP-Method-Override": method, **more}
        return client.post(upload, headers=headers, content=content)

    assert ask("PATCH", film, **PART, **{"Upload-Offset": "0"}).status_code == 204
    assert stored(stage, address) == film
    assert ask("HEAD").headers["upload-offset"] == str(len(film))
    assert ask("GET").status_code == 405
    assert ask("DELETE").status_code == 204
    assert state_of(client, address) == "absent"
    # Of uploads only: anything else is what it says.
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert client.post(address.removesuffix("/video"), headers=headers).status_code == 405


def test_what_is_said_of_a_file_comes_back_and_names_nothing_on_the_disk(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    name = base64.b64encode(b"../../escaped\0.mp4").decode()
    for said in (f"filename {name}", f"filename {name},is_private,filetype dmlkZW8=", "empty"):
        upload = begin(client, address, len(film), metadata=said).headers["location"]
        assert head(client, upload).headers["upload-metadata"] == said
        assert uploading(stage, address) == [project.id]
        send(client, upload, 0, film)
    assert list(stage.folder.rglob("*escaped*")) == []


@pytest.mark.parametrize(
    "said",
    ["filename not!base64", "filename YQ==,filename Yg==", "f\u00fcr YQ==", "a b c"],
)
def test_what_can_not_be_read_of_a_file_is_refused(
    client: httpx.Client, address: str, said: str
) -> None:
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": said.encode("latin-1")}
    uploads = f"{address.removesuffix('/video')}/uploads"
    answer = client.post(uploads, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert state_of(client, address) == "absent"


def test_an_upload_that_is_given_up_is_gone(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    for size in (len(film) + 1, len(film)):  # on its way, and ready
        upload = begun(client, address, size)
        send(client, upload, 0, film)
        assert client.delete(upload, headers=TUS).status_code == 204
        assert head(client, upload).status_code == 404
        assert send(client, upload, 0, b"part").status_code == 404
        assert uploading(stage, address) == []
        assert list(stage.context.storage.keys(f"{address.split('/')[2]}/")) == []
        assert state_of(client, address) == "absent"


def test_without_a_beginning_there_is_no_part(client: httpx.Client, address: str) -> None:
    never = f"{address.removesuffix('/video')}/uploads/{'0' * 32}"
    assert send(client, never, 0, b"part").status_code == 404
    assert head(client, never).status_code == 404
    assert client.get(address).json()["upload"] is None
