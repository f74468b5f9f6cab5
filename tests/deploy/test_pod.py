"""What the stand-in for an engine makes of docker-compose.yml, and what a build is lent."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.docker.buildah import local_indexes
from deploy.docker.pod import containers_of
from tests.deploy.conftest import Compose


def test_a_container_gets_what_compose_gives_it(compose: Compose, tmp_path: Path) -> None:
    (name,) = set(compose["services"]) - {"app"}
    environment, mounts, tmpfs = containers_of(compose, name, tmp_path, tmp_path / "hosts")
    by_target = {mount.target: mount for mount in mounts}
    assert environment["BYSTANDER_TOKENS_FILE"] in by_target
    assert by_target[environment["BYSTANDER_TOKENS_FILE"]].read_only
    assert by_target["/app/configs"].read_only
    assert by_target["/etc/hosts"].read_only
    assert not by_target["/data"].read_only
    assert by_target["/data"].source.parent == tmp_path
    assert tmpfs == ["/tmp:size=1g,mode=1777"]


def test_a_service_that_may_write_to_its_root_is_not_started(
    compose: Compose, tmp_path: Path
) -> None:
    loose = {**compose, "services": {"app": {**compose["services"]["app"], "read_only": False}}}
    with pytest.raises(AssertionError):
        containers_of(loose, "app", tmp_path, tmp_path / "hosts")


def test_indexes_on_this_machine_are_lent_whole_and_others_are_not() -> None:
    settings = {
        "find-links": "/packages/wheels https://example.org/wheels",
        "index-url": "https://example.org/simple",
        "extra-index-url": "file:///packages/one/simple file:///packages/two/simple",
    }
    assert list(local_indexes(settings)) == ["/packages/wheels", "/packages/one", "/packages/two"]
