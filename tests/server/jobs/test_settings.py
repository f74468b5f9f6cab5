"""What a person who runs the service may change, and what is caught at once."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from bystander.config import config_path
from bystander.errors import ConfigError
from bystander.server.settings import ServiceSettings, load_service_settings

TOKEN = "a-token-of-at-least-16-characters"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    path.write_text("{}")
    return path


def test_the_repositorys_own_settings_are_in_order() -> None:
    settings = load_service_settings(config_path("service.yaml", {}), {})
    assert settings.security.tokens == ()
    assert not settings.security.allow_open
    assert settings.storage == "local"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(
        f"data: here\nstorage: local\nsecurity: {{tokens: [{TOKEN}], allow_open: true}}"
    )
    assert load_service_settings(path, {}).security.tokens == (TOKEN,)
    environ = {
        "BYSTANDER_DATA": "/there",
        "BYSTANDER_STORAGE": "gs://bucket/prefix",
        "BYSTANDER_TOKENS": f"{TOKEN}1, {TOKEN}2,",
        "BYSTANDER_ALLOW_OPEN": "0",
    }
    settings = load_service_settings(path, environ)
    assert (settings.data, settings.storage) == (Path("/there"), "gs://bucket/prefix")
    assert settings.security.tokens == (f"{TOKEN}1", f"{TOKEN}2")
    assert not settings.security.allow_open


def test_an_empty_variable_is_none(plain: Path) -> None:
    names = ("DATA", "STORAGE", "TOKENS", "TOKENS_FILE", "ALLOW_OPEN", "WEBHOOK_SECRET")
    empty = {f"BYSTANDER_{name}": "" for name in names}
    assert load_service_settings(plain, empty) == ServiceSettings()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        ("0", False),
        ("false", False),
        ("perhaps", False),
    ],
)
def test_only_a_clear_yes_opens_the_service(plain: Path, said: str, meant: bool) -> None:
    settings = load_service_settings(plain, {"BYSTANDER_ALLOW_OPEN": said})
    assert settings.security.allow_open is meant


@pytest.mark.parametrize(
    "content",
    [f"{TOKEN}\n", f"# of Anna\n\n  {TOKEN}  \r\n", f"\ufeff{TOKEN}"],
    ids=["plain", "with a comment", "from Windows"],
)
def test_a_file_has_a_token_a_line(plain: Path, tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(content, encoding="utf-8", newline="")
    settings = load_service_settings(plain, {"BYSTANDER_TOKENS_FILE": str(file)})
    assert settings.security.tokens == (TOKEN,)


@pytest.mark.parametrize("content", [b"", b"\n# nothing yet\n", b"\xff\xfe\x00", None])
def test_who_names_a_file_of_tokens_does_not_serve_without(
    plain: Path, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "tokens.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"tokens\.txt"):
        load_service_settings(plain, {"BYSTANDER_TOKENS_FILE": str(file)})


@pytest.mark.parametrize("token", ["short-1", "with a space in it", "t\u00f6kens-of-umlauts"])
@pytest.mark.parametrize("place", ["variable", "file", "yaml"])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused_and_not_shown(
    plain: Path, tmp_path: Path, token: str, place: str
) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(f"{TOKEN}\n{token}", encoding="utf-8")
    environ = {
        "variable": {"BYSTANDER_TOKENS": f"{TOKEN},{token}"},
        "file": {"BYSTANDER_TOKENS_FILE": str(file)},
        "yaml": {},
    }[place]
    if place == "yaml":
        plain.write_text(f"security: {{tokens: [{TOKEN}, '{token}']}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tokens\.1") as refused:
        load_service_settings(plain, environ)
    # It goes into a log with all that caused it.
    told = "".join(traceback.format_exception(refused.value))
    assert token not in told
    assert TOKEN not in told


@pytest.mark.parametrize(
    "content",
    [
        "security: {tokens: ['']}",
        "security: {tokens: anyone}",
        "jobs: {at_once: 0}",
        "jobs: {memory_bytes: 1}",
        "limits: {body_seconds: 0}",
        "limits: {videobytes: 1}",
        "retention: {hours: -1}",
        "retention: {hours: .inf}",
        "profile: fastest",
    ],
)
def test_what_is_out_of_bounds_is_named(plain: Path, content: str) -> None:
    plain.write_text(content)
    with pytest.raises(ConfigError, match=content.partition(":")[0]) as refused:
        load_service_settings(plain, {})
    assert "service.yaml" in refused.value.what


def test_the_secret_of_webhooks_comes_from_a_file_or_a_variable(
    plain: Path, tmp_path: Path
) -> None:
    file, secret = tmp_path / "secret", "s" * 32
    file.write_text(f"{secret}\n")
    plain.write_text("webhooks: {hosts: [hooks.internal]}")
    for environ in (
        {"BYSTANDER_WEBHOOK_SECRET_FILE": str(file)},
        {"BYSTANDER_WEBHOOK_SECRET": secret},
    ):
        webhooks = load_service_settings(plain, environ).webhooks
        assert (webhooks.secret, webhooks.hosts) == (secret, ("hooks.internal",))


@pytest.mark.parametrize("secret", ["short", "s" * 31, "with spaces in it, and long enough"])
def test_a_weak_secret_of_webhooks_is_refused_and_not_shown(plain: Path, secret: str) -> None:
    with pytest.raises(ConfigError, match="secret of webhooks") as refused:
        load_service_settings(plain, {"BYSTANDER_WEBHOOK_SECRET": secret})
    assert secret not in "".join(traceback.format_exception(refused.value))


def test_who_names_a_file_with_the_secret_of_webhooks_has_one(plain: Path, tmp_path: Path) -> None:
    for name, content in (("empty", b"\n"), ("binary", b"\xff\xfe\x00"), ("absent", None)):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match=name):
            load_service_settings(plain, {"BYSTANDER_WEBHOOK_SECRET_FILE": str(file)})


URL = "postgresql://ann:zebra-crossing@database/bystander"


def test_the_database_comes_by_a_variable_or_a_file(plain: Path, tmp_path: Path) -> None:
    assert load_service_settings(plain, {}).store.database == ""
    assert load_service_settings(plain, {"BYSTANDER_DATABASE": URL}).store.database == URL
    file = tmp_path / "database"
    file.write_text(f"{URL}\n")
    settings = load_service_settings(plain, {"BYSTANDER_DATABASE_FILE": str(file)})
    assert settings.store.database == URL
    assert "zebra" not in repr(settings)


@pytest.mark.parametrize("said", ["mysql://ann:zebra-crossing@database", "zebra-crossing"])
def test_another_database_is_refused_without_showing_its_password(plain: Path, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_service_settings(plain, {"BYSTANDER_DATABASE": said})
    assert "zebra" not in str(told.value)


def test_whoever_names_a_file_of_the_database_does_not_begin_without(
    plain: Path, tmp_path: Path
) -> None:
    file = tmp_path / "database"
    with pytest.raises(ConfigError, match="can't be read"):
        load_service_settings(plain, {"BYSTANDER_DATABASE_FILE": str(file)})
    file.write_text("")
    with pytest.raises(ConfigError, match="there is no URL"):
        load_service_settings(plain, {"BYSTANDER_DATABASE_FILE": str(file)})
