"""The service's HTTP API, as the pages need it. Files don't come this way: see proxy.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final, cast

import httpx

from frontend.api_types import (
    AuditView,
    EstimateView,
    JobKind,
    JobsView,
    JobView,
    LimitsView,
    MomentView,
    PeopleView,
    PersonView,
    PhotosView,
    PhotoView,
    ProjectView,
    SharedView,
    ShareView,
    SoundSpan,
)
from frontend.choices import Effect

TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0)
MEASURING: Final = httpx.Timeout(300.0, connect=3.0)
"""For the first estimate of a video: a sample of it is masked on the spot."""
KEPT: Final = 2.0
"""Seconds that an idle connection is used again; the service closes it after five."""
NAMESPACE: Final = "urn:bystander:"
UNREACHABLE: Final = "unreachable"


class Trouble(Exception):
    """The service said no, or nothing.

    Attributes:
        kind: what it is, stable: "NoFaceFound", "disk-full"; `UNREACHABLE` without an answer;
            "http-409" where the answer has no name for it.
        status: of the answer, 0 without one.
    """

    def __init__(self, kind: str, status: int = 0) -> None:
        super().__init__(kind)
        self.kind, self.status = kind, status


class Service:
    """The service at an address.

    Args:
        address: of the server, without /v1.
        token: a bearer token; None where the service asks for none.

    Every method raises `Trouble`. It may be used from several threads.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=f"{address.rstrip('/')}/v1",
            headers=headers,
            timeout=TIMEOUT,
            limits=httpx.Limits(keepalive_expiry=KEPT),
            trust_env=False,
        )

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def limits(self) -> LimitsView:
        return cast(LimitsView, self._get("/limits"))

    def project(self, project: str) -> ProjectView:
        return cast(ProjectView, self._get(f"/projects/{project}"))

    def delete_project(self, project: str) -> None:
        self._ask("DELETE", f"/projects/{project}")

    def photos(self, project: str) -> list[PhotoView]:
        return cast(PhotosView, self._get(f"/projects/{project}/photos"))["photos"]

    def rename(self, project: str, photo: str, person: str) -> None:
        self._ask("PATCH", f"/projects/{project}/photos/{photo}", json={"person": person})

    def choose_face(self, project: str, photo: str, face: int) -> None:
        self._ask("PATCH", f"/projects/{project}/photos/{photo}", json={"face": face})

    def delete_photo(self, project: str, photo: str) -> None:
        self._ask("DELETE", f"/projects/{project}/photos/{photo}")

    def estimate(self, project: str, kind: JobKind = "mask", audit: bool = False) -> EstimateView:
        """Takes seconds the first time, whatever it is asked about."""
        path = f"/projects/{project}/estimate?kind={kind}&audit={audit}"
        return cast(EstimateView, self._get(path, timeout=MEASURING))

    def moment(self, project: str) -> MomentView:
        """One that shows people, those to keep first of all. Takes seconds the first time."""
        path = f"/projects/{project}/preview/moment"
        return cast(MomentView, self._get(path, timeout=MEASURING))

    def jobs(self, project: str) -> list[JobView]:
        """The oldest first."""
        return cast(JobsView, self._get(f"/projects/{project}/jobs"))["jobs"]

    def job(self, project: str, job: str) -> JobView:
        return cast(JobView, self._get(f"/projects/{project}/jobs/{job}"))

    def start(
        self,
        project: str,
        kind: JobKind,
        effect: Effect,
        sound: list[SoundSpan],
        audit: bool,
        key: str,
    ) -> JobView:
        """The job that this `key`, a random one, began; or a new one."""
        wanted: dict[str, object] = {"kind": kind, "effect": asdict(effect), "audit": audit}
        if kind != "analyze":  # which makes no result
            wanted["sound"] = sound
        path, once = f"/projects/{project}/jobs", {"Idempotency-Key": key}
        return cast(JobView, self._ask("POST", path, json=wanted, headers=once).json())

    def cancel(self, project: str, job: str) -> None:
        self._ask("POST", f"/projects/{project}/jobs/{job}/cancel")

    def people(self, project: str) -> list[PersonView]:
        """Empty before the first analysis."""
        found = cast("PeopleView | None", self._get_if_there(f"/projects/{project}/people"))
        return found["people"] if found else []

    def audit(self, project: str) -> AuditView | None:
        """None where no result was looked at."""
        return cast("AuditView | None", self._get_if_there(f"/projects/{project}/audit.json"))

    def share(self, project: str) -> str:
        """The token of a new link to the result; one from before ends."""
        return cast(ShareView, self._ask("POST", f"/projects/{project}/share").json())["token"]

    def unshare(self, project: str) -> None:
        self._ask("DELETE", f"/projects/{project}/share")

    def shared(self, token: str) -> SharedView:
        """What a link shows."""
        return cast(SharedView, self._get(f"/shared/{token}"))

    def _get(self, path: str, **options: Any) -> Any:
        return self._ask("GET", path, **options).json()

    def _get_if_there(self, path: str) -> Any:
        try:
            return self._get(path)
        except Trouble as trouble:
            if trouble.status == 404:
                return None
            raise

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Trouble(UNREACHABLE) from error
        if answer.status_code >= 400:
            raise Trouble(_kind(answer), answer.status_code)
        return answer


def _kind(answer: httpx.Response) -> str:
    if answer.status_code in (502, 503, 504):
        return UNREACHABLE
    try:
        told = str(answer.json().get("type", ""))
    except (ValueError, AttributeError):
        told = ""
    if told.startswith(NAMESPACE):
        return told.removeprefix(NAMESPACE)
    return f"http-{answer.status_code}"
