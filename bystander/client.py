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

import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import requests

from bystander.client_answers import (
    TransferProgress,
    UploadPart,
    broken,
    events_of,
    json_of,
    offset_of,
    refused,
    strange,
)
from bystander.errors import (
    Cancelled,
    OutputExists,
    OutputUnwritable,
    ServiceError,
)
from bystander.files import check_name, replacing

ResultT = TypeVar("ResultT")

DOWNLOAD_BYTES: Final = 2**16
"""Bytes of a download that are written at once: what a broken connection costs."""
PART_BYTES: Final = 64 * 2**20
"""Bytes of a video sent in one request: a dropped connection costs no more than that."""
MAX_TRIES: Final = 8
"""Without coming any further."""
PASSING: Final = (None, 408, 429, 502, 503, 504)
"""Statuses of what may go by itself; None for no answer."""
BUSY_STATUS: Final = (409, 423)
"""Also while the service hasn't noticed yet that an upload's connection is gone."""
TUS: Final = {"Tus-Resumable": "1.0.0"}
TUS_PART: Final = "application/offset+octet-stream"
TIMEOUT: Final = (10.0, 300.0)
"""Seconds: to connect, and between two bytes. Examining a video ends its upload."""
ENDED: Final = ("done", "failed", "cancelled")
UNDER_WAY: Final = ("uploading", "checking")
"""States of a video."""


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
        return json_of(answer) if answer.content else None

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
            raise refused(answer)
        return answer

    def pause(self) -> None:
        """Give the service time, before it is asked the same again."""
        time.sleep(self._pause)

    def patiently(
        self,
        call: Callable[[], ResultT],
        standing: Callable[[], int] = lambda: 0,
        passing: Collection[int | None] = PASSING,
    ) -> ResultT:
        """What `call` gives, tried again while the service can't be reached or is busy.

        Args:
            standing: how far it has come; tries count anew when that grows.
            passing: statuses after which it is tried again.

        Raises:
            ServiceError: of the last try.
        """
        tries, reached = 0, standing()
        while True:
            try:
                return call()
            except ServiceError as error:
                now = standing()
                tries, reached = (1, now) if now > reached else (tries + 1, reached)
                if error.status not in passing or tries == MAX_TRIES:
                    raise
                time.sleep(self._pause * 2 ** (tries - 1))


@dataclass(frozen=True, slots=True)
class RemoteEdits:
    """What was mended by hand in a project.

    Attributes:
        document: see docs/editing.md.
        loosened: sentences on what may be seen by it that the analysis masks.
        tag: names this state of it.
    """

    document: dict[str, Any]
    loosened: tuple[str, ...]
    tag: str


