"""`make images`: builds the images, starts them, alone and as a cluster, masks a video in each.

With Docker where its engine runs, by docker-compose.yml; else with buildah, as root, where the
containers are started by `deploy.docker.pod`. The last lines say sizes and seconds.

    python -m deploy.docker.images                    everything, in a folder that is removed
    python -m deploy.docker.images --folder out/images    the images stay there
    python -m deploy.docker.images --variant gpu      builds the service's GPU variant, no more
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.docker.buildah import REPOSITORY, Buildah, NoEngineError, install_tools
from deploy.docker.cluster import WORKERS, RayCluster
from deploy.docker.pod import Container, Mount, containers_of, leave_the_network

DOCKERFILES: Final = {
    "service": REPOSITORY / "deploy/docker/service.Dockerfile",
    "app": REPOSITORY / "deploy/docker/frontend.Dockerfile",
}
BENTO: Final = "localhost/bystander-bento"
PORTS: Final = {"service": 3000, "app": 8501}
MOST_MEGABYTES: Final = {"service": 1400, "app": 500, "service-gpu": 5000}
"""Of an image, unpacked, its base included. Of the service's, Ray is 180: docs/cluster.md."""
HEALTHY_SECONDS: Final = 600.0
"""For the models to be warm, on a machine that does other things as well."""
NOTHING_BUILDS: Final = 77
"""Status where there is neither an engine nor what stands in for it; the last line says why."""
HAMILTON: Final = Path("clips/hamilton")
"""Masked once: whatever else is started masks two seconds of a made video, ten times as fast."""


