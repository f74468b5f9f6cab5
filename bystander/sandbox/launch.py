"""A program and what it may use -> it runs with that and nothing else.

    python -m bystander.sandbox.launch CONFINEMENT MODULE ARGUMENT...

confines itself, then runs MODULE as `python -m MODULE ARGUMENT...` would: for the children of the
service that decode what strangers sent, over minutes and with networks, so that the sandbox's
tight limits don't fit. It has to be done before they import anything: a library's threads would
stay free. CONFINEMENT is a `Confinement` as JSON.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from bystander.config import CORES_VARIABLE, Settings, cores
from bystander.sandbox.confine import confine_worker

TEMPORARY: Final = "tmp"
"""The folder for temporary files, within the one that a child may write to."""
ConfinementMode = Literal["required", "auto", "off"]

_PASSED_ON: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "MALLOC_ARENA_MAX",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    # How many threads compute: results must be those of the command line.
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ORT_DISABLE_TELEMETRY",
    "BYSTANDER_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)


class Confinement(Settings):
    """What a child may use beside the program itself.

    Attributes:
        mode: required: it ends where the kernel can't confine it; auto: it goes on; off: it isn't
            confined.
        folder: to be read and changed; its working directory, home and temporary files, too.
        read: folders and files to be read.
        ports: of TCP, on this machine, to connect to; without any it has no network at all where
            the kernel allows that.
    """

    mode: ConfinementMode = "auto"
    folder: Path
    read: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()


def child_environment(
    environ: Mapping[str, str], more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a child: what is known to be needed, and `more`.

    Never all of the server's: it has tokens in it, and a cloud's credentials.
    """
    passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
    # A confined child can't read what limits it.
    return {"LANG": "C.UTF-8", CORES_VARIABLE: str(cores(environ)), **passed_on, **(more or {})}


def confined_command(confinement: Confinement, module: str, *arguments: str) -> list[str]:
    """The argument vector of a child that runs `module` within `confinement`."""
    launch = [sys.executable, "-P", "-m", "bystander.sandbox.launch"]
    return [*launch, confinement.model_dump_json(), module, *arguments]


def main(arguments: Sequence[str]) -> None:
    content, module, *rest = arguments
    # Its package is imported now: the folder that it lies in can't be listed any more then.
    importlib.util.find_spec(module)
    _enter(Confinement.model_validate_json(content))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _enter(confinement: Confinement) -> None:
    folder = confinement.folder
    temporary = folder / TEMPORARY
    temporary.mkdir(mode=0o700, exist_ok=True)
    os.environ["HOME"] = os.environ["TMPDIR"] = str(temporary)
    os.chdir(folder)
    if confinement.mode != "off":
        confine_worker(
            confinement.read,
            folder,
            confinement.ports,
            required=confinement.mode == "required",
        )


if __name__ == "__main__":
    main(sys.argv[1:])