def _edits(answer: requests.Response) -> RemoteEdits:
    told = json_of(answer)
    return RemoteEdits(told["document"], tuple(told["loosened"]), answer.headers["ETag"])


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

    def send_video(self, video: Path, progress: TransferProgress | None = None) -> dict[str, Any]:
        """Upload a video by tus, part by part; goes on where a dropped connection left it, also
        from an earlier call with a video of this size.

        Returns:
            What the service found in it.

        Raises:
            ServiceError: refused, or the service stays away.
        """
        size, arrived = video.stat().st_size, 0
        upload = self._client.patiently(lambda: self._upload_of(size, video.name))

        def send_part(file: IO[bytes]) -> None:
            """The next part, from where the service is."""
            nonlocal arrived
            arrived = offset_of(self._client.request("HEAD", upload, headers=TUS))
            if arrived < size:  # else the answer to the last part was lost
                part = UploadPart(file, arrived, min(size, arrived + PART_BYTES), size, progress)
                headers = {**TUS, "Content-Type": TUS_PART, "Upload-Offset": str(arrived)}
                sent = self._client.request("PATCH", upload, data=part, headers=headers)
                arrived = offset_of(sent)

        with video.open("rb") as file:
            while arrived < size:
                self._client.patiently(
                    lambda: send_part(file), lambda: arrived, (*PASSING, *BUSY_STATUS)
                )
        while True:
            found: dict[str, Any] = self._client.patiently(
                lambda: self._client.json("GET", f"{self._path}/video")
            )
            if found["state"] not in UNDER_WAY:
                return found
            self._client.pause()
            # Examines it, if nobody does.
            self._client.patiently(
                lambda: self._client.request("HEAD", upload, headers=TUS),
                passing=(*PASSING, *BUSY_STATUS),
            )

    def _upload_of(self, size: int, name: str) -> str:
        """The path of the upload under way of a video of so many bytes; of a new one if there is
        none."""
        video = self._client.json("GET", f"{self._path}/video")
        if video["state"] in UNDER_WAY and video["size"] == size and video["upload"]:
            address = str(video["upload"])
        else:
            told = b64encode(name.encode("utf-8", "replace")).decode()
            headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {told}"}
            answer = self._client.request("POST", f"{self._path}/uploads", headers=headers)
            address = answer.headers.get("Location", "")
            if not address:
                raise strange(answer)
        return f"{self._path}/uploads/{address.rpartition('/')[2]}"

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

    def edits(self) -> RemoteEdits:
        """What was mended by hand."""
        return _edits(self._client.request("GET", f"{self._path}/edits"))

    def mend(self, *edits: Mapping[str, Any]) -> RemoteEdits:
        """Add edits to what was mended by hand, after whatever others have added meanwhile.

        Args:
            edits: as in the document, see docs/editing.md.

        Raises:
            ServiceError: they don't fit this video (422), nobody was looked for yet (404), or
                others were faster again and again (412).
        """

        def added() -> RemoteEdits:
            now = self.edits()
            document = {**now.document, "edits": [*now.document["edits"], *edits]}
            return self.set_edits(document, now.tag)

        return self._client.patiently(added, passing=(*PASSING, 412))

    def set_edits(self, document: Mapping[str, Any], tag: str) -> RemoteEdits:
        """Replace what was mended by hand; a render job goes by it.

        Args:
            tag: of the edits that these replace.

        Raises:
            ServiceError: others have changed them meanwhile (412), or they don't fit (422).
        """
        answer = self._client.request(
            "PUT", f"{self._path}/edits", json=document, headers={"If-Match": tag}
        )
        return _edits(answer)

    def track(self, edit: Mapping[str, Any]) -> Iterator[dict[int, list[float]]]:
        """Where a drawn mask would go, as it is followed; where a frame comes twice, the later
        place counts. Nothing is stored: `mend` does that.

        Args:
            edit: a "mask" of the document of edits, see docs/editing.md.

        Returns:
            x and y of its corners, display pixels, by frame; a few frames at a time.

        Raises:
            ServiceError: it doesn't fit this video (422), nobody was looked for yet (404), it
                can't be followed, or the connection broke.
        """
        order = {"edit": dict(edit)}
        answer = self._client.request("POST", f"{self._path}/track", json=order, stream=True)
        try:
            for name, told in events_of(answer, chunk_bytes=None):
                if name == "positions":
                    yield {at["frame"]: at["corners"] for at in told["positions"]}
                elif name == "failed":
                    raise ServiceError(told["what"], told["advice"])
                else:
                    return
        except requests.RequestException as error:
            raise broken(error) from error
        raise broken()

    def download(
        self,
        what: str,
        target: Path,
        progress: TransferProgress | None = None,
        overwrite: bool = False,
        allow_stale: bool = False,
    ) -> None:
        """Fetch "result", "timeline", "audit" or "audit.json"; appears only when it is whole.

        Args:
            allow_stale: fetch a result even if it isn't what the verdicts ask for any more.

        Raises:
            OutputExists, OutputUnwritable: `target` can't be written.
            ResultStale: verdicts were changed since the result was made, or a newer job is at
                work, failed, or was cancelled.
            ServiceError: there is none yet, or the connection broke again and again.
        """
        check_name(target)
        if target.exists() and not overwrite:
            raise OutputExists(f"{target} exists already", "Choose another name.")
        try:
            address = f"{self._path}/{what}" + ("?allow_stale=1" if allow_stale else "")
            with replacing(target) as part, part.open("wb") as file:
                fetch = _Download(self._client, address, file, progress)
                self._client.patiently(fetch, file.tell)
        except OSError as error:
            raise OutputUnwritable(
                f"{target} can't be written ({error.strerror})", "Choose another folder."
            ) from error

    def share(self) -> str:
        """The token of a new link that only shows the result, told this once; one from before ends.

        Raises:
            ServiceError: there is no result, or the service stays away.
        """
        return str(self._client.json("POST", f"{self._path}/share")["token"])

    def unshare(self) -> None:
        """Take the link back. Nothing happens where there is none.

        Raises:
            ServiceError: the service stays away.
        """
        self._client.request("DELETE", f"{self._path}/share")

    def delete(self) -> None:
        """Delete everything of it, now."""
        self._client.request("DELETE", self._path)


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
        with suppress(requests.RequestException):
            yield from events_of(answer)

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


class _Download:
    """Gets a file; called again, it goes on where the connection broke."""

    def __init__(
        self, client: Client, path: str, file: IO[bytes], progress: TransferProgress | None
    ) -> None:
        self._client, self._path, self._file, self._progress = client, path, file, progress
        self._version: str | None = None

    def __call__(self) -> None:
        """Raises ServiceError: the connection broke, or the service refuses."""
        headers = {"Accept-Encoding": "identity"}  # lengths and offsets are the file's
        if self._version is not None and self._file.tell():
            headers |= {"Range": f"bytes={self._file.tell()}-", "If-Range": self._version}
        answer = self._client.request("GET", self._path, headers=headers, stream=True)
        try:
            with answer:
                self._take(answer)
        except requests.RequestException as error:
            raise ServiceError("the connection broke", "Try again.") from error

    def _take(self, answer: requests.Response) -> None:
        if answer.status_code != requests.codes.partial_content:
            # The first try, or it is another file by now: the parts wouldn't fit together.
            self._file.seek(0)
            self._file.truncate()
        self._version = answer.headers.get("ETag")
        total = self._file.tell() + int(answer.headers.get("Content-Length", 0))
        for chunk in answer.iter_content(DOWNLOAD_BYTES):
            self._file.write(chunk)
            if self._progress:
                self._progress(self._file.tell(), total)
