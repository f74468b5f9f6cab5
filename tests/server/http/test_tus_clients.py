"""Clients of tus that others wrote, over connections that break: tuspy and tus-js-client."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander.server.jobs.spec import VIDEO_FILE
from tests.sandbox.made import box
from tests.server.http.cutting import cutting
from tests.support.stage import TOKENS, Stage, staged
from tests.support.videos import make_video
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long

MIB = 2**20
SCRIPT = Path(__file__).with_name("tus_js_client.cjs")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four MiB and a little, no two of them alike."""
    path = make_video(tmp_path_factory.mktemp("film") / "street.mp4")
    with path.open("ab") as file:
        file.write(box(b"free", os.urandom(4 * MIB)))
    return path


@pytest.fixture
def uploads(stage: Stage) -> str:
    """Path of the endpoint."""
    return f"/projects/{stage.project().id}/uploads"


def assert_arrived(stage: Stage, uploads: str, film: Path) -> None:
    with stage.client() as client:
        view = client.get(f"{uploads.removesuffix('/uploads')}/video").json()
    assert (view["state"], view["received"]) == ("ready", film.stat().st_size)
    stored = b"".join(stage.context.storage.read(f"{uploads.split('/')[2]}/{VIDEO_FILE}"))
    assert stored == film.read_bytes()


def test_tuspy_goes_on_after_broken_connections_and_in_another_uploader(
    stage: Stage, uploads: str, film: Path
) -> None:
    tusclient = pytest.importorskip("tusclient.client")
    headers = {"Authorization": f"Bearer {TOKENS[0]}"}
    options = {"chunk_size": MIB, "retries": 100, "retry_delay": 0.02}
    with cutting(stage.url, MIB // 3, times=3) as way, film.open("rb") as file:
        client = tusclient.TusClient(way.url + uploads, headers)
        first = client.uploader(file_stream=file, metadata={"filename": "../../a.mp4"}, **options)
        first.upload(stop_at=2 * MIB)
        assert way.cut == 3
        second = client.uploader(file_stream=file, url=first.url, **options)
        assert 2 * MIB <= second.offset < film.stat().st_size
        second.upload()
    assert_arrived(stage, uploads, film)


def test_tus_js_client_goes_on_after_broken_connections_and_in_another_process(
    stage: Stage, uploads: str, film: Path, tmp_path: Path
) -> None:
    node = shutil.which("node")
    found = node and subprocess.run(
        [node, "-e", "require.resolve('tus-js-client')"], cwd=tmp_path, capture_output=True
    )
    if not node or not found or found.returncode:
        pytest.skip("needs node, and tus-js-client below NODE_PATH (npm install -g tus-js-client)")

    def run(endpoint: str, *stop: str) -> subprocess.CompletedProcess[str]:
        assert node
        return subprocess.run(
            [node, SCRIPT, endpoint, TOKENS[0], film, tmp_path / "store", str(MIB), *stop],
            capture_output=True,
            text=True,
            timeout=HANGS_AFTER_SECONDS,
            cwd=tmp_path,
        )

    killed = run(stage.url + uploads, str(2 * MIB + MIB // 2))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with stage.client() as client:
        before = client.get(f"{uploads.removesuffix('/uploads')}/video").json()
    assert before["state"] == "uploading"
    with cutting(stage.url, MIB // 3, times=3) as way:
        # What it has stored of the first run is an address of the server itself.
        store = tmp_path / "store"
        store.write_text(store.read_text().replace(stage.url, way.url))
        done = run(way.url + uploads)
        assert done.returncode == 0, done.stderr
        assert way.cut == 3
    assert before["upload"] in done.stdout
    assert_arrived(stage, uploads, film)
