"""What a person who runs the service may change: `configs/service.yaml`, checked.

Six things differ from machine to machine and may come from the environment instead:
BYSTANDER_DATA, BYSTANDER_STORAGE, BYSTANDER_DATABASE (or BYSTANDER_DATABASE_FILE),
BYSTANDER_TOKENS (or BYSTANDER_TOKENS_FILE), BYSTANDER_ALLOW_OPEN and BYSTANDER_WEBHOOK_SECRET (or
BYSTANDER_WEBHOOK_SECRET_FILE).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from bystander.choices import Precision, ProfileName
from bystander.config import Settings, config_path, describe, read_config
from bystander.errors import ConfigError
from bystander.models.sessions import SessionSettings
from bystander.sandbox import Limits
from bystander.sandbox.launch import ConfinementMode
from bystander.sandbox.protocol import GIB

DATA_VARIABLE = "BYSTANDER_DATA"
STORAGE_VARIABLE = "BYSTANDER_STORAGE"
DATABASE_VARIABLE = "BYSTANDER_DATABASE"
DATABASE_FILE_VARIABLE = "BYSTANDER_DATABASE_FILE"
TOKENS_VARIABLE = "BYSTANDER_TOKENS"
TOKENS_FILE_VARIABLE = "BYSTANDER_TOKENS_FILE"
ALLOW_OPEN_VARIABLE = "BYSTANDER_ALLOW_OPEN"
WEBHOOK_SECRET_VARIABLE = "BYSTANDER_WEBHOOK_SECRET"
WEBHOOK_SECRET_FILE_VARIABLE = "BYSTANDER_WEBHOOK_SECRET_FILE"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, a name or an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ModelServiceSettings(Settings):
    """The model services and how jobs call them."""

    providers: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="ONNX Runtime's, see SessionSettings; auto is a GPU where there is one"
    )
    backend: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="auto is the fastest here that agrees with fp32, see SessionSettings"
    )
    precision: Precision = Field(
        Precision.AUTO, description="of the segmenter of either variant, see SessionSettings"
    )
    batch_size: int = Field(16, ge=2, le=256, description="most frames, or faces, in one batch")
    max_latency_ms: int = Field(
        60_000,
        ge=1_000,
        description="calls that wait longer for a batch are rejected; jobs rather wait",
    )
    in_flight: int = Field(
        8,
        ge=1,
        le=64,
        description="calls that one job keeps waiting at once, so that batches fill",
    )

    def sessions(self) -> SessionSettings:
        """How the model services run their networks."""
        return SessionSettings(
            backend=self.backend, providers=self.providers, precision=self.precision
        )


class JobSettings(Settings):
    """How jobs are run."""

    at_once: int = Field(2, ge=1, le=64, description="jobs that run at the same time")
    attempts: int = Field(
        3, ge=1, le=20, description="workers that may crash over a job before it fails"
    )
    checkpoint_seconds: float = Field(
        10.0, gt=0, le=3600, description="of analysis that a crash may cost"
    )
    segment_frames: int = Field(
        240, ge=10, le=10_000, description="of rendering that a crash may cost"
    )
    stall_seconds: float = Field(
        300.0, gt=0, description="a worker that tells nothing for so long is killed"
    )
    memory_bytes: int = Field(
        8 * GIB, ge=GIB, description="address space of a worker, beyond which it fails"
    )
    confinement: ConfinementMode = Field(
        "auto",
        description="of workers to their own folder by the kernel (Landlock): required refuses to "
        "start where that can't be had, auto warns, off doesn't",
    )
    executor: Literal["in-process", "processes", "ray"] = Field(
        "in-process",
        description="does a job's video: its worker in one go, processes of this machine in parts, "
        "or a Ray cluster in parts",
    )
    processes: int = Field(2, ge=1, le=256, description="of each job, with executor: processes")
    cluster: str = Field(
        "ray://127.0.0.1:10001",
        description="with executor: ray, the address of Ray's client server",
    )
    work: str | None = Field(
        None,
        pattern=r"^[a-z]+://",
        description="with executor: ray, where the parts go: gs://bucket/prefix. By default where "
        "storage is, if that is a bucket; else to data, which all machines have to share",
    )
    queued_per_owner: int = Field(20, ge=1, description="jobs that one token may have waiting")
    runner: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = Field(
        "",
        title="Name of the runner",
        description="another one for each service of a database; empty is the host's name",
    )
    lease_seconds: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="a service that gives no sign of life for so long loses its jobs to others",
    )


class StoreSettings(Settings):
    """The database."""

    model_config = ConfigDict(hide_input_in_errors=True)

    database: Annotated[str, StringConstraints(pattern=r"^(postgres(ql)?://.*)?$")] = Field(
        "",
        repr=False,  # it may hold a password
        description="empty for SQLite in the data folder, or postgresql://user@host/database; "
        "with a password better kept in the file that BYSTANDER_DATABASE_FILE names",
    )
    connections: int = Field(8, ge=2, le=100, description="to PostgreSQL, of each service")


class LimitSettings(Limits):
    """What may be sent in."""

    video_bytes: int = Field(20 * GIB, ge=1, description="of one video")
    photo_bytes: int = Field(50_000_000, ge=1, description="of one photo's file")
    photos: int = Field(100, ge=1, description="of one project")
    projects: int = Field(
        50, ge=1, description="of one token, at the same time; empty ones don't count"
    )
    empty_projects: int = Field(
        500,
        ge=1,
        title="Projects without a video or photo",
        description="of one token, at the same time; they go after retention.empty_minutes",
    )
    visitor_share: float = Field(
        0.2,
        gt=0,
        le=1,
        title="Share of one visitor",
        description="of each limit of a token, that one visitor of the web app may use: of "
        "projects, uploads, waiting jobs and requests",
    )
    network_share: float = Field(
        0.5,
        gt=0,
        le=1,
        title="Share of one network",
        description="of each limit of a token, that all of the web app's visitors from one "
        "address may use together, so that whoever drops cookies has no more than that",
    )
    examined_at_once: int = Field(2, ge=1, le=64, description="files examined at the same time")
    requests_per_second: float = Field(50.0, gt=0, description="of one token, on average")
    burst: int = Field(200, ge=1, description="requests of one token at once")
    body_seconds: float = Field(
        60.0, gt=0, description="an upload that sends next to nothing for so long is dropped"
    )
    uploads_at_once: int = Field(4, ge=1, description="of one token")


class RetentionSettings(Settings):
    """How long things are kept. Photos and embeddings always go when a job ends."""

    hours: float = Field(24.0, gt=0, le=24 * 90, description="from a project's last use")
    empty_minutes: float = Field(
        15.0,
        gt=0,
        le=24 * 60,
        title="Minutes of an empty project",
        description="for which a project without a video or photo is kept",
    )
    disk_bytes: int = Field(
        200 * GIB, ge=1, description="of all projects together; more is refused with 507"
    )
    free_bytes: int = Field(2 * GIB, ge=0, description="that the disk must keep free")
    sweep_seconds: float = Field(60.0, gt=0, description="between looks for expired projects")


Token = Annotated[str, StringConstraints(min_length=16, pattern=r"^[!-~]+$")]
"""Long enough not to be guessed, of characters that a header can carry."""


class SecuritySettings(Settings):
    """Who may use the service."""

    model_config = ConfigDict(hide_input_in_errors=True)  # tracebacks are logged

    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens; better kept in the file that BYSTANDER_TOKENS_FILE names"
    )
    allow_open: bool = Field(
        False, description="serve beyond this machine without a token, to anyone"
    )


class WebhookSettings(Settings):
    """Telling other servers that a job has ended. Off without a secret."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secret: Annotated[str, StringConstraints(pattern=r"^([!-~]{32,1000})?$")] = Field(
        "",
        description="from which each token's signing key is made, 32 characters at least; better "
        "kept in the file that BYSTANDER_WEBHOOK_SECRET_FILE names",
    )
    hosts: tuple[str, ...] = Field(
        (),
        title="Hosts of one's own",
        description="names and addresses that may be called by http, too, and in a private "
        "network or on this machine; others only by https, where they are public",
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="for one try, all of it")
    at_once: int = Field(4, ge=1, le=64, description="under way together, one of a token at most")
    pending_per_owner: int = Field(
        200, ge=1, description="that one token may have waiting, those of unfinished jobs included"
    )


