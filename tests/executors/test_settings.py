from __future__ import annotations

from bystander.executors.settings import ClusterSettings, load_cluster_settings


def test_the_file_that_comes_along_says_what_holds_without_one() -> None:
    assert load_cluster_settings() == ClusterSettings()
