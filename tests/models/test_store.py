from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bystander.errors import ConfigError, ModelCorrupt, ModelError, ModelNotFound
from bystander.models.store import Catalogue, Download, ModelFile, ModelStore

WEIGHTS = b"weights " * 100_000
CHECKSUM = hashlib.sha256(WEIGHTS).hexdigest()


def catalogue(download: Download | None = None) -> Catalogue:
    entry = ModelFile(
        file="net.onnx",
        role="segmenter",
        sha256=CHECKSUM,
        licence="none",
        source="made by the test",
        input="none",
        download=download,
    )
    body = entry.model_copy(update={"role": "body", "file": "body.onnx"})
    files = {"net": entry, "body": body}
    return Catalogue(files=files, segmenters=("net",), bodies=("body",), faces={})


def store(home: Path, download: Download | None = None) -> ModelStore:
    environ = {
        "BYSTANDER_MODELS": os.pathsep.join([str(home / "first"), str(home / "second")]),
        "BENTOML_HOME": str(home / "bentoml"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
    }
    return ModelStore.from_environment(catalogue(download), environ)


def put(path: Path, content: bytes = WEIGHTS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def bentoml(home: Path) -> Path:
    put(home / "bentoml/models/net/latest", b"v2\n")
    return put(home / "bentoml/models/net/v2/net.onnx")


def test_the_first_place_that_has_the_file_wins(tmp_path: Path) -> None:
    here = store(tmp_path)
    cached = put(tmp_path / "cache/bystander/net.onnx")
    assert here.find("net") == cached
    in_bentoml = bentoml(tmp_path)
    assert here.find("net") == in_bentoml
    second = put(tmp_path / "second/net.onnx")
    assert here.find("net") == second
    first = put(tmp_path / "first/net.onnx")
    assert here.find("net") == first
    own = put(tmp_path / "own.onnx", b"fine-tuned at home")
    assert here.find("net", own) == own


def test_a_missing_file_names_every_place_and_how_to_get_it(tmp_path: Path) -> None:
    here = store(tmp_path, Download(url="https://example.org/net.onnx"))
    assert not here.has("net")
    with pytest.raises(ModelNotFound) as caught:
        here.find("net")
    message = str(caught.value)
    for place in ("first", "second", "weights", "bentoml/models/net", "cache/bystander"):
        assert place in message
    assert "`bystander models pull net`" in message


def test_a_file_that_nobody_offers_is_not_advised_to_be_pulled(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        store(tmp_path).find("net")
    assert "pull" not in str(caught.value)
    with pytest.raises(ModelNotFound, match="made by the test"):
        store(tmp_path).pull("net")


def test_a_missing_explicit_path_is_not_replaced_by_another_file(tmp_path: Path) -> None:
    put(tmp_path / "first/net.onnx")
    with pytest.raises(ModelNotFound, match=r"own\.onnx"):
        store(tmp_path).find("net", tmp_path / "own.onnx")


def test_another_checksum_is_corrupt(tmp_path: Path) -> None:
    put(tmp_path / "first/net.onnx", WEIGHTS[:-1])
    put(tmp_path / "second/net.onnx")
    with pytest.raises(ModelCorrupt, match=r"first/net\.onnx"):
        store(tmp_path).find("net")


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Known: net, body"):
        store(tmp_path).find("yolo99")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A web server's folder and address."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pull_downloads_verifies_and_is_found(tmp_path: Path, publisher: tuple[Path, str]) -> None:
    folder, url = publisher
    put(folder / "net.onnx")
    here = store(tmp_path, Download(url=f"{url}/net.onnx"))
    steps: list[tuple[int, int | None]] = []
    pulled = here.pull("net", lambda done, total: steps.append((done, total)))
    assert here.find("net") == pulled == tmp_path / "cache/bystander/net.onnx"
    assert steps[-1] == (len(WEIGHTS), len(WEIGHTS))
    (folder / "net.onnx").unlink()
    assert here.pull("net") == pulled  # an intact copy is not fetched again


def test_pull_takes_the_one_file_out_of_a_zip(tmp_path: Path, publisher: tuple[Path, str]) -> None:
    folder, url = publisher
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pack/other.onnx", b"other")
        archive.writestr("pack/net.onnx", WEIGHTS)
    put(folder / "pack.zip", packed.getvalue())
    checksum = hashlib.sha256(packed.getvalue()).hexdigest()
    here = store(tmp_path, Download(url=f"{url}/pack.zip", archive_sha256=checksum))
    assert here.pull("net").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("offered", "error"),
    [(b"an error page", ModelCorrupt), (WEIGHTS[:1000], ModelCorrupt), (None, ModelError)],
    ids=["another-file", "cut-short", "not-found"],
)
@pytest.mark.sampled(3)
def test_a_failed_pull_leaves_nothing_behind(
    tmp_path: Path,
    publisher: tuple[Path, str],
    offered: bytes | None,
    error: type[ModelError],
) -> None:
    folder, url = publisher
    if offered is not None:
        put(folder / "net.onnx", offered)
    here = store(tmp_path, Download(url=f"{url}/net.onnx"))
    with pytest.raises(error):
        here.pull("net")
    assert list((tmp_path / "cache/bystander").iterdir()) == []


def test_who_has_no_segmenter_is_told_of_every_way_to_one(tmp_path: Path) -> None:
    store = ModelStore(Catalogue.load(), (), tmp_path / "bentoml", tmp_path / "cache")
    with pytest.raises(ModelNotFound, match=r"BYSTANDER_MODELS, or .* BYSTANDER_SEGMENTER"):
        store.find("yolo11n-seg")


def test_a_segmenter_of_ones_own_is_named_by_the_environment(tmp_path: Path) -> None:
    own = tmp_path / "mine.onnx"
    own.write_bytes(b"weights")
    store = ModelStore.from_environment(Catalogue.load(), {"BYSTANDER_SEGMENTER": str(own)})
    assert store.find("yolo11n-seg", store.segmenter) == own
