"""The dashboard is one that Grafana opens, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bystander.server.models import JobState
from tests.deploy.conftest import DEPLOY
from tests.support.metrics import served_metrics

pytestmark = pytest.mark.long

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/bystander.json").read_text())
COLUMNS = 24
"""Of Grafana's grid."""


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets") or [])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Labels of every sample in /metrics, by its name."""
    text = served_metrics(tmp_path_factory.mktemp("service"))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_is_told(told: dict[str, set[str]]) -> None:
    for query in queries():
        named = re.findall(r"\b((?:bystander|bentoml)_\w+){([^}]*)}", query)
        assert named, query
        for metric, selectors in named:
            assert metric in told, query
            labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selectors)) - {"job"}
            assert labels <= told[metric], query
        grouped = {
            label
            for labels in re.findall(r"\bby \(([^)]*)\)", query)
            for label in re.split(r",\s*", labels)
        }
        assert grouped <= set.union(*(told[metric] for metric, _ in named)), query


def test_states_that_are_asked_for_are_states() -> None:
    states = set(re.findall(r'state="(\w+)"', " ".join(queries())))
    assert states
    assert states <= {state.value for state in JobState}


def test_counters_and_histograms_are_read_as_rates() -> None:
    for query in queries():
        for metric in re.findall(r"\b\w+_(?:total|sum|count|bucket)\b(?={)", query):
            inside = re.search(rf"rate\({metric}{{[^}}]*}}\[\$__rate_interval\]\)", query)
            assert inside, query


def test_it_is_a_dashboard() -> None:
    assert DASHBOARD["schemaVersion"] >= 36, "before, a data source was named by a string"
    assert DASHBOARD["uid"]
    assert DASHBOARD["title"]
    assert "id" not in DASHBOARD, "Grafana gives it one"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval"}
    assert used == set(variables)
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "row":
            continue
        source = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))


def test_panels_lie_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations(places, 2):
        beside = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert beside, (one, other)