class ServiceSettings(Settings):
    """Everything about the service."""

    model_config = ConfigDict(hide_input_in_errors=True)  # a mistyped token, say

    data: Path = Field(Path("data"), description="folder for everything that is stored")
    storage: str = Field("local", description="local, or gs://bucket/prefix")
    profile: ProfileName = Field(ProfileName.BALANCED, description="where a job names none")
    models: ModelServiceSettings = ModelServiceSettings()
    store: StoreSettings = StoreSettings()
    jobs: JobSettings = JobSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    security: SecuritySettings = SecuritySettings()
    webhooks: WebhookSettings = WebhookSettings()


def load_service_settings(
    path: Path | None = None, environ: Mapping[str, str] = os.environ
) -> ServiceSettings:
    """Read `configs/service.yaml`, or another file of its form, and the environment.

    Raises:
        ConfigError: unreadable, or a setting is unknown or out of bounds.
    """
    settings = read_config(path or config_path("service.yaml", environ), ServiceSettings)
    found: dict[str, object] = {}
    if data := environ.get(DATA_VARIABLE):
        found["data"] = Path(data)
    if storage := environ.get(STORAGE_VARIABLE):
        found["storage"] = storage
    named = _secret(environ, DATABASE_VARIABLE, DATABASE_FILE_VARIABLE, "URL of the database")
    if named:
        try:
            found["store"] = StoreSettings(**{**settings.store.model_dump(), "database": named})
        except ValidationError as error:
            raise ConfigError(
                f"the URL of the database: {describe(error)}",
                "Write postgresql://user:password@host/database.",
            ) from error
    security: dict[str, object] = {}
    if tokens := _tokens(environ):
        security["tokens"] = tokens
    if allow := environ.get(ALLOW_OPEN_VARIABLE):
        security["allow_open"] = allow.lower() in ("1", "true", "yes")
    try:
        found["security"] = SecuritySettings(**{**settings.security.model_dump(), **security})
    except ValidationError as error:
        raise ConfigError(
            f"the tokens: {describe(error)}",
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        ) from error
    if secret := _secret(
        environ, WEBHOOK_SECRET_VARIABLE, WEBHOOK_SECRET_FILE_VARIABLE, "secret of webhooks"
    ):
        try:
            found["webhooks"] = WebhookSettings(
                **{**settings.webhooks.model_dump(), "secret": secret}
            )
        except ValidationError as error:
            raise ConfigError(
                f"the secret of webhooks: {describe(error)}",
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            ) from error
    return settings.model_copy(update=found)


