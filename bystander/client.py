"""Speaks to the service: uploads with progress, waits, downloads.

    with Client("http://127.0.0.1:3000", token) as client:
        project = client.create_project()
        project.send_photo("Anna", Path("anna.jpg"))
        project.send_video(Path("holiday.mp4"))
        job = project.start("mask")
        job.wait()
        project.download("result", Path("masked.mp4"))

Needs `requests` and nothing else of the library but its errors.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

from bystander.errors import Cancelled, OutputExists, OutputUnwritable, ServiceError

CHUNK: Final = 2**20
PART: Final = 64 * 2**20
"""Bytes of a video sent in one request: a dropped connection costs no more than that."""
TRIES: Final = 8
TIMEOUT: Final = (10.0, 300.0)
"""Seconds: to connect, and between two bytes. Examining a video ends its upload."""
ENDED: Final = ("done", "failed", "cancelled")

Progress = Callable[[int, int], None]
"""Called with the bytes sent or received so far, and all of them."""


class Client:
    """The service at an address.

    Args:
        address: of the server, without /v1.
        token: a bearer token; None where the service asks for none.
        pause: seconds before a dropped connection is tried again; grows.
    """

    def __init__(self, address: str, token: str | None = None, pause: float = 0.5) -> None:
        self._base = address.rstrip("/") + "/v1"
        self._pause = pause
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy gets to see the videos
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def create_project(self) -> RemoteProject:
        return RemoteProject(self, self.json("POST", "/projects")["id"])

    def project(self, project: str) -> RemoteProject:
        """One that was created before."""
        return RemoteProject(self, project)

    def projects(self) -> list[RemoteProject]:
        """All of this token."""
        return [RemoteProject(self, one["id"]) for one in self.json("GET", "/projects")["projects"]]

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that the service answers with; None where there is none."""
        answer = self.request(method, path, **options)
        return answer.json() if answer.content else None

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request.

        Raises:
            ServiceError: refused, with the reason, or no answer.
        """
        try:
            answer = self._session.request(
                method, self._base + path, **{"timeout": TIMEOUT, **options}
            )
        except requests.RequestException as error:
            raise ServiceError(
                f"the service at {self._base} gave no answer ({type(error).__name__})",
                "See whether it runs, and try again.",
            ) from error
        if answer.status_code >= 400:
            raise _refused(answer)
        return answer

    def patiently(self, call: Callable[[], Any]) -> Any:
        """What `call` gives, tried again while the service can't be reached or is busy."""
        for attempt in range(TRIES):
            try:
                return call()
            except ServiceError as error:
                if error.status not in (None, 408, 429, 502, 503, 504) or attempt == TRIES - 1:
                    raise
                time.sleep(self._pause * 2**attempt)
        raise AssertionError("the last try raises")


