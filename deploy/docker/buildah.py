"""Builds images where there is no engine: buildah, on a base that mmdebstrap makes.

No registry of images is needed, only Debian's packages and PyPI. How this machine reaches both
(certificates, pip's settings, apt's) is handed to the build, read-only, and stays out of the
image. Everything lies in one folder. Needs root.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TOOLS: Final = ("buildah", "mmdebstrap")
BASE: Final = "localhost/python:3.11-bookworm"
"""Stands in for python:3.11-slim-bookworm: the same Debian, with Debian's Python 3.11."""
PACKAGES: Final = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
LEFT_OUT: Final = ("doc", "info", "locale", "man")
"""Of /usr/share: Debian's slim image has none of them either."""
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
APT_SETTINGS: Final = ("/etc/apt/apt.conf.d", "/etc/apt/auth.conf.d")
INDEXES: Final = ("index-url", "extra-index-url")


class NoEngineError(Exception):
    """Nothing here can build an image; the message says why."""


def install_tools() -> None:
    """Make sure of the rights and the programs that are needed.

    Raises:
        NoEngineError: one is missing and can't be had.
    """
    if os.geteuid() != 0:
        raise NoEngineError("without a Docker engine only root can build and start images")
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(namespaces, capture_output=True).returncode != 0:
        raise NoEngineError("root may not make namespaces here, as in most containers")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and shutil.which("apt-get") is None:
        raise NoEngineError(f"{' and '.join(missing)} can't be installed: this isn't Debian")
    if missing:
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends"]):
            words = ["apt-get", *command, *(missing if command[0] == "install" else [])]
            ended = subprocess.run(words, capture_output=True, text=True)
            if ended.returncode != 0:
                raise NoEngineError(f"`{' '.join(words)}` failed: {ended.stderr.strip()}")


class Buildah:
    """buildah, with its storage in a folder of its own.

    Args:
        folder: for the base, the images and what runs of them; a base that is there is used.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        # Without overlays every step copies the whole image.
        driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
        self._command = ["buildah", "--storage-driver", driver]
        self._command += ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def build_base(self) -> None:
        """Debian 12 and its Python, under the name `BASE`."""
        if self._exists(BASE):
            return
        context = self._folder / "base"
        context.mkdir(exist_ok=True)
        options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
        # Here pip may install anywhere, as in the image that this stands in for.
        options += ['--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
        mirror = [os.environ["DEBIAN_MIRROR"]] if "DEBIAN_MIRROR" in os.environ else []
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *options,
             "bookworm", str(context / "base.tar"), *mirror],
            check=True,
        )  # fmt: skip
        (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        self._run("bud", "--tag", BASE, str(context))
        shutil.rmtree(context)

    def build(
        self,
        dockerfile: Path,
        tag: str,
        arguments: dict[str, str] | None = None,
        context: Path = REPOSITORY,
    ) -> None:
        """Build `dockerfile` on the base.

        Args:
            arguments: what `--build-arg` gives.
            context: what it may copy from.
        """
        given = {"PYTHON": BASE, **(arguments or {})}
        words = [f"--build-arg={name}={value}" for name, value in given.items()]
        if "ARG PYTHON=" not in dockerfile.read_text():
            words += ["--from", BASE]
        words += [f"--volume={source}:{target}:ro" for source, target in self._mounts().items()]
        words += ["--file", str(dockerfile), "--tag", tag]
        # "docker": the other format has no HEALTHCHECK.
        self._run("bud", "--format", "docker", "--isolation", "chroot", "--network", "host",
                  *words, str(context))  # fmt: skip

    def size_bytes(self, tag: str) -> int:
        """Of all its layers, unpacked: what `docker images` shows."""
        with self.mounted(tag) as root:
            seen: dict[tuple[int, int], int] = {}
            for folder, _, files in os.walk(root):
                for name in files:
                    found = os.lstat(os.path.join(folder, name))
                    seen[found.st_dev, found.st_ino] = found.st_size
            return sum(seen.values())

    def config(self, tag: str) -> dict[str, Any]:
        """What the image says of how it is started: Cmd, Entrypoint, Env, User, WorkingDir, ..."""
        found = json.loads(self._ask("inspect", "--type", "image", tag))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    @contextmanager
    def mounted(self, tag: str) -> Iterator[Path]:
        """A fresh container of the image, as a folder."""
        container = self._ask("from", "--pull-never", tag)
        try:
            yield Path(self._ask("mount", container))
        finally:
            self._run("rm", container)

    def remove(self) -> None:
        """Everything in the folder."""
        self._run("rm", "--all")
        self._run("rmi", "--all", "--force")
        # buildah leaves its storage mounted on itself.
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = Path(line.split()[1])
            if self._folder in place.parents:
                subprocess.run(["umount", str(place)], check=True)
        shutil.rmtree(self._folder)

    def _exists(self, tag: str) -> bool:
        asked = [*self._command, "inspect", "--type", "image", tag]
        return subprocess.run(asked, capture_output=True).returncode == 0

    def _run(self, *words: str) -> None:
        subprocess.run([*self._command, *words], check=True, stdout=subprocess.DEVNULL)

    def _ask(self, *words: str) -> str:
        asked = [*self._command, *words]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    def _mounts(self) -> dict[str, str]:
        """What the build sees of this machine: path here, path there."""
        settings = pip_settings()
        file = self._folder / "pip.conf"
        lines = [f"{name} = {value}" for name, value in settings.items() if name != "cert"]
        file.write_text("\n".join(["[global]", *lines, f"cert = {CERTIFICATES}", ""]))
        # uv, which Bentos are installed with, reads nothing of pip's.
        uv = self._folder / "uv.toml"
        indexes = [word for name in INDEXES for word in settings.get(name, "").split()]
        written = [f"native-tls = true\nextra-index-url = {json.dumps(indexes)}\n",
                   f"find-links = {json.dumps(settings.get('find-links', '').split())}\n",
                   'index-strategy = "unsafe-best-match"\n']  # fmt: skip
        uv.write_text("".join(written))
        mounts = {str(file): "/etc/pip.conf", str(uv): "/etc/uv/uv.toml"}
        bundle = settings.get("cert") or ssl.get_default_verify_paths().cafile or CERTIFICATES
        mounts[os.environ.get("SSL_CERT_FILE", bundle)] = CERTIFICATES
        mounts |= {path: path for path in APT_SETTINGS}
        mounts |= {path: path for path in local_indexes(settings)}
        return {source: target for source, target in mounts.items() if Path(source).exists()}


def pip_settings() -> dict[str, str]:
    """pip's settings on this machine, from files and environment; what comes later wins."""
    pip = shutil.which("pip3") or shutil.which("pip") or "pip"
    listed = subprocess.run([pip, "config", "list"], capture_output=True, text=True, check=True)
    lines = [line.split("=", 1) for line in listed.stdout.splitlines()]
    ranked = sorted(lines, key=lambda pair: pair[0].startswith(":env:"))
    found = {name.rpartition(".")[2]: ast.literal_eval(value) for name, value in ranked}
    # A cache and a place to install belong to this machine alone.
    return {
        name: str(value) for name, value in found.items() if name not in ("cache-dir", "target")
    }


def local_indexes(settings: dict[str, str]) -> Iterator[str]:
    """Folders on this machine where pip finds packages: their outermost ones."""
    for name in ("find-links", *INDEXES):
        for word in settings.get(name, "").split():
            parts = urlsplit(word)
            if parts.scheme in ("", "file"):
                path = Path(url2pathname(parts.path))
                # An index (.../simple) points to files beside it.
                yield str(path.parent if name != "find-links" else path)
