"""Starting the service: checks what must hold, then becomes `bentoml serve`."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import Final, NoReturn

from bystander.errors import ConfigError
from bystander.server.settings import (
    DATA_VARIABLE,
    ServiceSettings,
    is_loopback,
    load_service_settings,
)

ENTRY: Final = "bystander.server.service:Bystander"
ENVIRONMENT: Final = {
    # BentoML and ONNX Runtime report to their makers otherwise: nothing is sent anywhere.
    "BENTOML_DO_NOT_TRACK": "True",
    "ORT_DISABLE_TELEMETRY": "1",
}
SUPERVISOR_VARIABLE: Final = "BYSTANDER_SUPERVISOR"
"""Tells the service's processes the id of the one that they end with, see `lifeline`."""
CONTAINERIZED: Final = "BENTOML_CONTAINERIZED"
"""Where it is set, even to nothing, BentoML doesn't start a service again that has died."""


def become_service(host: str, port: int, data: Path | None = None) -> NoReturn:
    """Replace this process by BentoML's, which serves until it is stopped.

    Args:
        data: the folder for everything that is stored; by default as the settings say.

    Raises:
        ConfigError: a setting is wrong, or see the checks below.
    """
    check_host(host, load_service_settings())
    check_port(host, port)
    check_installed()
    folder = working_folder()
    environment = {**os.environ, **ENVIRONMENT, SUPERVISOR_VARIABLE: str(os.getpid())}
    environment.pop(CONTAINERIZED, None)
    if data is not None:
        environment[DATA_VARIABLE] = str(data.resolve())
    command = [sys.executable, "-m", "bentoml", "serve", ENTRY]
    command += ["--working-dir", str(folder), "--host", host, "--port", str(port)]
    os.execve(sys.executable, command, environment)


def check_host(host: str, settings: ServiceSettings) -> None:
    """Refuse to listen beyond this machine when anyone could come in.

    Raises:
        ConfigError: `host` isn't loopback, and there is no token.
    """
    if settings.security.tokens or settings.security.allow_open or is_loopback(host):
        return
    raise ConfigError(
        f"without a token the service won't listen at {host}, where others can reach it",
        "Set BYSTANDER_TOKENS_FILE or BYSTANDER_TOKENS (docs/deployment.md), or, if everyone may "
        "use it, BYSTANDER_ALLOW_OPEN=1.",
    )


def check_port(host: str, port: int) -> None:
    """Refuse a port that can't be listened at, before anything is started.

    Raises:
        ConfigError: something listens there already, it is reserved, or `host` isn't this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server does: a connection that has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} at {host} is in use already",
                    "Stop what listens there, or choose another one with --port.",
                ) from error
            raise ConfigError(
                f"the service can't listen at {host}, port {port} ({error.strerror})",
                "Choose an address of this machine, and a port that you may use.",
            ) from error


def check_installed() -> None:
    """Refuse to start without what only the service needs.

    Raises:
        ConfigError: BentoML isn't installed.
    """
    if importlib.util.find_spec("bentoml") is None:
        raise ConfigError("BentoML is not installed", "Run `pip install 'bystander[serve]'`.")


def working_folder() -> Path:
    """What relative paths of the settings start from: the checkout, or Bento, or image, that the
    program is in; where pip has installed it, the folder it is called from.
    """
    root = Path(__file__).resolve().parents[2]
    return root if (root / "service.py").is_file() else Path.cwd()