class RemoteProject:
    """A project of the service."""

    def __init__(self, client: Client, project: str) -> None:
        self.id = project
        self._client, self._path = client, f"/projects/{project}"

    def facts(self) -> dict[str, Any]:
        """Its video, its photos, when it expires."""
        found: dict[str, Any] = self._client.json("GET", self._path)
        return found

    def send_photo(self, person: str, photo: Path) -> dict[str, Any]:
        """A photo of somebody to keep; gives the faces found in it, and which will be used."""
        with photo.open("rb") as file:
            sent: dict[str, Any] = self._client.json(
                "POST", f"{self._path}/photos", params={"person": person}, data=file
            )
        return sent

    def send_video(self, video: Path, progress: Progress | None = None) -> dict[str, Any]:
        """Upload a video, part by part; goes on where a dropped connection left it.

        Returns:
            What the service found in it.

        Raises:
            ServiceError: refused, or the service stays away.
        """
        size = video.stat().st_size
        address = f"{self._path}/video"
        self._client.patiently(lambda: self._client.request("POST", address, json={"size": size}))
        with video.open("rb") as file:
            while True:
                offset = self._client.patiently(self._offset)
                answer = self._client.patiently(lambda: self._send_part(file, size, progress))
                if answer.content:
                    found: dict[str, Any] = answer.json()
                    return found
                if offset >= size:  # it was examined while the connection was gone
                    return self._video()

    def _offset(self) -> int:
        return int(self._client.request("HEAD", f"{self._path}/video").headers["Upload-Offset"])

    def _send_part(self, file: Any, size: int, progress: Progress | None) -> requests.Response:
        offset = self._offset()
        file.seek(offset)
        return self._client.request(
            "PATCH",
            f"{self._path}/video",
            data=_Part(file, offset, min(size, offset + PART), size, progress),
            headers={"Upload-Offset": str(offset)},
        )

    def _video(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.json("GET", f"{self._path}/video")
        return found

    def estimate(self, profile: str | None = None) -> dict[str, Any]:
        """Seconds that masking will take, with a range."""
        options = {"profile": profile} if profile else {}
        found: dict[str, Any] = self._client.json("GET", f"{self._path}/estimate", params=options)
        return found

    def start(self, kind: str = "mask", **order: Any) -> RemoteJob:
        """Queue a job: "mask", "analyze" or "render"; see the API for what else can be said."""
        found = self._client.json("POST", f"{self._path}/jobs", json={"kind": kind, **order})
        return RemoteJob(self._client, self._path, found["id"])

    def job(self, job: str) -> RemoteJob:
        """One that was started before."""
        return RemoteJob(self._client, self._path, job)

    def people(self) -> dict[str, Any]:
        """Everyone who was found, with verdict and reason."""
        found: dict[str, Any] = self._client.json("GET", f"{self._path}/people")
        return found

    def decide(self, keep: list[str], mask: list[str]) -> dict[str, Any]:
        """Replace the decisions made by hand; a render job draws by them."""
        found: dict[str, Any] = self._client.json(
            "PUT", f"{self._path}/verdicts", json={"keep": keep, "mask": mask}
        )
        return found

    def download(
        self,
        what: str,
        target: Path,
        progress: Progress | None = None,
        overwrite: bool = False,
    ) -> None:
        """Fetch "result", "timeline", "audit" or "audit.json"; appears only when it is whole.

        Raises:
            OutputExists, OutputUnwritable: `target` can't be written.
            ServiceError: there is none yet, or the connection broke again and again.
        """
        if target.exists() and not overwrite:
            raise OutputExists(f"{target} exists already", "Choose another name.")
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            with part.open("wb") as file:
                self._client.patiently(lambda: self._fetch(what, file, progress))
            os.replace(part, target)
        except OSError as error:
            raise OutputUnwritable(
                f"{target} can't be written ({error.strerror})", "Choose another folder."
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete everything of it, now."""
        self._client.request("DELETE", self._path)

    def _fetch(self, what: str, file: Any, progress: Progress | None) -> None:
        offset = file.tell()
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = self._client.request("GET", f"{self._path}/{what}", headers=headers, stream=True)
        total = offset + int(answer.headers.get("Content-Length", 0))
        try:
            with answer:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    if progress:
                        progress(file.tell(), total)
        except requests.RequestException as error:
            raise ServiceError("the connection broke", "Try again.") from error
        if file.tell() < total:
            raise ServiceError("the connection broke", "Try again.")


class RemoteJob:
    """A job of the service."""

    def __init__(self, client: Client, project: str, job: str) -> None:
        self.id = job
        self._client, self._path = client, f"{project}/jobs/{job}"

    def facts(self) -> dict[str, Any]:
        """Its state, progress, problem, summary."""
        found: dict[str, Any] = self._client.json("GET", self._path)
        return found

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens, as it happens, until the job ends: "state", "progress", "preview".

        One connection: where it breaks, the iteration ends early.
        """
        answer = self._client.request("GET", f"{self._path}/events", stream=True)
        name, data = "message", ""
        try:
            with answer:
                answer.encoding = "utf-8"
                for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                    if line.startswith("event:"):
                        name = line[6:].strip()
                    elif line.startswith("data:"):
                        data += line[5:].strip()
                    elif not line and data:
                        yield name, json.loads(data)
                        name, data = "message", ""
        except requests.RequestException:
            return

    def wait(
        self, report: Callable[[dict[str, Any]], None] | None = None, poll: float = 0.5
    ) -> dict[str, Any]:
        """Wait until the job is done, over restarts of the service; gives its facts.

        Args:
            report: called with the facts now and then; may raise to stop waiting.
            poll: seconds between looks.

        Raises:
            ServiceError: the job failed, with its problem.
            Cancelled: it was cancelled.
        """
        while True:
            found: dict[str, Any] = self._client.patiently(self.facts)
            if report:
                report(found)
            if found["state"] in ENDED:
                break
            time.sleep(poll)
        if found["state"] == "cancelled":
            raise Cancelled("the job was cancelled", "Start another one.")
        if found["state"] == "failed":
            problem = found["problem"] or {}
            raise ServiceError(problem.get("what", "the job failed"), problem.get("advice", ""))
        return found

    def cancel(self) -> None:
        self._client.request("POST", f"{self._path}/cancel")


class _Part:
    """A stretch of a file as a request's body, that tells how much of it has gone."""

    def __init__(
        self, file: Any, start: int, end: int, size: int, progress: Progress | None
    ) -> None:
        self._file, self._start, self._end = file, start, end
        self._size, self._progress = size, progress

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[bytes]:
        at = self._start
        while at < self._end:
            chunk = self._file.read(min(CHUNK, self._end - at))
            if not chunk:
                return
            at += len(chunk)
            yield chunk
            if self._progress:
                self._progress(at, self._size)


def _refused(answer: requests.Response) -> ServiceError:
    try:
        problem = answer.json()
        what, advice = str(problem["detail"]), str(problem.get("advice", ""))
    except (ValueError, KeyError, TypeError):
        what, advice = f"the service answered {answer.status_code}", ""
    return ServiceError(what.rstrip("."), advice, answer.status_code)
