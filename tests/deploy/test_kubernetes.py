"""What is given to Kubernetes: as kustomize builds it, by the schemas of Kubernetes and KubeRay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from bystander.executors.settings import ClusterSettings
from bystander.server import settings as service_settings
from bystander.server.settings import load_service_settings
from deploy.docker.images import PORTS
from frontend import settings as app_settings
from tests.conftest import REPOSITORY
from tests.deploy.conftest import DEPLOY, run

pytestmark = pytest.mark.long

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("cpu", "gpu")
VERSION = "1.34"
"""The oldest Kubernetes that GKE's regular channel still has."""
AGENT_PORT = 52365
"""Ray's own default of --dashboard-agent-listen-port, where KubeRay looks for health, too."""
SCHEMA = json.loads((KUBERNETES / "operator/raycluster.schema.json").read_text())

Manifest = dict[str, Any]


def built(overlay: str) -> list[Manifest]:
    """Everything that an overlay applies."""
    text = run("kubectl", "kustomize", KUBERNETES / "overlays" / overlay)
    return [found for found in yaml.safe_load_all(text) if found]


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return built(request.param)


def one(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and name in ("", m["metadata"]["name"])]
    return found


def templates(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod's template, with the name of what it is of."""
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            yield manifest["metadata"]["name"], manifest["spec"]["template"]
        if manifest["kind"] == "RayCluster":
            yield "ray-head", manifest["spec"]["headGroupSpec"]["template"]
            for group in manifest["spec"]["workerGroupSpecs"]:
                yield f"ray-{group['groupName']}", group["template"]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector means pods with these labels."""
    exact: dict[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions") or []
    )


def test_kubernetes_takes_all_of_it(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if manifest["kind"] != "RayCluster":
            kubernetes_validate.validate(manifest, VERSION, strict=True)
    for name, template in templates(manifests):
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}}
        kubernetes_validate.validate({**pod, "template": template}, VERSION, strict=True)


def test_kuberay_takes_the_ray_cluster(manifests: list[Manifest]) -> None:
    cluster = one(manifests, "RayCluster")
    jsonschema.validate(cluster, SCHEMA)
    options = cluster["spec"]["autoscalerOptions"]
    container = {"name": "autoscaler", "image": "any", **{
        key: options[key] for key in ("resources", "securityContext", "volumeMounts")
    }}  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}}
    kubernetes_validate.validate({**pod, "spec": {"containers": [container]}}, VERSION, strict=True)


def test_the_schema_finds_what_kuberay_would_refuse() -> None:
    cluster = one(built("cpu"), "RayCluster")
    cluster["spec"]["workerGroupSpecs"][0]["minReplica"] = 0
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        jsonschema.validate(cluster, SCHEMA)


def test_the_schema_is_of_the_operator_that_is_installed() -> None:
    kustomization = yaml.safe_load((KUBERNETES / "operator/kustomization.yaml").read_text())
    (source,) = kustomization["resources"]
    version = source.rpartition("ref=")[2]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", version)
    assert [image["newTag"] for image in kustomization["images"]] == [version]
    assert f"KubeRay {version} " in SCHEMA["description"]


def test_every_pod_is_confined(manifests: list[Manifest]) -> None:
    namespace = one(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, template in templates(manifests):
        spec = template["spec"]
        user = spec["securityContext"]
        assert user["runAsNonRoot"], name
        assert (user["runAsUser"], user["runAsGroup"], user["fsGroup"]) == (10001,) * 3, name
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}, name
        # KubeRay gives the head a service account of its own, for the autoscaler.
        assert name == "ray-head" or spec["automountServiceAccountToken"] is False, name
        options = one(manifests, "RayCluster")["spec"]["autoscalerOptions"]
        for container in [*spec["containers"], options]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"mountPath": "/tmp", "name": "tmp"} in container["volumeMounts"], name


def test_every_pod_says_what_it_needs_and_whether_it_is_well(manifests: list[Manifest]) -> None:
    for name, template in templates(manifests):
        (container,) = template["spec"]["containers"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
        assert container["readinessProbe"]["httpGet"], name
        assert container["livenessProbe"]["httpGet"], name
        ports = {port["name"] for port in container.get("ports") or []}
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in {*ports, AGENT_PORT}, name


def test_every_volume_is_there_and_has_a_bound(manifests: list[Manifest]) -> None:
    claims = {m["metadata"]["name"] for m in manifests if m["kind"] == "PersistentVolumeClaim"}
    for name, template in templates(manifests):
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        (container,) = template["spec"]["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == set(volumes), name
        for volume in volumes.values():
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], name
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


def test_ray_is_the_one_that_is_pinned_and_shared_memory_holds_its_objects(
    manifests: list[Manifest],
) -> None:
    spec = one(manifests, "RayCluster")["spec"]
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert f"ray=={spec['rayVersion']}" in pins
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        volumes = {v["name"]: v for v in group["template"]["spec"]["volumes"]}
        (container,) = group["template"]["spec"]["containers"]
        (shm,) = [m for m in container["volumeMounts"] if m["mountPath"] == "/dev/shm"]
        held = volumes[shm["name"]]["emptyDir"]
        assert held["medium"] == "Memory"
        megabytes = int(re.fullmatch(r"(\d+)Mi", held["sizeLimit"])[1])  # type: ignore[index]
        assert int(group["rayStartParams"]["object-store-memory"]) < megabytes * 2**20


def test_without_work_there_is_no_worker_and_the_head_does_none(manifests: list[Manifest]) -> None:
    spec = one(manifests, "RayCluster")["spec"]
    assert spec["enableInTreeAutoscaling"]
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in spec["workerGroupSpecs"]:
        assert (group["replicas"], group["minReplicas"]) == (0, 0)
        assert group["maxReplicas"] > 0
        pod = group["template"]["spec"]
        assert any(t["key"] == "cloud.google.com/gke-spot" for t in pod["tolerations"])
        assert pod["nodeSelector"] == {"cloud.google.com/gke-nodepool": group["groupName"]}


def test_the_gpu_overlay_adds_a_group_with_a_gpu_each() -> None:
    groups = {
        overlay: one(built(overlay), "RayCluster")["spec"]["workerGroupSpecs"]
        for overlay in OVERLAYS
    }
    assert groups["gpu"][:-1] == groups["cpu"]
    pod = groups["gpu"][-1]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].startswith("bystander-service-gpu:")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert any(t["key"] == "nvidia.com/gpu" for t in pod["tolerations"])


def test_services_lead_to_the_ports_of_the_images(manifests: list[Manifest]) -> None:
    for service, role in (("service", "entry"), ("app", "app")):
        manifest = one(manifests, "Service", service)
        (port,) = manifest["spec"]["ports"]
        assert port["port"] == PORTS[service]
        template = one(manifests, "Deployment", role)["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert {"name": port["targetPort"], "containerPort": PORTS[service]} in container["ports"]
        assert selects(
            {"matchLabels": manifest["spec"]["selector"]}, template["metadata"]["labels"]
        )


def test_who_needs_whom_may_reach_them_and_nobody_else(manifests: list[Manifest]) -> None:
    policies = [m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
    labels = {name: template["metadata"]["labels"] for name, template in templates(manifests)}

    def allowed(source: str, target: str, port: int) -> bool:
        def named(rule: Manifest, side: str, other: str) -> bool:
            ports = rule.get("ports")
            peers = [p["podSelector"] for p in rule[side] if set(p) == {"podSelector"}]
            return any(selects(peer, labels[other]) for peer in peers) and (
                ports is None or any(p["port"] == port for p in ports)
            )

        out = any(
            named(rule, "to", target)
            for policy in policies
            if selects(policy["podSelector"], labels[source])
            for rule in policy.get("egress") or []
        )
        into = any(
            named(rule, "from", source)
            for policy in policies
            if selects(policy["podSelector"], labels[target])
            for rule in policy.get("ingress") or []
        )
        return out and into

    assert allowed("app", "entry", 3000)
    assert allowed("entry", "ray-head", 10001)
    assert allowed("ray-cpu", "ray-head", 6379)
    assert allowed("ray-head", "ray-cpu", 40000)
    for source, target, port in (
        ("app", "ray-head", 10001),
        ("app", "ray-cpu", 40000),
        ("entry", "ray-head", 8265),
        ("entry", "ray-cpu", 40000),
        ("entry", "app", 8501),
        ("ray-cpu", "entry", 3000),
        ("ray-cpu", "app", 8501),
    ):
        assert not allowed(source, target, port), (source, target, port)


def test_disruptions_leave_an_entry(manifests: list[Manifest]) -> None:
    budget = one(manifests, "PodDisruptionBudget", "entry")["spec"]
    entry = one(manifests, "Deployment", "entry")["spec"]
    assert selects(budget["selector"], entry["template"]["metadata"]["labels"])
    assert budget["minAvailable"] < entry["replicas"]


def test_variables_are_known_to_who_gets_them(manifests: list[Manifest]) -> None:
    known = {
        "entry": {v for n, v in vars(service_settings).items() if n.endswith("_VARIABLE")},
        "app": {v for n, v in vars(app_settings).items() if n.endswith("_VARIABLE")},
    }
    place = next(
        m for m in manifests if m["kind"] == "ConfigMap" and "place" in m["metadata"]["name"]
    )
    for role, variables in known.items():
        (container,) = one(manifests, "Deployment", role)["spec"]["template"]["spec"]["containers"]
        given = {variable["name"] for variable in container.get("env") or []}
        if container.get("envFrom"):
            given |= set(place["data"])
        given -= {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"}  # Ray's own
        assert given, role
        assert given <= variables, role


def test_files_of_secrets_lie_where_variables_say(manifests: list[Manifest]) -> None:
    for role in ("entry", "app"):
        (container,) = one(manifests, "Deployment", role)["spec"]["template"]["spec"]["containers"]
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}
        files = [v["value"] for v in container["env"] if v.get("value", "").startswith("/run/")]
        assert files, role
        assert [file for file in files if str(Path(file).parent) not in folders] == []
    script = (DEPLOY / "gcp/cluster.sh").read_text()
    kept = dict(re.findall(r"\| keep (\w+) ([\w.]+)", script))
    assert kept == {"tokens": "tokens.txt", "database": "url", "ray": "auth_token"}


def test_tasks_ask_for_what_workers_have(manifests: list[Manifest]) -> None:
    configs = next(
        m for m in manifests if m["kind"] == "ConfigMap" and "configs" in m["metadata"]["name"]
    )
    usual = (REPOSITORY / "configs/cluster.yaml").read_text()
    asked = ClusterSettings.model_validate(yaml.safe_load(configs["data"]["cluster.yaml"]))
    assert asked.model_copy(update={"gpus_per_task": 0.0}) == ClusterSettings.model_validate(
        yaml.safe_load(usual)
    )
    groups = one(manifests, "RayCluster")["spec"]["workerGroupSpecs"]
    limits = [g["template"]["spec"]["containers"][0]["resources"]["limits"] for g in groups]
    assert any(
        int(limit["cpu"]) >= asked.cpus_per_task
        and int(limit.get("nvidia.com/gpu", 0)) >= asked.gpus_per_task
        for limit in limits
    )
    assert (asked.gpus_per_task > 0) == any("nvidia.com/gpu" in limit for limit in limits)


def test_settings_are_those_of_the_repository_but_for_the_cluster() -> None:
    ours = yaml.safe_load((KUBERNETES / "base/configs/service.yaml").read_text())
    usual = yaml.safe_load((REPOSITORY / "configs/service.yaml").read_text())
    load_service_settings(KUBERNETES / "base/configs/service.yaml", environ={})
    changed = {
        (part, name)
        for part, values in ours.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if name not in usual[part] or usual[part][name] != value
    }
    assert changed == {("jobs", "executor"), ("jobs", "cluster")}
    # The name that KubeRay gives the head's service.
    service = f"{one(built('cpu'), 'RayCluster')['metadata']['name']}-head-svc"
    assert ours["jobs"]["executor"] == "ray"
    assert ours["jobs"]["cluster"] == f"ray://{service}:10001"
