"""Links into a bucket, verified as Google's page on signature V4 says, without its library.

https://cloud.google.com/storage/docs/authentication/canonical-requests
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit
from urllib.request import Request, urlopen

import pytest

from bystander.errors import StorageError
from bystander.storage import Storage, open_storage, upload_headers
from tests.storage.conftest import BUCKET

pytest.importorskip("gcsfs")

import google.oauth2.credentials
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2 import service_account

from bystander.storage.cloud import CloudStorage

ACCOUNT = "somebody@somewhere.iam.gserviceaccount.com"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def account(key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The file of a service account that nobody has."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": "somewhere",
        "private_key_id": "0",
        "private_key": pem.decode(),
        "client_email": ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


@pytest.fixture
def signing(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    """As a service opens it that has the key's file."""
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with closing(open_storage(f"gs://{BUCKET}/service", tmp_path, {})) as storage:
        yield storage


def verify(url: str, method: str, headers: dict[str, str], key: rsa.RSAPrivateKey) -> None:
    """Raises InvalidSignature: `key` didn't sign this request."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    sent = {"host": parts.netloc} | {name.lower(): value for name, value in headers.items()}
    signed = query["X-Goog-SignedHeaders"].split(";")
    canonical_query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )
    request = "\n".join(
        [
            method,
            parts.path,
            canonical_query,
            *(f"{name}:{sent.get(name, '')}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = query["X-Goog-Credential"].split("/", 1)[1]
    digest = hashlib.sha256(request.encode()).hexdigest()
    message = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
    key.public_key().verify(signature, message.encode(), padding.PKCS1v15(), SHA256())


def test_an_upload_link_is_for_one_object_of_one_size(
    signing: Storage, key: rsa.RSAPrivateKey
) -> None:
    url = signing.upload_url("p/video", 5, HOUR)
    assert url is not None
    verify(url, "PUT", upload_headers(5), key)
    assert urlsplit(url).path == f"/{BUCKET}/service/p/video"
    assert urlsplit(url).scheme == "https"

    other: list[tuple[str, str, dict[str, str]]] = [
        (url, "GET", upload_headers(5)),
        (url, "DELETE", upload_headers(5)),
        (url, "PUT", upload_headers(6)),
        (url, "PUT", {}),
        (url.replace("p/video", "q/video"), "PUT", upload_headers(5)),
        (url.replace("X-Goog-Expires=3600", "X-Goog-Expires=604800"), "PUT", upload_headers(5)),
    ]
    for request in other:
        with pytest.raises(InvalidSignature):
            verify(*request, key)


@pytest.mark.parametrize(
    "filename",
    ["result.mp4", "Тёплый день.mp4", '../a";\r\nSet-Cookie: x=1;.mp4', "a b'c%(1).mp4"],
)
def test_a_download_link_gives_the_name(
    signing: Storage, key: rsa.RSAPrivateKey, filename: str
) -> None:
    url = signing.download_url("p/result.mp4", filename, HOUR)
    assert url is not None
    verify(url, "GET", {}, key)
    (disposition,) = parse_qs(urlsplit(url).query)["response-content-disposition"]

    assert disposition == f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    assert not set(disposition.removeprefix("attachment; ")) & set('\r\n";/ ')


def test_a_link_names_its_signer_and_its_end(signing: Storage) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    query = dict(parse_qsl(urlsplit(str(signing.upload_url("p/video", 5, HOUR))).query))
    after = datetime.now(UTC)
    signed = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    assert query["X-Goog-Expires"] == "3600"
    assert query["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
    assert query["X-Goog-Credential"].startswith(f"{ACCOUNT}/")
    assert before <= signed <= after


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=-1), timedelta(days=8)])
def test_a_link_holds_for_a_week_at_most(signing: Storage, lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match="7 days"):
        signing.download_url("p/video", "video.mp4", lifetime)


def test_a_hostile_key_is_not_signed(signing: Storage) -> None:
    with pytest.raises(StorageError, match="key"):
        signing.upload_url("../other/video", 5, HOUR)
    with pytest.raises(StorageError, match="key"):
        signing.download_url("p/video?generation=1", "video.mp4", HOUR)


def test_what_is_sent_and_fetched_by_links_is_the_object(
    account: dict[str, str], emulator: str, folder: Path
) -> None:
    # The emulator looks at no signature, and gets no token: that would take Google.
    kind: Any = service_account.Credentials
    credentials = kind.from_service_account_info(account)
    with (
        closing(CloudStorage(BUCKET, "links", credentials, emulator)) as signing,
        closing(CloudStorage(BUCKET, "links", None, emulator)) as storage,
    ):
        upload = str(signing.upload_url("p/video", 5, HOUR))
        with urlopen(Request(upload, b"video", upload_headers(5), method="PUT")):
            pass
        assert storage.size("p/video") == 5
        storage.fetch("p/video", folder / "video")
        assert (folder / "video").read_bytes() == b"video"

        with urlopen(str(signing.download_url("p/video", "day.mp4", HOUR))) as answer:
            assert answer.read() == b"video"
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''day.mp4"
        storage.delete("p/")


def test_without_a_key_there_are_no_links(emulator: str) -> None:
    kind: Any = google.oauth2.credentials.Credentials
    person = kind(token="a person's")
    for credentials in (None, person):
        with closing(CloudStorage(BUCKET, "", credentials, emulator)) as storage:
            assert storage.upload_url("p/video", 5, HOUR) is None
            assert storage.download_url("p/video", "video.mp4", HOUR) is None
