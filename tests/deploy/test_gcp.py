"""The scripts for Google Cloud, as far as they can be checked without it.

`gcloud` is replaced by a script that writes down what it was asked for, so what runs is the real
thing up to the border of the machine.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from bystander.server import settings as service_settings
from tests.conftest import REPOSITORY
from tests.deploy.conftest import DEPLOY, run

pytestmark = pytest.mark.long

GCP = DEPLOY / "gcp"
EXAMPLE = GCP / "settings.env.example"
KUBECTL = Path(sys.executable).parent / "kubectl"


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """A folder with a `gcloud` for the PATH; what exists there is said in a file `exists`."""
    program = tmp_path / "gcloud"
    program.write_text(
        "#!/bin/bash\n"
        f'echo "$*" >> {tmp_path}/asked\n'
        f'if [[ " $* " == *" describe "* && ! -e {tmp_path}/exists ]]; then exit 1; fi\n'
    )
    program.chmod(0o755)
    # What the installation is built of is real, but for KubeRay, which comes from elsewhere.
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        "#!/bin/bash\n"
        f'echo "$*" >> {tmp_path}/applied\n'
        f'[[ "$*" == *-k*/app ]] && {KUBECTL} kustomize "${{@: -1}}" > {tmp_path}/built.yaml\n'
        '[[ "$*" == *" -f -" || "$*" == */dev/stdin* ]] && cat > /dev/null\n'
        f'[[ "$*" != *" get "* || -e {tmp_path}/exists ]]\n'
    )
    kubectl.chmod(0o755)
    return tmp_path


def asked(cloud: Path, script: str, typed: str = "", **settings: str) -> list[str]:
    """What `script` asks of gcloud with the example's settings and these."""
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    file = cloud / "settings.env"
    file.write_text(EXAMPLE.read_text() + lines)
    (cloud / "asked").unlink(missing_ok=True)
    environ = {"PATH": f"{cloud}:/usr/bin:/bin", "BYSTANDER_GCP_SETTINGS": str(file)}
    run("bash", GCP / script, env=environ, typed=typed)
    return (cloud / "asked").read_text().splitlines()


def test_a_second_run_makes_nothing_again(cloud: Path) -> None:
    first = asked(cloud, "vm.sh")
    (cloud / "exists").touch()
    again = [*asked(cloud, "vm.sh"), *asked(cloud, "setup.sh"), *asked(cloud, "images.sh")]
    again += asked(cloud, "cluster.sh", APP_IMAGE="true")
    assert any(" instances create " in call for call in first)
    assert [call for call in again if re.search(r" (create|submit|versions add) ", call)] == []
    assert any(" instances add-metadata " in call for call in again)


def test_every_call_names_the_project(cloud: Path) -> None:
    (cloud / "exists").touch()
    calls = [*asked(cloud, "vm.sh"), *asked(cloud, "run.sh"), *asked(cloud, "images.sh")]
    calls += asked(cloud, "cluster.sh", APP_IMAGE="true")
    assert [call for call in calls if not call.startswith("--project my-project --quiet ")] == []


def test_the_machine_is_reachable_by_nobody_but_iap(cloud: Path) -> None:
    calls = asked(cloud, "vm.sh")
    rules = [call for call in calls if "firewall-rules create" in call]
    assert len(rules) == 1
    assert "--allow tcp:22 --source-ranges 35.235.240.0/20" in rules[0]
    (machine,) = [call for call in calls if "instances create" in call]
    assert "--no-address" in machine
    published = re.findall(r"--publish (\S+)", (GCP / "vm-startup.sh").read_text())
    assert published == ["127.0.0.1:3000:3000", "127.0.0.1:8501:8501"]


def test_a_machine_with_a_built_in_gpu_gets_no_second_one(cloud: Path) -> None:
    (machine,) = [
        call
        for call in asked(cloud, "vm.sh", GPU="", MACHINE="g2-standard-4")
        if "instances create" in call
    ]
    assert "--accelerator" not in machine
    assert "--machine-type g2-standard-4" in machine


