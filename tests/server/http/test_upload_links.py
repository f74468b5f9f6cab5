"""Videos that clients send to the bucket themselves, against one on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.server.jobs.spec import TIMELINE_FILE, VIDEO_FILE
from bystander.server.models import new_id
from bystander.server.retention import UPLOADS
from bystander.server.settings import LimitSettings, ServiceSettings
from tests.storage.conftest import BUCKET
from tests.support.stage import Stage, staged
from tests.support.videos import make_video

pytest.importorskip("gcsfs")

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2 import service_account

from bystander.storage.cloud import CloudStorage

pytestmark = pytest.mark.sampled(4)


class SigningBucket(CloudStorage):
    """A part of the emulator's bucket; links are signed with a key that nobody knows.

    With such a key, everything else would ask Google for a token.
    """

    def __init__(self, emulator: str) -> None:
        prefix = new_id()
        super().__init__(BUCKET, prefix, None, emulator)
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        kind: Any = service_account.Credentials
        credentials = kind.from_service_account_info(
            {
                "client_email": "somebody@somewhere.iam.gserviceaccount.com",
                "private_key": pem.decode(),
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
        self._signer = CloudStorage(BUCKET, prefix, credentials, emulator)

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        return self._signer.upload_url(key, size, lifetime)

    def close(self) -> None:
        self._signer.close()
        super().close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("film") / "video.mp4").read_bytes()


@pytest.fixture
def stage(tmp_path: Path, emulator: str, film: bytes) -> Iterator[Stage]:
    settings = ServiceSettings(limits=LimitSettings(video_bytes=2 * len(film)))
    with (
        closing(SigningBucket(emulator)) as storage,
        staged(tmp_path, settings, storage=storage) as made,
    ):
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


@pytest.fixture
def address(stage: Stage) -> str:
    return f"/projects/{stage.project().id}/video"


def send(client: httpx.Client, address: str, video: bytes) -> None:
    """As a client does it: ask for a link, and use it."""
    link = client.post(f"{address}/upload-url", json={"size": len(video)})
    assert link.status_code == 200
    # No token goes to the bucket.
    sent = httpx.put(link.json()["url"], headers=link.json()["headers"], content=video)
    assert sent.is_success


def left(stage: Stage) -> tuple[list[str], list[str]]:
    """Objects, and files of uploads."""
    folder = stage.context.data / UPLOADS
    return list(stage.context.storage.keys("")), [path.name for path in folder.rglob("*")]


def test_a_video_sent_to_the_bucket_is_fetched_and_examined(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    project = address.split("/")[2]
    send(client, address, film)
    assert client.get(address).json()["state"] == "uploading"
    answer = client.post(f"{address}/uploaded")

    assert (answer.status_code, answer.json()["state"]) == (200, "ready")
    assert b"".join(stage.context.storage.read(f"{project}/{VIDEO_FILE}")) == film
    posters = [f"{project}/posters/{n}.jpg" for n in range(len(answer.json()["posters"]))]
    assert left(stage) == (sorted([f"{project}/{VIDEO_FILE}", *posters]), [])
    assert client.get(answer.json()["posters"][0]).headers["content-type"] == "image/jpeg"


def test_what_is_no_video_is_refused_and_nothing_of_it_stays(
    stage: Stage, client: httpx.Client, address: str
) -> None:
    send(client, address, b"no video at all")
    view = client.post(f"{address}/uploaded").json()

    assert view["state"] == "refused"
    assert left(stage) == ([], [])


def test_before_anything_has_arrived_there_is_nothing_to_examine(
    client: httpx.Client, address: str, film: bytes
) -> None:
    assert client.post(f"{address}/uploaded").status_code == 409
    client.post(f"{address}/upload-url", json={"size": len(film)})
    assert client.post(f"{address}/uploaded").status_code == 409

    send(client, address, film)
    assert client.post(f"{address}/uploaded").json()["state"] == "ready"
    assert client.post(f"{address}/uploaded").status_code == 409


def test_a_link_is_for_a_video_within_the_limit(
    client: httpx.Client, address: str, film: bytes
) -> None:
    answer = client.post(f"{address}/upload-url", json={"size": 2 * len(film) + 1})

    assert answer.status_code == 413
    assert client.get(address).json()["state"] == "absent"


def test_the_limit_holds_whatever_the_bucket_let_in(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    # The emulator doesn't look at the length that was signed.
    url = client.post(f"{address}/upload-url", json={"size": 10}).json()["url"]
    assert httpx.put(url, content=film * 3).is_success

    assert client.post(f"{address}/uploaded").status_code == 413
    assert client.get(address).json()["state"] == "uploading"


def test_a_link_replaces_the_video_that_was_there(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    project = address.split("/")[2]
    client.put(address, content=film)
    (stage.folder / "made").write_bytes(b"made of the old video")
    stage.put(stage.folder / "made", f"{project}/{TIMELINE_FILE}")

    link = client.post(f"{address}/upload-url", json={"size": len(film)})
    assert link.status_code == 200
    assert left(stage)[0] == []
    assert client.get(address).json()["state"] == "uploading"


def test_deleting_the_project_takes_what_is_in_the_bucket(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    send(client, address, film)

    assert client.delete(address.removesuffix("/video")).status_code == 204
    assert left(stage) == ([], [])
