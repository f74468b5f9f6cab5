"""Clients that mean harm: each gets a reason, and the service goes on as if nothing had been."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from benchmarks.service.server import Server
from tests.sandbox.making import Holes
from tests.service.attacks import BODIES, FOREIGN_TYPES, NAMES, PATHS, PROJECT, RANGES, RAW, TOKEN
from tests.service.conftest import Material
from tests.service.wire import connect, exchange, read, request
from tests.support.hostile import PHOTOS, VIDEOS, Hostile, asked_for
from tests.support.stranger import (
    assert_gives_nothing_away,
    assert_says_why,
    open_client,
    open_project,
)
from tests.support.unharmed import unharmed
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long

MOST_FILE = 1_000_000
"""Bytes of the hostile files that are sent; larger ones differ in size only."""


@pytest.fixture(scope="module", autouse=True)
def _unharmed(service: Server, material: Material) -> Iterator[None]:
    with unharmed(service, material.video):
        yield


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def answers(
    request: pytest.FixtureRequest,
    service: Server,
    listener: socket.socket,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Hostile, httpx.Response]:
    """What the service says to the files that the tests of this run ask for."""
    folder, port = tmp_path_factory.mktemp("hostile"), listener.getsockname()[1]
    wanted = asked_for(request)

    def send(file: Hostile) -> httpx.Response:
        place = folder / ("videos" if file in VIDEOS else "photos")
        place.mkdir(exist_ok=True)
        content = file.write(place, port).read_bytes()
        with (
            open_client(service, service.tokens[1]) as stranger,
            open_project(stranger) as project,
        ):
            if file in VIDEOS:
                return stranger.put(f"{project}/video", content=content)
            return stranger.post(f"{project}/photos?person=Anna", content=content)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(wanted, pool.map(send, wanted), strict=True))


def _small(file: Hostile) -> bool:
    content = file.make()
    return not isinstance(content, Holes) and len(content) <= MOST_FILE


# Every other one: the sandbox's own tests take them all.
SOME_VIDEOS = [file for file in VIDEOS[::2] if _small(file)]
SOME_PHOTOS = [file for file in PHOTOS[::2] if _small(file)]


@pytest.mark.parametrize("file", SOME_VIDEOS, ids=lambda file: file.name)
def test_a_hostile_video_is_refused_with_a_reason(
    file: Hostile, answers: dict[Hostile, httpx.Response]
) -> None:
    answer = answers[file]
    if file.name == "empty":  # there is nothing to examine
        assert answer.status_code == 422
        assert_says_why(answer)
        return

    video = answer.json()
    assert answer.status_code == 200
    if file.readable:
        assert (video["state"], video["problem"]) == ("ready", None)
    else:
        assert video["state"] == "refused"
        assert video["problem"]["what"]
        assert video["facts"] is None
        assert_gives_nothing_away(answer)


@pytest.mark.parametrize("file", SOME_PHOTOS, ids=lambda file: file.name)
def test_a_hostile_photo_is_refused_with_a_reason(
    file: Hostile, answers: dict[Hostile, httpx.Response]
) -> None:
    answer = answers[file]

    if file.readable:
        assert answer.status_code == 201
    else:
        assert answer.status_code == 422
        assert_says_why(answer)


def test_addresses_in_files_are_not_called(
    answers: dict[Hostile, httpx.Response], listener: socket.socket
) -> None:
    assert None not in answers.values()
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", RAW)
def test_a_malformed_request_is_refused(
    name: str, service: Server, project: str, stranger: httpx.Client
) -> None:
    written = RAW[name]
    if isinstance(written, str):
        token = f"Authorization: Bearer {service.tokens[1]}"
        filled = written.replace(TOKEN, token).replace(PROJECT, project.rpartition("/")[2])
        written = filled.encode("latin-1")

    answer = exchange(service.url, written)

    if name == "ten-thousand-headers":  # odd, but whole
        assert answer.status == 200
    else:
        assert 400 <= answer.status < 500
    assert answer.count <= 2
    assert b"bentoml_service" not in answer.content  # metrics, asked for without a token
    assert stranger.get(project).status_code == 200


@pytest.mark.parametrize("trick", PATHS)
def test_a_trick_in_a_path_finds_nothing(
    trick: str, service: Server, stranger: httpx.Client, project: str
) -> None:
    described = stranger.get("/v1/openapi.json").json()["paths"]
    own = project.rpartition("/")[2]
    for template, methods in described.items():
        # The first id wrong, and all but the first.
        first, *others = template.split("{")
        fillings = [template]
        if others[1:]:
            fillings.append(first + own + others[0].partition("}")[2] + "{" + "{".join(others[1:]))
        for path in fillings if others else []:
            filled = "/v1" + "".join(
                piece if number == 0 else trick + piece.partition("}")[2]
                for number, piece in enumerate(path.split("{"))
            )
            for method in methods:
                answer = exchange(
                    service.url,
                    request(method.upper(), filled, service.tokens[1], "Content-Length: 0"),
                )
                assert 400 <= answer.status < 500, (method, path)
                assert b"root:" not in answer.content


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_a_name(
    name: str, service: Server, stranger: httpx.Client, project: str, material: Material
) -> None:
    person, allowed = NAMES[name]
    escaped = person if name == "surrogate" else quote(person)
    photo = material.photo.read_bytes()

    answer = stranger.post(f"{project}/photos?person={escaped}", content=photo)

    if allowed:
        assert answer.status_code == 201
        assert answer.json()["person"] == "Ź" * 40 if name == "combining" else person
        assert stranger.get(answer.json()["picture"]).headers["content-type"] == "image/jpeg"
    elif name == "surrogate":  # what isn't UTF-8 is read as replacement characters
        assert answer.status_code in (201, 422)
    else:
        assert answer.status_code in (400, 422)
        assert_says_why(answer)
    assert len(person.strip()) < 5 or person not in service.log.read_text(errors="replace")
    stored = {p.name for p in (service.data / "photos").rglob("*.jpg")}
    assert all(set(path.removesuffix(".jpg")) <= set("0123456789abcdef") for path in stored)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data"])
def test_a_body_that_makes_no_sense_is_refused(
    name: str, kind: str, stranger: httpx.Client, project: str
) -> None:
    encoded = {"Content-Encoding": "gzip"} if name == "gzip" else {}

    answer = stranger.post(
        f"{project}/video/upload-url",
        content=BODIES[name],
        headers={"Content-Type": kind, **encoded},
    )

    unread = () if kind == "application/json" else (415,)
    assert answer.status_code in (400, 413, 422, 501, *unread)  # 501: there is no bucket
    assert_says_why(answer)


def test_a_compressed_body_is_not_unpacked(stranger: httpx.Client, project: str) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)

    answer = stranger.put(
        f"{project}/video", content=bomb, headers={"Content-Encoding": "gzip"}
    ).json()

    assert answer["size"] == len(bomb)
    assert answer["state"] == "refused"


@pytest.mark.parametrize("route", ["/segment", "/embed", "/mask_image"])
@pytest.mark.parametrize("kind", FOREIGN_TYPES)
def test_the_routes_of_pictures_take_json_alone(
    route: str, kind: str, stranger: httpx.Client, tmp_path: Path
) -> None:
    pickle = f"cos\nsystem\n(S'touch {tmp_path / 'pwned'}'\ntR.".encode()
    headers = {"Content-Type": kind, "Payload-Container": "Default", "Batch-Size": "1"}

    answer = stranger.post(route, content=pickle, headers=headers)

    assert answer.status_code == 415
    assert_says_why(answer)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image", ["{listener}", "AAAA", "", "é", ["AAAA"], None, 7])
def test_what_is_no_picture_is_refused(
    image: Any, stranger: httpx.Client, listener: socket.socket
) -> None:
    if isinstance(image, str):
        port = listener.getsockname()[1]
        image = image.replace("{listener}", f"http://127.0.0.1:{port}/a.jpg")

    answer = stranger.post("/segment", json={"image": image})

    assert answer.status_code == 400
    assert "error" in str(answer.json())
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", RANGES)
def test_an_odd_range_gets_the_file_or_a_refusal(
    name: str, stranger: httpx.Client, video: str, material: Material
) -> None:
    given, status = RANGES[name]

    answer = stranger.get(f"{video}/video/file", headers={b"Range": given.encode()})

    assert answer.status_code == status
    if status != 416:
        assert answer.content == material.video.read_bytes()


def test_a_stranger_is_answered_before_anything_is_read(service: Server) -> None:
    for path in ("/segment", "/v1/projects", "/nothing"):
        head = request("POST", path, "", "Content-Type: application/json", "Content-Length: 9999")

        assert exchange(service.url, head).status == 401


@pytest.mark.parametrize("where", ["PUT video", "POST photos?person=A", "POST jobs"])
def test_an_upload_of_a_byte_a_second_is_dropped(where: str, service: Server, project: str) -> None:
    method, path = where.split()
    head = request(
        method,
        f"{project}/{path}",
        service.tokens[1],
        "Content-Length: 5000",
        "Content-Type: application/json",
    )
    with connect(service.url) as connection:
        stop = threading.Event()

        def trickle() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(head)
                while not stop.wait(0.5):
                    connection.sendall(b" ")

        sender = threading.Thread(target=trickle)
        sender.start()
        connection.settimeout(HANGS_AFTER_SECONDS)
        answer = read(connection)
        stop.set()
        sender.join()

    assert answer.status == 408
