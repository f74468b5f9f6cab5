"""What the app takes from the environment, and what it says where it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontend.settings import DEFAULT_ADDRESS, SettingsError, load_settings


def test_on_one_machine_nothing_has_to_be_set() -> None:
    settings = load_settings({})
    assert (settings.address, settings.token) == (DEFAULT_ADDRESS, None)


def test_the_first_token_of_the_file_counts_and_comments_do_not(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("\ufeff# of the app\n\n  first-token \nsecond-token\n", encoding="utf-8")
    environ = {"BYSTANDER_TOKENS_FILE": str(file), "BYSTANDER_TOKENS": "another"}
    assert load_settings(environ).token == "first-token"


def test_the_first_token_of_the_variable_counts() -> None:
    assert load_settings({"BYSTANDER_TOKENS": " , first-token, second"}).token == "first-token"


def test_the_address_may_end_with_a_slash() -> None:
    assert load_settings({"BYSTANDER_URL": "http://service:3000/"}).address == "http://service:3000"


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe\x00"], ids=repr)
def test_a_file_of_tokens_without_one_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="BYSTANDER_TOKENS_FILE"):
        load_settings({"BYSTANDER_TOKENS_FILE": str(file)})


def test_a_file_of_tokens_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings({"BYSTANDER_TOKENS_FILE": str(tmp_path / "tokens")})


@pytest.mark.parametrize("token", ["two words", "토큰", "a\r\nX-Injected: 1"])
def test_a_token_that_no_header_carries_is_an_error_that_does_not_repeat_it(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"BYSTANDER_TOKENS": token})
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["service:3000", "file:///etc/passwd", "http://", "http://me:secret@service", "http://a:b:c"],
)
def test_an_address_that_is_none_is_an_error_that_repeats_no_secret(address: str) -> None:
    with pytest.raises(SettingsError, match="BYSTANDER_URL") as caught:
        load_settings({"BYSTANDER_URL": address})
    assert "secret" not in str(caught.value)


def test_the_token_is_not_shown_with_the_settings() -> None:
    assert "first-token" not in repr(load_settings({"BYSTANDER_TOKENS": "first-token"}))
