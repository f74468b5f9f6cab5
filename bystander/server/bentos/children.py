"""The entry service's settings -> how its children are started: environment, confinement.

A child decodes what a stranger sent. It gets a folder, the networks' files and the sockets of the
model services; not the server's environment, and no other files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import bystander
from bystander.config import CONFIGS_VARIABLE
from bystander.models.store import MODELS_VARIABLE, SEGMENTER_VARIABLE, Catalogue, ModelStore
from bystander.sandbox.launch import (
    Confinement,
    ConfinementMode,
    child_environment,
    confined_command,
)
from bystander.server.bentos.job_worker import SERVICES_VARIABLE


class Children:
    """How children are started.

    Args:
        mode: see `Confinement`.
        services: url by name of the model services; without any, children open networks.
        environ: of this process.

    Attributes:
        environment: of children, all of it.
    """

    def __init__(
        self,
        mode: ConfinementMode,
        services: Mapping[str, str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        # By absolute paths: a child has another home, and works in its folder.
        catalogue = Catalogue.load()
        store = ModelStore.from_environment(catalogue, environ)
        folders = [path.absolute() for path in store.folders]
        bentoml, cache = store.bentoml.absolute(), store.cache.absolute()
        # File by file: whoever keeps networks beside the data doesn't open the data with them.
        files = [entry.file for entry in catalogue.files.values()]
        read = [folder / file for folder in (*folders, cache) for file in files]
        read.append(bentoml / "models")
        more = {
            "BENTOML_HOME": str(bentoml),
            "XDG_CACHE_HOME": str(cache.parent),
            MODELS_VARIABLE: os.pathsep.join(map(str, folders)),
        }
        # A checkout isn't installed; before the standard library, site-packages have no business.
        root = Path(bystander.__file__).resolve().parents[1]
        if (root / "service.py").is_file():
            more["PYTHONPATH"] = str(root)
        if store.segmenter is not None:
            read.append(store.segmenter.absolute())
            more[SEGMENTER_VARIABLE] = str(read[-1])
        if configs := environ.get(CONFIGS_VARIABLE):
            more[CONFIGS_VARIABLE] = str(Path(configs).absolute())
        if services:
            more[SERVICES_VARIABLE] = json.dumps(dict(services))
        ports = (urlsplit(url).port for url in services.values())
        self.environment = child_environment(environ, more)
        self._mode, self._read = mode, tuple(read)
        self._ports = tuple(port for port in ports if port is not None)

    def command(self, folder: Path, module: str, *arguments: str) -> list[str]:
        """The argument vector of a child that runs `module`, to read and change `folder` only."""
        confinement = Confinement(
            mode=self._mode,
            folder=folder.resolve(),
            read=tuple(path for path in self._read if path.exists()),
            ports=self._ports,
        )
        return confined_command(confinement, module, *arguments)
