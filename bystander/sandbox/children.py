"""A process's own environment -> how its confined children are started: environment, files.

A child decodes what a stranger sent. It gets a folder and the networks' files; not the environment
of who starts it, and no other files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import bystander
from bystander.config import CONFIGS_VARIABLE
from bystander.models.licences import LICENCE_VARIABLE
from bystander.models.store import (
    MODELS_VARIABLE,
    SEGMENTER_VARIABLE,
    Catalogue,
    ModelStore,
    own_folder,
)
from bystander.sandbox.launch import (
    Confinement,
    ConfinementMode,
    child_environment,
    confined_command,
)


class Children:
    """How children are started that run networks.

    Args:
        mode: see `Confinement`.
        environ: of this process.
        more: for the children's environment.
        ports: see `Confinement`.

    Attributes:
        environment: of children, all of it.
    """

    def __init__(
        self,
        mode: ConfinementMode,
        environ: Mapping[str, str] = os.environ,
        more: Mapping[str, str] | None = None,
        ports: Iterable[int] = (),
    ) -> None:
        # By absolute paths: a child has another home, and works in its folder.
        catalogue = Catalogue.load()
        store = ModelStore.from_environment(catalogue, environ)
        folders = [path.absolute() for path in store.folders]
        bentoml, cache = store.bentoml.absolute(), store.cache.absolute()
        # File by file: whoever keeps networks beside the data doesn't open the data with them.
        files = [entry.file for entry in catalogue.files.values()]
        read = [folder / file for folder in (*folders, cache) for file in files]
        read += [bentoml / "models", cache / "backends"]  # what the self-test chose
        own = own_folder(environ).absolute()
        read.append(own)  # a folder of nothing else
        given = {
            **(more or {}),
            "BENTOML_HOME": str(bentoml),
            "XDG_CACHE_HOME": str(cache.parent),
            "XDG_DATA_HOME": str(own.parents[1]),
            LICENCE_VARIABLE: store.licence,
            MODELS_VARIABLE: os.pathsep.join(map(str, folders)),
        }
        # A checkout isn't installed; before the standard library, site-packages have no business.
        root = Path(bystander.__file__).resolve().parents[1]
        if (root / "service.py").is_file():
            given["PYTHONPATH"] = str(root)
        if store.segmenter is not None:
            read.append(store.segmenter.absolute())
            given[SEGMENTER_VARIABLE] = str(read[-1])
        if configs := environ.get(CONFIGS_VARIABLE):
            given[CONFIGS_VARIABLE] = str(Path(configs).absolute())
        self.environment = child_environment(environ, given)
        self._mode, self._read, self._ports = mode, tuple(read), tuple(ports)

    def command(
        self, folder: Path, module: str, *arguments: str, read: Iterable[Path] = ()
    ) -> list[str]:
        """The argument vector of a child that runs `module`, to read and change `folder` only.

        Args:
            read: further files and folders, to be read.
        """
        confinement = Confinement(
            mode=self._mode,
            folder=folder.resolve(),
            read=tuple(path for path in (*self._read, *read) if path.exists()),
            ports=self._ports,
        )
        return confined_command(confinement, module, *arguments)
