"""Clients that mean harm: each gets a reason, and the service goes on as if nothing had been."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from benchmarks.service.server import Server
from tests.hostile import PHOTOS, VIDEOS, Hostile
from tests.sandbox.making import Holes
from tests.service.attacks import BODIES, FOREIGN_TYPES, NAMES, PATHS, PROJECT, RANGES, RAW, TOKEN
from tests.service.conftest import Material
from tests.service.unharmed import MB, State
from tests.service.wire import connect, exchange, read, request

PROBLEM = "application/problem+json"
MOST_FILE = 1_000_000
"""Bytes of the hostile files that are sent; larger ones differ in size only."""
SECRETS = ("/tmp", "/etc", "root:", "Traceback", ".examine", "objects/")
MOST_GROWTH = 150 * MB
SETTLED = 20.0
BODY_SECONDS = 3.0
DROP, MOST_DROPS = 0.2, 60
"""Seconds before a connection is dropped, and how often."""


@pytest.fixture(scope="module")
def before(service: Server, material: Material) -> State:
    # What is opened at the first use belongs to the service at rest.
    with _client(service) as client, _project(client) as project:
        client.put(f"{project}/video", content=material.video.read_bytes())
        client.post(f"{project}/photos?person=A", content=material.photo.read_bytes())
        client.get(f"{project}/preview")
    return State.of(service)


@pytest.fixture
def client(service: Server, before: State) -> Iterator[httpx.Client]:
    """Of the hostile client: the second token."""
    with _client(service) as client:
        yield client


@pytest.fixture
def project(client: httpx.Client) -> Iterator[str]:
    """Path of an empty project, deleted afterwards."""
    with _project(client) as path:
        yield path


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def answers(
    request: pytest.FixtureRequest,
    service: Server,
    before: State,
    listener: socket.socket,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Hostile, httpx.Response]:
    """What the service says to the files that the tests of this run ask for."""
    folder, port = tmp_path_factory.mktemp("hostile"), listener.getsockname()[1]
    wanted = {
        file
        for item in request.session.items
        if isinstance(file := _parameter(item, "file"), Hostile)
    }

    def send(file: Hostile) -> httpx.Response:
        place = folder / ("videos" if file in VIDEOS else "photos")
        place.mkdir(exist_ok=True)
        content = file.write(place, port).read_bytes()
        with _client(service) as client, _project(client) as project:
            if file in VIDEOS:
                return client.put(f"{project}/video", content=content)
            return client.post(f"{project}/photos?person=Anna", content=content)

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

    video = answer.json()
    assert answer.status_code == 200
    if file.readable:
        assert (video["state"], video["problem"]) == ("ready", None)
    else:
        assert video["state"] == "refused"
        assert video["problem"]["what"]
        assert video["facts"] is None
        _assert_gives_nothing_away(answer)


@pytest.mark.parametrize("file", SOME_PHOTOS, ids=lambda file: file.name)
def test_a_hostile_photo_is_refused_with_a_reason(
    file: Hostile, answers: dict[Hostile, httpx.Response]
) -> None:
    answer = answers[file]

    if file.readable:
        assert answer.status_code == 201
    else:
        assert answer.status_code == 422
        _assert_says_why(answer)


def test_addresses_in_files_are_not_called(
    answers: dict[Hostile, httpx.Response], listener: socket.socket
) -> None:
    assert None not in answers.values()
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", RAW)
def test_a_malformed_request_is_refused(
    name: str, service: Server, project: str, client: httpx.Client
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
    assert client.get(project).status_code == 200


@pytest.mark.parametrize("trick", PATHS)
def test_a_trick_in_a_path_finds_nothing(
    trick: str, service: Server, client: httpx.Client, project: str
) -> None:
    described = client.get("/v1/openapi.json").json()["paths"]
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
    name: str, service: Server, client: httpx.Client, project: str, material: Material
) -> None:
    person, allowed = NAMES[name]
    escaped = person if name == "surrogate" else quote(person)
    photo = material.photo.read_bytes()

    answer = client.post(f"{project}/photos?person={escaped}", content=photo)

    if allowed:
        assert answer.status_code == 201
        assert answer.json()["person"] == "Ź" * 40 if name == "combining" else person
        assert client.get(answer.json()["picture"]).headers["content-type"] == "image/jpeg"
    elif name == "surrogate":  # what isn't UTF-8 is read as replacement characters
        assert answer.status_code in (201, 422)
    else:
        assert answer.status_code in (400, 422)
        _assert_says_why(answer)
    stored = {p.name for p in (service.data / "photos").rglob("*.jpg")}
    assert all(set(path.removesuffix(".jpg")) <= set("0123456789abcdef") for path in stored)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data"])
def test_a_body_that_makes_no_sense_is_refused(
    name: str, kind: str, client: httpx.Client, project: str
) -> None:
    encoded = {"Content-Encoding": "gzip"} if name == "gzip" else {}

    answer = client.post(
        f"{project}/video", content=BODIES[name], headers={"Content-Type": kind, **encoded}
    )

    assert answer.status_code in (400, 413, 422)
    _assert_says_why(answer)


def test_a_compressed_body_is_not_unpacked(client: httpx.Client, project: str) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)

    answer = client.put(
        f"{project}/video", content=bomb, headers={"Content-Encoding": "gzip"}
    ).json()

    assert answer["size"] == len(bomb)
    assert answer["state"] == "refused"


@pytest.mark.parametrize("route", ["/segment", "/embed", "/mask_image"])
@pytest.mark.parametrize("kind", FOREIGN_TYPES)
def test_the_routes_of_pictures_take_json_alone(
    route: str, kind: str, client: httpx.Client, tmp_path: Path
) -> None:
    pickle = f"cos\nsystem\n(S'touch {tmp_path / 'pwned'}'\ntR.".encode()
    headers = {"Content-Type": kind, "Payload-Container": "Default", "Batch-Size": "1"}

    answer = client.post(route, content=pickle, headers=headers)

    assert answer.status_code == 415
    _assert_says_why(answer)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image", ["{listener}", "AAAA", "", "é", ["AAAA"], None, 7])
def test_what_is_no_picture_is_refused(
    image: Any, client: httpx.Client, listener: socket.socket
) -> None:
    if isinstance(image, str):
        port = listener.getsockname()[1]
        image = image.replace("{listener}", f"http://127.0.0.1:{port}/a.jpg")

    answer = client.post("/segment", json={"image": image})

    assert answer.status_code == 400
    assert "error" in str(answer.json())
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", RANGES)
def test_an_odd_range_gets_the_file_or_a_refusal(
    name: str, client: httpx.Client, video: str, material: Material
) -> None:
    given, status = RANGES[name]

    answer = client.get(f"{video}/video/file", headers={b"Range": given.encode()})

    assert answer.status_code == status
    if status != 416:
        assert answer.content == material.video.read_bytes()


def test_a_stranger_is_answered_before_anything_is_read(service: Server, before: State) -> None:
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
        connection.settimeout(4 * BODY_SECONDS)
        answer = read(connection)
        stop.set()
        sender.join()

    assert answer.status == 408


def test_many_idle_connections_keep_nobody_out(service: Server, client: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(connect(service.url)).sendall(b"GET / HTTP/1.1\r\nX: ")

        assert client.get("/v1/projects").is_success


def test_an_upload_dropped_again_and_again_arrives_whole(
    service: Server, client: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()
    client.post(f"{project}/video", json={"size": len(content)})
    drops = []
    while client.get(f"{project}/video").json()["state"] == "uploading" and len(drops) < MOST_DROPS:
        offset = int(client.head(f"{project}/video").headers["Upload-Offset"])
        head = request(
            "PATCH",
            f"{project}/video",
            service.tokens[1],
            f"Content-Length: {len(content) - offset}",
            f"Upload-Offset: {offset}",
        )
        end = offset + len(content) // 7
        with connect(service.url) as connection:
            connection.sendall(head + content[offset:end])
            if end >= len(content):
                read(connection)
            time.sleep(DROP)
        drops.append(offset)

    assert len(set(drops)) >= 7
    assert client.get(f"{project}/video").json()["state"] == "ready"
    assert client.get(f"{project}/video/file").content == content


@pytest.mark.parametrize("offset", ["-1", "1", "999999999999", "9" * 5000, "x", "", "1e3", "0x0"])
def test_a_part_at_a_wrong_offset_is_refused(
    offset: str, client: httpx.Client, project: str
) -> None:
    client.post(f"{project}/video", json={"size": 10})

    answer = client.patch(f"{project}/video", content=b"12345", headers={"Upload-Offset": offset})

    assert answer.status_code in (400, 409, 422)
    _assert_says_why(answer)
    assert client.head(f"{project}/video").headers["Upload-Offset"] == "0"


def test_of_parts_sent_at_once_one_is_taken(
    client: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()
    client.post(f"{project}/video", json={"size": len(content)})

    def send(_: int) -> int:
        headers = {"Upload-Offset": "0"}
        return client.patch(f"{project}/video", content=content, headers=headers).status_code

    statuses = _at_once(send, 3)

    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409}
    assert client.get(f"{project}/video/file").content == content


def test_of_videos_sent_at_once_one_is_whole(
    client: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()

    statuses = _at_once(lambda _: client.put(f"{project}/video", content=content).status_code, 3)

    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    assert client.get(f"{project}/video/file").content == content


def test_many_cancels_at_once_cancel_once(client: httpx.Client, video: str) -> None:
    job = client.post(f"{video}/jobs", json={"kind": "mask"}).json()
    address = f"{video}/jobs/{job['id']}"

    statuses = _at_once(lambda _: client.post(f"{address}/cancel").status_code, 20)

    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert _ended(client, address)["state"] == "cancelled"


def test_many_starts_at_once_start_one(client: httpx.Client, video: str) -> None:
    statuses = _at_once(
        lambda _: client.post(f"{video}/jobs", json={"kind": "mask"}).status_code, 10
    )

    assert statuses.count(202) == 1
    assert set(statuses) == {202, 409}
    [running] = [j for j in client.get(f"{video}/jobs").json()["jobs"] if j["finished"] is None]
    client.post(f"{video}/jobs/{running['id']}/cancel")
    _ended(client, f"{video}/jobs/{running['id']}")


def test_listeners_by_the_dozen_may_come_and_go(
    service: Server, client: httpx.Client, video: str
) -> None:
    job = client.post(f"{video}/jobs", json={"kind": "mask"}).json()
    address = f"{video}/jobs/{job['id']}"
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for number in range(30):
                connection = stack.enter_context(connect(service.url))
                connection.sendall(
                    request("GET", f"{address}/events", service.tokens[1], "Last-Event-ID: x.y")
                )
                if number % 2:
                    assert connection.recv(15).startswith(b"HTTP/1.1 200")

    assert client.post(f"{address}/cancel").status_code in (202, 409)
    _ended(client, address)


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.35, 0.5])
@pytest.mark.parametrize("what", ["video", "photo"])
def test_a_project_can_be_deleted_while_something_is_sent(
    what: str, delay: float, service: Server, client: httpx.Client, material: Material
) -> None:
    with _project(client) as project, ThreadPoolExecutor(1) as pool:
        if what == "video":
            content = material.video.read_bytes()
            sending = pool.submit(client.put, f"{project}/video", content=content)
        else:
            content = material.photo.read_bytes()
            sending = pool.submit(client.post, f"{project}/photos?person=A", content=content)
        time.sleep(delay)

        assert client.delete(project).status_code in (204, 404)
        assert sending.result().status_code in (200, 201, 404)
        _assert_nothing_of(service, project)


@pytest.mark.parametrize("delay", [0.0, 0.1, 1.0, 2.5])
def test_a_project_can_be_deleted_while_a_job_runs(
    delay: float, service: Server, client: httpx.Client, material: Material
) -> None:
    with _project(client) as project:
        client.put(f"{project}/video", content=material.video.read_bytes())
        job = client.post(f"{project}/jobs", json={"kind": "mask"}).json()["id"]
        time.sleep(delay)

        statuses = _at_once(lambda _: client.delete(project).status_code, 3)

        assert 204 in statuses
        assert set(statuses) <= {204, 404}
        assert client.get(f"{project}/jobs/{job}").status_code == 404
        _assert_nothing_of(service, project)
        assert not (service.data / "work" / job).exists()


def test_the_service_is_unharmed(service: Server, before: State) -> None:
    """After all of the above: the same processes, no file too many, little more memory."""
    until = time.monotonic() + SETTLED
    after = State.of(service)
    while after.files - before.files and time.monotonic() < until:
        time.sleep(0.5)
        after = State.of(service)

    with _client(service) as client:
        assert client.get("/readyz").is_success
        assert not client.get("/v1/projects").json()["projects"]
    assert after.processes == before.processes
    assert after.files - before.files == set()
    assert after.memory - before.memory < MOST_GROWTH
    written = service.log.read_text(errors="replace")[before.log :]
    assert "defect" not in written
    assert "Traceback" not in written
    assert not [name for name, _ in NAMES.values() if len(name.strip()) > 4 and name in written]


@pytest.fixture
def video(project: str, client: httpx.Client, material: Material) -> str:
    """Path of a project with a video."""
    sent = client.put(f"{project}/video", content=material.video.read_bytes())
    assert sent.json()["state"] == "ready"
    return project


def _client(service: Server) -> httpx.Client:
    return httpx.Client(
        base_url=service.url,
        headers={"Authorization": f"Bearer {service.tokens[1]}"},
        timeout=60,
        trust_env=False,
    )


@contextlib.contextmanager
def _project(client: httpx.Client) -> Iterator[str]:
    path = client.post("/v1/projects").headers["Location"]
    try:
        yield path
    finally:
        client.delete(path)


def _parameter(item: pytest.Item, name: str) -> object:
    call = getattr(item, "callspec", None)
    return call.params.get(name) if call else None


def _assert_says_why(answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    _assert_gives_nothing_away(answer)


def _assert_gives_nothing_away(answer: httpx.Response) -> None:
    assert not [secret for secret in SECRETS if secret in answer.text]


def _assert_nothing_of(service: Server, project: str) -> None:
    number = project.rpartition("/")[2]
    until = time.monotonic() + SETTLED
    while left := [path for path in service.data.rglob("*") if number in str(path)]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def _at_once(call: Callable[[int], int], times: int) -> list[int]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def _ended(client: httpx.Client, address: str) -> dict[str, Any]:
    _wait_for(lambda: client.get(address).json()["finished"] is not None)
    job: dict[str, Any] = client.get(address).json()
    return job


def _wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + SETTLED
    while not true():
        assert time.monotonic() < until, "it doesn't come to rest"
        time.sleep(0.05)
