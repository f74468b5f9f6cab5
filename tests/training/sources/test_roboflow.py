"""Against a server on this machine that answers as Roboflow and its storage do."""

from __future__ import annotations

import io
import json
import re
import threading
import traceback
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from training.errors import CorruptArchive, DataError, DownloadInterrupted, MissingKey
from training.sources import RoboflowSource, read
from training.sources.roboflow import KEY_VARIABLE, fetch

KEY = "s3cret key/of+ours"
ENVIRON = {KEY_VARIABLE: KEY}
SOURCE = RoboflowSource(name="rf", workspace="w", project="p", version=2, folder="persons")


def archive(**files: bytes) -> bytes:
    picture = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(picture, "PNG")
    data = "train: ../train/images\nnames: [person]\nroboflow: {license: CC BY 4.0}\n"
    members = {
        "data.yaml": data.encode(),
        "train/images/a.png": picture.getvalue(),
        "train/labels/a.txt": b"0 0 0 1 0 1 1\n",
        **files,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for name, content in members.items():
            written.writestr(name, content)
    return stream.getvalue()


class Roboflow(ThreadingHTTPServer):
    """What it serves and how it fails is set by the tests; `sent` counts archive bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.archive = archive()
        self.closes_after: int | None = None
        self.ranges = True
        self.pending = 0
        self.status = 200
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Roboflow

    def do_GET(self) -> None:
        if self.path.startswith("/archive"):
            return self._archive()
        if self.path != "/w/p/2/yolov8?api_key=s3cret+key%2Fof%2Bours":
            return self._json(404, {"error": self.path})
        if self.server.status != 200:
            return self._json(self.server.status, {"error": self.path})
        if self.server.pending:
            self.server.pending -= 1
            return self._json(202, {"progress": 0.5})
        link = f"{self.server.address}/archive?key=linksecret"
        return self._json(200, {"export": {"link": link}})

    def _json(self, status: int, content: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def _archive(self) -> None:
        whole = self.server.archive
        match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match.group(1)) if match and self.server.ranges else 0
        if start >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            return self.end_headers()
        body = whole[start:]
        self.send_response(206 if self.server.ranges else 200)
        if self.server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: self.server.closes_after]
        self.server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def roboflow() -> Iterator[Roboflow]:
    with Roboflow() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(roboflow: Roboflow, target: Path, source: RoboflowSource = SOURCE) -> Path:
    return fetch(source, target, ENVIRON, roboflow.address, sleep=lambda _: None)


def test_the_export_is_read_with_the_licence_that_it_states(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    roboflow.pending = 2  # it is prepared first
    get(roboflow, tmp_path / "persons")

    [picture] = read(SOURCE, tmp_path)

    assert (picture.key, picture.licence) == ("rf/train/images/a.png", "CC BY 4.0")
    assert len(picture.people) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["persons"]


def test_a_finished_download_needs_neither_server_nor_key(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    get(roboflow, tmp_path / "persons")

    assert fetch(SOURCE, tmp_path / "persons", {}, "http://127.0.0.1:9") == tmp_path / "persons"


def test_an_interrupted_download_goes_on_where_it_stopped(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    roboflow.closes_after = 1000
    with pytest.raises(DownloadInterrupted, match=r"zip\.part"):
        get(roboflow, tmp_path / "persons")
    assert not (tmp_path / "persons").exists()

    roboflow.closes_after = None
    get(roboflow, tmp_path / "persons")

    assert roboflow.sent == len(roboflow.archive)


def test_a_server_without_ranges_sends_everything_again(roboflow: Roboflow, tmp_path: Path) -> None:
    roboflow.ranges = False
    roboflow.closes_after = 1000
    with pytest.raises(DownloadInterrupted):
        get(roboflow, tmp_path / "persons")

    roboflow.closes_after = None
    assert (get(roboflow, tmp_path / "persons") / "data.yaml").is_file()


def test_an_archive_that_had_arrived_whole_is_not_fetched_again(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    (tmp_path / "w-p-2-yolov8.zip.part").write_bytes(roboflow.archive)

    get(roboflow, tmp_path / "persons")

    assert roboflow.sent == 0


def test_a_beginning_of_something_longer_is_fetched_anew(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    (tmp_path / "w-p-2-yolov8.zip.part").write_bytes(roboflow.archive + b"more")
    with pytest.raises(DataError, match="416"):
        get(roboflow, tmp_path / "persons")

    assert (get(roboflow, tmp_path / "persons") / "data.yaml").is_file()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b"not a zip at all" * 100, "not an intact zip"),
        (archive().replace(b"0 0 0 1 0 1 1", b"0 0 0 1 0 1 2", 1), "not an intact zip"),
        (archive(**{"../escaped.txt": b"x"}), "outside of its folder"),
        (archive(**{"/escaped.txt": b"x"}), "outside of its folder"),
        (archive(**{"data.yaml": b""}).replace(b"data.yaml", b"tada.yaml"), r"no data\.yaml"),
    ],
)
def test_a_bad_archive_is_refused_and_then_fetched_anew(
    roboflow: Roboflow, tmp_path: Path, broken: bytes, message: str
) -> None:
    good, roboflow.archive = roboflow.archive, broken
    with pytest.raises(CorruptArchive, match=message):
        get(roboflow, tmp_path / "persons")
    assert not (tmp_path / "persons").exists()
    assert not (tmp_path / "escaped.txt").exists()

    roboflow.archive = good
    assert (get(roboflow, tmp_path / "persons") / "data.yaml").is_file()


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(
    roboflow: Roboflow, tmp_path: Path
) -> None:
    with pytest.raises(CorruptArchive, match="more than the allowed"):
        get(roboflow, tmp_path / "persons", SOURCE.model_copy(update={"limit_gb": 1e-6}))


def test_without_a_key_the_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingKey, match=KEY_VARIABLE):
        fetch(SOURCE, tmp_path / "persons", {})


@pytest.mark.parametrize(
    ("status", "error"), [(401, MissingKey), (403, MissingKey), (404, DataError), (500, DataError)]
)
def test_a_refusal_says_what_to_check(
    roboflow: Roboflow, tmp_path: Path, status: int, error: type[DataError]
) -> None:
    roboflow.status = status
    with pytest.raises(error, match=f"w/p/2/yolov8.*HTTP {status}"):
        get(roboflow, tmp_path / "persons")


def test_a_folder_with_something_else_is_left_alone(roboflow: Roboflow, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="isn't a finished download"):
        get(roboflow, tmp_path / "mine")

    get(roboflow, tmp_path / "persons")
    with pytest.raises(DataError, match="w/p/2/yolov8, not w/p/3/yolov8"):
        get(roboflow, tmp_path / "persons", SOURCE.model_copy(update={"version": 3}))


@pytest.mark.parametrize("failure", ["refused", "no server", "interrupted", "bad link"])
def test_neither_key_nor_link_shows_up_anywhere(
    roboflow: Roboflow,
    tmp_path: Path,
    failure: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    roboflow.status = 401 if failure == "refused" else 200
    roboflow.closes_after = 500 if failure == "interrupted" else None
    api = {"no server": "http://127.0.0.1:9", "bad link": "http://bad host"}
    with pytest.raises(DataError) as caught:
        fetch(SOURCE, tmp_path / "persons", ENVIRON, api.get(failure, roboflow.address))

    shown = "".join(traceback.format_exception(caught.value)) + str(capfd.readouterr())
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("s3cret", "linksecret"):
        assert secret not in shown + caplog.text
        assert secret.encode() not in files
    assert caught.value.__cause__ is None