def main() -> int:
    """Read the command line; gives the status to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="where the images are built, and stay")
    parser.add_argument("--variant", choices=("cpu", "gpu"), default="cpu")
    given = parser.parse_args()
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    ):
        return _with_docker(given.variant)
    try:
        install_tools()
    except NoEngineError as error:
        print(f"no images: {error}", file=sys.stderr)
        return NOTHING_BUILDS
    with ExitStack() as stack:
        folder = given.folder
        if folder is None:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="bystander-images-"))
            folder = Path(name) / "images"
        buildah = Buildah(folder.resolve())
        if given.folder is None:
            stack.callback(buildah.remove)
        _build(buildah, given.variant)
        if given.variant == "cpu":
            _build_bento(buildah, folder.resolve())
            _start_and_mask(buildah, folder.resolve() / "started")
            _start_cluster(buildah, folder.resolve() / "started")
            _start_bento(buildah, folder.resolve() / "started")
    return 0


def _build(buildah: Buildah, variant: str) -> None:
    """Both images, or the GPU variant's one.

    Raises:
        SystemExit: one is too large.
    """
    with _timed("base"):
        buildah.build_base()
    for name in ("service", "app") if variant == "cpu" else ("service",):
        label = name if variant == "cpu" else f"{name}-{variant}"
        with _timed(f"building {label}"):
            buildah.build(DOCKERFILES[name], f"localhost/bystander-{label}", {"VARIANT": variant})
        _check_size(label, buildah.size_bytes(f"localhost/bystander-{label}"))


def _check_size(label: str, size_bytes: int) -> None:
    """Say it.

    Raises:
        SystemExit: it is too large.
    """
    print(f"{label}: {size_bytes / 1e6:.0f} MB", flush=True)
    if size_bytes > MOST_MEGABYTES[label] * 1e6:
        sys.exit(f"{label} may have {MOST_MEGABYTES[label]} MB")


def _start_and_mask(buildah: Buildah, folder: Path) -> None:
    """Both images in one network, as docker-compose.yml says, and a video through them."""
    folder.mkdir(exist_ok=True)
    tokens, hosts, volumes = (folder / name for name in ("tokens.txt", "hosts", "volumes"))
    tokens.write_text(secrets.token_urlsafe(32) + "\n")
    tokens.chmod(0o444)
    hosts.write_text("127.0.0.1 localhost service app\n")
    volumes.mkdir(exist_ok=True)
    compose = _compose(tokens)
    leave_the_network()
    with ExitStack() as stack:
        for name in ("service", "app"):
            tag = f"localhost/bystander-{name}"
            root, config = stack.enter_context(buildah.mounted(tag)), buildah.config(tag)
            environment, mounts, tmpfs = containers_of(compose, name, volumes, hosts)
            for mount in mounts:  # as an engine does with a fresh volume
                if volumes in mount.source.parents:
                    os.chown(mount.source, *map(int, config["User"].split(":")))
            log = folder / f"{name}.log"
            with _timed(f"{name} healthy"):
                container = Container(root, config, environment, mounts, tmpfs, log)
                stack.callback(_stopped, name, container)
                container.wait_until_healthy(HEALTHY_SECONDS)
            if name == "service":
                doctor = container.run("bystander", "doctor")
                assert doctor.returncode == 0, doctor.stdout + doctor.stderr
                print("bystander doctor is content", flush=True)
        _mask(tokens, PORTS["service"], clip=HAMILTON)
        _mask(tokens, PORTS["service"], PORTS["app"])


def _start_cluster(buildah: Buildah, folder: Path) -> None:
    """Ray's head and two workers of the service's image, and a video through an entry of it."""
    tokens, place = folder / "tokens.txt", folder / "cluster"
    place.mkdir(exist_ok=True)
    cluster = RayCluster(buildah, place, folder / "hosts")
    with ExitStack() as stack:
        with _timed("Ray's head healthy"):
            head = stack.enter_context(cluster.head())
        for address in WORKERS:
            with _timed("a worker of Ray's healthy"):
                stack.enter_context(cluster.worker(address))
        with _timed("entry healthy"):
            stack.enter_context(cluster.entry(tokens))
        _mask(tokens, PORTS["service"])
        tasks, nodes = cluster.done(head)
        assert tasks, "somebody else did the work"
        print(f"Ray did {tasks} tasks on {nodes} nodes", flush=True)


def _build_bento(buildah: Buildah, folder: Path) -> None:
    """`bentoml build`, and the Dockerfile that `bentoml containerize` goes by."""
    home = folder / "bentoml"
    home.mkdir(exist_ok=True)
    with _timed("bentoml build"):
        command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
        environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
        said = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True,
                              capture_output=True, text=True).stdout  # fmt: skip
    context = home / "bentos" / said.split("__tag__:")[-1].strip().replace(":", "/")
    with _timed("building bento"):
        buildah.build(context / "env/docker/Dockerfile", BENTO, context=context)
    print(f"bento: {buildah.size_bytes(BENTO) / 1e6:.0f} MB", flush=True)


def _start_bento(buildah: Buildah, folder: Path) -> None:
    """As its entry point says: without a token it refuses, with one it masks a video."""
    tokens = Mount(folder / "tokens.txt", "/run/secrets/tokens", read_only=True)
    hosts = Mount(folder / "hosts", "/etc/hosts", read_only=True)
    config, log = buildah.config(BENTO), folder / "bento.log"
    with buildah.mounted(BENTO) as root:
        refused = Container(root, config, {}, [hosts], ["/tmp"], log, read_only=False)
        assert refused.wait(120) != 0, "it serves everyone"
        assert "without a token" in log.read_text(), log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
        print("bento: refuses to serve without a token", flush=True)
        environment = {"BYSTANDER_TOKENS_FILE": tokens.target}
        mounts = [hosts, tokens]
        health = buildah.config("localhost/bystander-service")["Healthcheck"]["Test"]
        with ExitStack() as stack:
            with _timed("bento healthy"):
                container = Container(root, config, environment, mounts, ["/tmp"], log, False)
                stack.callback(_stopped, "bento", container)
                container.wait_until_healthy(HEALTHY_SECONDS, health)
            _mask(folder / "tokens.txt", PORTS["service"])


def _stopped(name: str, container: Container) -> None:
    if not container.running:  # said already by what found out
        return
    with _timed(f"{name} stopped"):
        status = container.stop(60)
    # 143: ended by SIGTERM, which tini passes on and reports so.
    assert status in (0, 143), f"{name} ended with {status}:\n{container.log.read_text()[-4000:]}"


def _with_docker(variant: str) -> int:
    """The same by an engine: docker-compose.yml under a project of its own."""
    with tempfile.TemporaryDirectory(prefix="bystander-images-") as folder:
        tokens = Path(folder) / "tokens.txt"
        tokens.write_text(secrets.token_urlsafe(32) + "\n")
        tokens.chmod(0o444)
        own = {"BYSTANDER_PORT": "13000", "BYSTANDER_APP_PORT": "18501", "BYSTANDER_TAG": "trial"}
        environment = {**os.environ, **own, "BYSTANDER_TOKENS_HOST_FILE": str(tokens)}
        command = ["docker", "compose", "--project-name", "bystander-images", "--profile", variant]

        def compose(*words: str) -> None:
            subprocess.run([*command, *words], cwd=REPOSITORY, env=environment, check=True)

        with _timed("building"):
            compose("build")
        suffix = "-gpu" if variant == "gpu" else ""
        for label, tag in ((f"service{suffix}", f"service:trial{suffix}"), ("app", "app:trial")):
            asked = ["docker", "image", "inspect", "--format", "{{.Size}}", f"bystander-{tag}"]
            _check_size(label, int(subprocess.run(asked, check=True, capture_output=True).stdout))
        if variant == "gpu":
            return 0
        try:
            with _timed("healthy"):
                compose("up", "--detach", "--wait")
            _mask(tokens, 13000, clip=HAMILTON)
            _mask(tokens, 13000, 18501)
        finally:
            compose("down", "--volumes", "--rmi", "all")
    return 0


def _mask(tokens: Path, port: int, app_port: int | None = None, clip: Path | None = None) -> None:
    """In a process of its own: it brings the library and Streamlit along.

    Args:
        app_port: of the web app, to go through it.
        clip: a shared one, where there are any; by default a short one is made.
    """
    words = ["--service", f"http://127.0.0.1:{port}"]
    words += ["--app", f"http://127.0.0.1:{app_port}"] if app_port else []
    shared = Path(os.environ.get("BYSTANDER_SHARED", REPOSITORY.parent / "shared"))
    if clip and (shared / clip).is_dir():
        words += ["--clip", str(shared / clip)]
    command = [sys.executable, "-m", "deploy.docker.masking", "--tokens", str(tokens), *words]
    subprocess.run(command, cwd=REPOSITORY, check=True)


def _compose(tokens: Path) -> dict[str, Any]:
    """docker-compose.yml, as Compose understands it, with that file of tokens."""
    beside = Path(sys.executable).parent / "docker-compose"
    command = [str(beside), "--env-file", "/dev/null", "--profile", "cpu", "config"]
    environment = {"PATH": os.environ["PATH"], "BYSTANDER_TOKENS_HOST_FILE": str(tokens)}
    written = subprocess.run([*command, "--format", "json"], cwd=REPOSITORY, env=environment,
                             check=True, capture_output=True).stdout  # fmt: skip
    found: dict[str, Any] = json.loads(written)
    return found


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
