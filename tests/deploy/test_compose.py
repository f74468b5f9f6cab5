"""What docker-compose.yml comes to, as Compose itself resolves it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bystander.models.licences import LICENCE_VARIABLE
from bystander.server import settings as service_settings
from tests.conftest import REPOSITORY
from tests.deploy.conftest import DEPLOY, Compose, run


def the_service(compose: Compose) -> dict[str, Any]:
    (name,) = set(compose["services"]) - {"app"}
    found: dict[str, Any] = compose["services"][name]
    return found


def test_each_profile_is_one_service_and_the_web_app(compose: Compose) -> None:
    service = the_service(compose)
    variant = service["build"]["args"]["VARIANT"]
    assert [variant] == service["profiles"]
    assert ("devices" in str(service.get("deploy"))) == (variant == "gpu")


def test_containers_have_no_more_rights_than_they_need(compose: Compose) -> None:
    for name, container in compose["services"].items():
        assert container["read_only"], name
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert int(container["mem_limit"]) > 0, name
        assert container["pids_limit"] > 0, name
        assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(container), name
        assert "max-size" in container["logging"]["options"], name
        assert "docker.sock" not in str(container), name


def test_ports_are_those_of_the_images_and_of_this_machine_only(compose: Compose) -> None:
    for container in compose["services"].values():
        (published,) = container["ports"]
        dockerfile = (REPOSITORY / container["build"]["dockerfile"]).read_text()
        assert f"\nEXPOSE {published['target']}\n" in dockerfile
        assert published["host_ip"] == "127.0.0.1"


def test_the_web_app_finds_the_service_under_one_name_in_both_profiles(compose: Compose) -> None:
    address = compose["services"]["app"]["environment"]["BYSTANDER_URL"]
    found = re.fullmatch(r"http://(\w+):(\d+)", address)
    assert found
    service = the_service(compose)
    (name,) = set(compose["services"]) - {"app"}
    aliases = (service["networks"]["bystander"] or {}).get("aliases", [])
    assert found[1] in (name, *aliases)
    assert int(found[2]) == service["ports"][0]["target"]
    assert name in compose["services"]["app"]["depends_on"]


def test_images_have_a_version(compose: Compose) -> None:
    for container in compose["services"].values():
        assert re.fullmatch(r"[\w-]+:\d+\.\d+\.\d+(-gpu)?", container["image"])


def test_the_service_knows_every_variable_it_is_given(compose: Compose) -> None:
    known = {value for name, value in vars(service_settings).items() if name.endswith("_VARIABLE")}
    assert set(the_service(compose)["environment"]) <= {*known, LICENCE_VARIABLE}


def test_what_lasts_is_on_the_volume_and_settings_are_the_repositorys(compose: Compose) -> None:
    mounts = {mount["target"]: mount for mount in the_service(compose)["volumes"]}
    dockerfile = (DEPLOY / "docker/service.Dockerfile").read_text()
    assert mounts["/data"]["type"] == "volume"
    assert "BYSTANDER_DATA=/data " in dockerfile
    assert mounts["/app/configs"]["read_only"]
    assert "BYSTANDER_CONFIGS=/app/configs " in dockerfile


def test_the_token_comes_as_a_file_and_nowhere_else(compose: Compose) -> None:
    for container in compose["services"].values():
        (secret,) = container["secrets"]
        assert container["environment"]["BYSTANDER_TOKENS_FILE"] == secret["target"]
        assert "BYSTANDER_TOKENS" not in container["environment"]


def test_running_jobs_have_time_to_stop(compose: Compose) -> None:
    assert the_service(compose)["stop_grace_period"] == "1m0s"


@pytest.mark.parametrize("egress", [None, "true"])
def test_containers_reach_other_machines_only_if_told_to(egress: str | None) -> None:
    given = {"BYSTANDER_EGRESS": egress} if egress else {}
    text = run("docker-compose", "--env-file", "/dev/null", "--profile", "cpu", "config", env=given)
    assert f'enable_ip_masquerade: "{egress or "false"}"' in text


@pytest.mark.parametrize("variable", ["BYSTANDER_PORT", "BYSTANDER_APP_PORT", "BYSTANDER_STORAGE",
                                      "BYSTANDER_EGRESS", "BYSTANDER_MEMORY", "BYSTANDER_TAG",
                                      "BYSTANDER_TOKENS_HOST_FILE"])  # fmt: skip
def test_what_may_be_set_is_used_and_explained(variable: str) -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    assert f"${{{variable}:-" in text
    assert variable in (REPOSITORY / "docs/deployment.md").read_text()


def test_a_made_token_is_one_that_the_service_takes(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "secrets").mkdir()
    script = tmp_path / "docker/token.sh"
    script.write_text((DEPLOY / "docker/token.sh").read_text())
    made = tmp_path / "secrets/tokens.txt"
    run("bash", script)
    first = made.read_text()
    run("bash", script)
    environ = {service_settings.TOKENS_FILE_VARIABLE: str(made)}
    settings = service_settings.load_service_settings(environ=environ)
    assert settings.security.tokens == (first.strip(),)
    assert made.read_text() == first, "made again, which would lock clients out"
    assert made.parent.stat().st_mode & 0o777 == 0o700