def test_the_startup_script_asks_for_no_attribute_that_the_machine_lacks(cloud: Path) -> None:
    (machine,) = [call for call in asked(cloud, "vm.sh") if "instances create" in call]
    wanted = re.findall(r"\$\(attribute ([a-z-]+)\)", (GCP / "vm-startup.sh").read_text())
    assert wanted
    assert [name for name in wanted if f"bystander-{name}=" not in machine] == []


def test_cloud_run_has_one_instance_that_always_works(cloud: Path) -> None:
    (cloud / "exists").touch()
    (deployed,) = [call for call in asked(cloud, "run.sh") if " run deploy " in call]
    for wanted in ("--max-instances 1 ", "--no-cpu-throttling", "--timeout 3600", "--port 3000",
                   "--no-allow-unauthenticated"):  # fmt: skip
        assert wanted in deployed
    assert "--allow-unauthenticated" in asked(cloud, "run.sh", RUN_PUBLIC="true")[0]


def test_a_cluster_is_private_and_its_spot_machines_come_and_go(cloud: Path) -> None:
    calls = asked(cloud, "cluster.sh", APP_IMAGE="true", VARIANT="gpu", GPU_NODES="3")
    (cluster,) = [call for call in calls if " clusters create " in call]
    for wanted in ("--enable-private-nodes", "--no-enable-ip-access", "--enable-dataplane-v2",
                   "--workload-pool my-project.svc.id.goog"):  # fmt: skip
        assert wanted in cluster
    pools = [call for call in calls if " node-pools create " in call]
    assert [call.split(" create ")[1].split()[0] for call in pools] == ["cpu", "gpu"]
    for pool, most in zip(pools, (16, 3), strict=True):
        assert f"--num-nodes 0 --enable-autoscaling --min-nodes 0 --max-nodes {most} " in pool
        assert "--spot" in pool
        assert "cloud.google.com/gke-spot=true:NoSchedule" in pool
    (sql,) = [call for call in calls if " sql instances create " in call]
    assert "--no-assign-ip --ssl-mode ENCRYPTED_ONLY --no-backup" in sql
    (reserved,) = [call for call in calls if " addresses create " in call]
    range_ = re.search(r"--addresses (\S+) --prefix-length (\d+)", reserved)
    assert range_
    policies = (DEPLOY / "kubernetes/base/network.yaml").read_text()
    assert f"cidr: {range_[1]}/{range_[2]} " in policies


def test_what_is_applied_names_this_project(cloud: Path) -> None:
    asked(
        cloud,
        "cluster.sh",
        APP_IMAGE="true",
        VARIANT="gpu",
        GPU_NODES="3",
        TAG="7.8.9",
        NAME="second",
    )
    text = (cloud / "built.yaml").read_text()
    found = list(yaml.safe_load_all(text))
    registry = "asia-northeast3-docker.pkg.dev/my-project/second"
    assert set(re.findall(r"image: (\S+)", text)) == {
        f"{registry}/service:7.8.9-cpu",
        f"{registry}/service:7.8.9-gpu",
        f"{registry}/app:7.8.9",
    }
    (place,) = [m for m in found if m["kind"] == "ConfigMap" and "place" in m["metadata"]["name"]]
    assert place["data"] == {"BYSTANDER_STORAGE": "gs://my-project-bystander/second"}
    (account,) = [m for m in found if m["kind"] == "ServiceAccount"]
    assert account["metadata"]["annotations"] == {
        "iam.gke.io/gcp-service-account": "second@my-project.iam.gserviceaccount.com"
    }
    (files,) = [m for m in found if m["kind"] == "StorageClass"]
    assert files["parameters"]["network"] == "second"
    (ray,) = [m for m in found if m["kind"] == "RayCluster"]
    most = [group["maxReplicas"] for group in ray["spec"]["workerGroupSpecs"]]
    assert most == [16, 3]
    assert list((DEPLOY / "kubernetes").glob(".built-*")) == []