def _secret(environ: Mapping[str, str], variable: str, file_variable: str, what: str) -> str:
    """What the environment says, or a file that it names; "" for neither.

    Raises:
        ConfigError: the file that is named can't be read, or is empty.
    """
    named = environ.get(file_variable)
    if not named:
        return environ.get(variable, "").strip()
    try:
        secret = Path(named).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the {what} in {named} can't be read ({error})",
            f"Mend the file, or take {file_variable} away.",
        ) from error
    if not secret:
        raise ConfigError(
            f"there is no {what} in {named}",
            f"Write one, or take {file_variable} away.",
        )
    return secret


def _tokens(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Tokens from the environment, or from a file with one a line.

    Raises:
        ConfigError: the file can't be read, or there is none in it: whoever names one doesn't
            mean to serve without.
    """
    named = environ.get(TOKENS_FILE_VARIABLE)
    if named:
        try:
            text = Path(named).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the tokens in {named} can't be read ({error})",
                f"Mend the file, or take {TOKENS_FILE_VARIABLE} away.",
            ) from error
        lines = [line.strip() for line in text.splitlines()]
        tokens = tuple(line for line in lines if line and not line.startswith("#"))
        if not tokens:
            raise ConfigError(
                f"there is no token in {named}",
                f"Write one a line, or take {TOKENS_FILE_VARIABLE} away.",
            )
        return tokens
    return tuple(t.strip() for t in environ.get(TOKENS_VARIABLE, "").split(",") if t.strip())
