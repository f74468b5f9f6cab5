"""The entry service's settings -> how its children are started: environment, confinement.

A child decodes what a stranger sent. It gets a folder, the networks' files and the sockets of the
model services; not the server's environment, and no other files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from bystander.sandbox import children
from bystander.sandbox.launch import ConfinementMode
from bystander.server.bentos.job_worker import SERVICES_VARIABLE


class ServiceChildren(children.Children):
    """How children of the service are started.

    Args:
        mode: see `Confinement`.
        services: url by name of the model services; without any, children open networks.
        environ: of this process.
    """

    def __init__(
        self,
        mode: ConfinementMode,
        services: Mapping[str, str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        ports = (urlsplit(url).port for url in services.values())
        super().__init__(
            mode,
            environ,
            {SERVICES_VARIABLE: json.dumps(dict(services))} if services else {},
            (port for port in ports if port is not None),
        )