def test_no_secret_is_an_argument(cloud: Path) -> None:
    calls = asked(cloud, "cluster.sh", APP_IMAGE="true")
    calls += (cloud / "applied").read_text().splitlines()
    assert [call for call in calls if "postgresql://" in call or "--from-literal" in call] == []
    created = [call for call in calls if "create secret" in call]
    assert len(created) == 3
    assert all("=/dev/stdin" in call for call in created)


def test_a_cluster_without_the_web_app_s_image_is_not_begun(cloud: Path) -> None:
    with pytest.raises(AssertionError, match="APP_IMAGE=true"):
        asked(cloud, "cluster.sh", APP_IMAGE="false")


def test_the_bucket_forgets(cloud: Path) -> None:
    rules = json.loads((GCP / "lifecycle.json").read_text())["rule"]
    assert {"action": {"type": "Delete"}, "condition": {"age": 2}} in rules
    default = service_settings.load_service_settings(environ={}).retention.hours
    assert default <= 48, "the bucket would delete what the service still promises to have"
    (cloud / "exists").touch()
    (updated,) = [call for call in asked(cloud, "setup.sh") if "buckets update" in call]
    assert "--soft-delete-duration 0" in updated
    assert "--no-versioning" in updated


def test_rights_of_the_service_account_are_on_single_things(cloud: Path) -> None:
    (cloud / "exists").touch()
    made = [*asked(cloud, "setup.sh"), *asked(cloud, "cluster.sh", APP_IMAGE="true")]
    bound = [call for call in made if "add-iam-policy-binding" in call]
    calls = [call for call in bound if "bystander-nodes@" not in call]
    whole_project = [call for call in calls if " projects add-iam-policy-binding" in call]
    roles = {match[1] for call in bound if (match := re.search(r"--role (\S+)", call))}
    assert len(whole_project) == 1
    assert "roles/logging.logWriter" in whole_project[0]
    assert not roles & {"roles/owner", "roles/editor", "roles/storage.admin"}
    page = (REPOSITORY / "docs/deployment.md").read_text()
    assert [role for role in roles if role not in page] == []


def test_taking_it_down_asks_first_and_keeps_the_data(cloud: Path) -> None:
    (cloud / "exists").touch()
    with pytest.raises(AssertionError, match="nothing was deleted"):
        asked(cloud, "teardown.sh", typed="yes\n")
    assert not (cloud / "asked").exists()
    deleted = [
        call for call in asked(cloud, "teardown.sh", typed="bystander\n") if "delete" in call
    ]
    assert any(" instances delete " in call for call in deleted)
    assert [call for call in deleted if re.search(r" (disks|storage|secrets|sql) ", call)] == []


def test_every_setting_is_used() -> None:
    names = re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    scripts = "".join(path.read_text() for path in GCP.glob("*.sh"))
    assert [name for name in names if not re.search(rf"\$\{{?{name}\b", scripts)] == []


def test_variables_that_the_scripts_set_are_known_to_the_service() -> None:
    text = (GCP / "vm-startup.sh").read_text() + (GCP / "run.sh").read_text()
    named = set(re.findall(r"\b(BYSTANDER_[A-Z_]+)=", text)) - {"BYSTANDER_URL"}
    known = {value for name, value in vars(service_settings).items() if name.endswith("_VARIABLE")}
    assert named
    assert named <= known


def test_no_image_is_latest() -> None:
    files = [*DEPLOY.rglob("*"), REPOSITORY / "docker-compose.yml"]
    text = "\n".join(f.read_text() for f in files if f.is_file() and f.suffix != ".txt")
    # The version of a secret may be: that is how a token is exchanged.
    assert re.findall(r"[\w/-]+:latest", text.replace("$secret:latest", "")) == []
