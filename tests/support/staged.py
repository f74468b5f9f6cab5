"""A service that says what a test tells it to: for the pages alone, over real HTTP."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, cast

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.service.server import free_port
from frontend.api_types import (
    AuditView,
    EstimateView,
    FindingKind,
    FindingView,
    JobKind,
    JobProgress,
    JobState,
    JobView,
    LimitsView,
    MomentView,
    PersonView,
    PhotoView,
    Problem,
    ProjectView,
    ResultView,
    SharedView,
    ShareView,
    SpanView,
    StaleReason,
    VideoFacts,
    VideoState,
    VideoView,
)
from tests.support.waiting import until

Verdict = Literal["keep", "mask", "mixed"]
PROJECT = "0" * 31 + "1"
JOB = "0" * 31 + "2"
HERE = f"/v1/projects/{PROJECT}"
BOX = (10.0, 10.0, 60.0, 70.0)
LIMITS: LimitsView = {
    "video_bytes": 10**9,
    "max_duration": 7200.0,
    "photo_bytes": 5 * 10**7,
    "photo_suffixes": [".jpg", ".heic"],
    "photos": 100,
    "hours": 24.0,
}


def kept(person: str = "p1") -> dict[str, Any]:
    """An edit: somebody is kept."""
    return {"kind": "verdict", "who": person, "decision": "keep"}


def video(state: VideoState = "ready", problem: str | None = None) -> VideoView:
    facts: VideoFacts = {
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "codec": "h264",
        "width": 1920,
        "height": 1080,
        "duration": 80.0,
        "frame_count": 2400,
        "average_rate": 30.0,
        "variable_frame_rate": False,
        "rotation": 0,
        "mirrored": False,
        "pixel_format": "yuv420p",
        "hdr": False,
        "bit_depth": 8,
        "audio": [{"codec": "aac", "channels": 2, "sample_rate": 48_000}],
        "posters": 1,
    }
    return {
        "state": state,
        "name": "holiday.mp4",
        "size": 23_000_000,
        "received": 23_000_000,
        "upload": None,
        "facts": facts if state == "ready" else None,
        "posters": [f"{HERE}/video/posters/0"] if state == "ready" else [],
        "problem": told(problem),
    }


def told(kind: str | None) -> Problem | None:
    """A problem as the service tells it, in words that no page may show."""
    if kind is None:
        return None
    return {"type": kind, "what": f"TECHNICAL {kind}", "advice": "TECHNICAL"}


def photo(problem: str | None = None, faces: int = 1, number: int = 3) -> PhotoView:
    chosen = 0 if problem in (None, "PoorFace") else None
    return {
        "id": f"{number:032x}",
        "person": "Anna",
        "width": 100,
        "height": 100,
        "faces": [{"box": BOX, "quality": 0.9}] * faces,
        "chosen": chosen,
        "problem": told(problem),
        "picture": f"{HERE}/photos/{number:032x}/picture",
    }


def job(state: JobState, kind: JobKind = "mask", **more: Any) -> JobView:
    running = state == "running"
    progress: JobProgress = {
        "stage": "analyze", "done": 60, "total": 240, "fps": 9.0, "share": 0.2, "eta": 83.0,
    }  # fmt: skip
    usual: JobView = {
        "id": JOB,
        "project": PROJECT,
        "kind": kind,
        "state": state,
        "profile": "balanced",
        "effect": {
            "name": "blur",
            "shape": "silhouette",
            "color": "#202020",
            "picture": None,
            "strength": 1.0,
        },
        "codec": None,
        "deinterlace": None,
        "smart_render": None,
        "sound": [],
        "audit": True,
        "created": 1.0,
        "started": 2.0,
        "finished": None if running else 3.0,
        "expected": 100.0,
        "queue_position": None,
        "starts_in": None,
        "attempts": 1,
        "resumed": 0,
        "cancelling": False,
        "keep": [],
        "mask": [],
        "edits": 0,
        "progress": progress if running else None,
        "preview": f"{HERE}/jobs/{JOB}/preview?number=4" if running else None,
        "problem": None,
        "summary": {"people": 1, "kept": 0, "unrecognised": 0} if state == "done" else None,
        "warnings": [],
    }
    return cast(JobView, {**usual, **more})


def person(number: int, verdict: Verdict = "mask", **more: Any) -> PersonView:
    span: SpanView = {
        "tracklet": f"t{number}",
        "start": 1.0,
        "end": 5.0,
        "verdict": "keep" if verdict == "keep" else "mask",
        "kind": "none",
        "reason": "nothing speaks for keeping",
        "similarity": 0.0,
        "samples": 0,
        "doubtful": more.get("doubtful", False),
    }
    usual: PersonView = {
        "id": f"p{number}",
        "name": None,
        "verdict": verdict,
        "analysis": verdict,
        "pointed_at": [],
        "kind": "none",
        "reason": "nothing speaks for keeping",
        "similarity": 0.0,
        "samples": 0,
        "seconds": 4.0,
        "first": 1.0,
        "doubtful": False,
        "review": number,
        "picture": f"{HERE}/people/p{number}/picture",
        "clip": f"{HERE}/people/p{number}/clip",
        "spans": [span],
        "tracklets": [],
        "figure": "large",
    }
    return cast(PersonView, {**usual, **more})


def audit(*findings: FindingView) -> AuditView:
    """A report, passed where nothing was found."""
    return {
        "format": "bystander-audit",
        "version": 1,
        "passed": not findings,
        "source": {"name": "holiday.mp4", "sha256": "0" * 64},
        "output": {"name": "result.mp4", "sha256": "1" * 64},
        "frames": 2400,
        "seconds": 80.0,
        "timeline": True,
        "networks": {},
        "kept": [],
        "stripped": [],
        "findings": [*findings],
        "basis": {},
    }


def finding(kind: FindingKind, seconds: float, frame: int | None = 1) -> FindingView:
    """A leak about `seconds`; in the file as a whole without a frame."""
    return {
        "kind": kind,
        "severity": "leak",
        "start": seconds - 0.1,
        "end": seconds + 0.1,
        "seconds": seconds,
        "frame": frame,
        "frames": 2,
        "box": None if frame is None else BOX,
        "share": 0.5,
        "who": "",
        "detail": "TECHNICAL",
        "accepted": False,
        "advice": "TECHNICAL",
    }


class StagedService:
    """One project, as a test sets it up.

    Attributes:
        url: its address.
        project: False: there is none (any more).
        edits: those by hand; a result is current with those of its job, `job(edits=...)`.
        link: the token of the link that shows the result.
        estimate: what an estimate says, once `measured` is set.
        refuse: what requests are answered with, by (method, end of the path): (status, type).
        asked: what came in: method, path, and body of writing requests.
        queries: of the estimates that were asked for.
        keys: by which something was asked for that must not be done twice.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        """A project with a video, and nothing else."""
        self.project = True
        self.video = video()
        self.photos: list[PhotoView] = []
        self.jobs: list[JobView] = []
        self.people: list[PersonView] = []
        self.edits: list[dict[str, Any]] = []
        self.estimate: EstimateView = {
            "kind": "mask",
            "audit": False,
            "profile": "balanced",
            "seconds": 80.0,
            "low": 60.0,
            "high": 108.0,
            "sampled": True,
            "queue_position": 0,
            "starts_in": 0.0,
            "people": 3.0,
        }
        self.moment: MomentView = {"seconds": 26.5, "people": 3, "kept": ["Anna"]}
        self.measured = threading.Event()
        self.measured.set()
        self.audit: AuditView | None = None
        self.result = False
        self.link: str | None = None
        self.refuse: dict[tuple[str, str], tuple[int, str]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.queries: list[dict[str, str]] = []
        self.keys: list[str] = []

    async def answer(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        body = await request.json() if await request.body() else None
        self.asked.append((method, path, body))
        if key := request.headers.get("Idempotency-Key"):
            self.keys.append(key)
        if path.endswith("/estimate"):
            self.queries.append(dict(request.query_params))
            await run_in_threadpool(self.measured.wait)
        for (refused, end), (status, kind) in self.refuse.items():
            if refused == method and path.endswith(end):
                return _problem(status, kind)
        if path == "/v1/limits":
            return JSONResponse(LIMITS)
        if self.link and method == "GET" and path == f"/v1/shared/{self.link}":
            shown: SharedView = {
                "name": "holiday-masked.mp4",
                "video": f"{path}/video",
                "made_at": 1.0,
                "expires": time.time() + 24 * 3600,
            }
            return JSONResponse(shown)
        if not self.project or not path.startswith(HERE):
            return _problem(404, "missing")
        return self._answer(method, path.removeprefix(HERE).strip("/"), body)

    def _answer(self, method: str, path: str, body: Any) -> Response:
        match method, path.split("/"):
            case "DELETE", [""]:
                self.project = False
                return Response(status_code=204)
            case "GET", [""]:
                return JSONResponse(self._described())
            case "POST", ["share"]:
                self.link = "link" if self.link is None else f"{self.link}-new"
                url, expires = f"/v1/shared/{self.link}", time.time() + 24 * 3600
                link: ShareView = {"token": self.link, "url": url, "expires": expires}
                return JSONResponse(link, 201)
            case "DELETE", ["share"]:
                self.link = None
                return Response(status_code=204)
            case "GET", ["photos"]:
                return JSONResponse({"photos": self.photos})
            case "DELETE", ["photos", number]:
                self.photos = [p for p in self.photos if p["id"] != number]
                return Response(status_code=204)
            case "PATCH", ["photos", number]:
                for found in self.photos:
                    if found["id"] == number:
                        found["person"] = body.get("person", found["person"])
                        found["chosen"] = body.get("face", found["chosen"])
                return JSONResponse({})
            case "GET", ["estimate"]:
                return JSONResponse(self.estimate)
            case "GET", ["preview", "moment"]:
                return JSONResponse(self.moment)
            case "POST", ["jobs"]:
                made = job("running", body["kind"], effect=body["effect"])
                made["sound"] = body.get("sound", [])
                self.jobs.append(made)
                return JSONResponse(self.jobs[-1], 202)
            case "GET", ["jobs"]:
                return JSONResponse({"jobs": self.jobs})
            case "GET", ["jobs", _]:
                return JSONResponse(self.jobs[-1])
            case "POST", ["jobs", _, "cancel"]:
                self.jobs[-1] = job("cancelled")
                return JSONResponse(self.jobs[-1], 202)
            case "GET", ["people"] if self.people:
                return JSONResponse({"people": self.people})
            case "GET", ["edits"]:
                document = {"format": "bystander-edits", "version": 1, "edits": self.edits}
                told = {"document": document, "loosened": []}
                return JSONResponse(told, headers={"ETag": '"1"'})
            case "GET", ["frames", "times"] if self.people:
                size = {"width": 1920, "height": 1080, "frames": 80, "shots": [[0, 80]]}
                return JSONResponse({**size, "times": list(range(81))})
            case "GET", ["frames"]:
                return JSONResponse({"frames": [{"frame": n, "people": []} for n in range(60)]})
            case "GET", ["audit.json"] if self.audit:
                return JSONResponse(self.audit)
        return _problem(404, "missing")

    def _described(self) -> ProjectView:
        return {
            "id": PROJECT,
            "url": HERE,
            "created": time.time(),
            "expires": time.time() + 24 * 3600,
            "video": self.video,
            "photos": len(self.photos),
            "keep": [],
            "mask": [],
            "edits": len(self.edits),
            "verdicts_digest": "0",
            "result": self._made(),
            "job": self.jobs[-1]["state"] if self.jobs else None,
            "shared": self.link is not None,
        }

    def _made(self) -> ResultView | None:
        """The result: of the last job that made one, current until something has changed."""
        made = [job for job in self.jobs if job["state"] == "done" and job["kind"] != "analyze"]
        if not self.result or not made:
            return None
        ended = self.jobs[-1]["state"]
        stale: StaleReason | None = None
        if ended in ("failed", "cancelled"):
            stale = "job-failed" if ended == "failed" else "job-cancelled"
        elif len(self.edits) != made[-1]["edits"]:
            stale = "verdicts-changed"
        return {
            "job": made[-1]["id"],
            "verdicts_digest": "0",
            "made_at": 1.0,
            "current": stale is None,
            "stale": stale,
        }


@contextlib.contextmanager
def staged_service() -> Iterator[StagedService]:
    """It runs in a thread until the end."""
    port = free_port()
    staged = StagedService(f"http://127.0.0.1:{port}")
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", staged.answer, methods=methods)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield staged
    finally:
        server.should_exit = True
        thread.join()


def _problem(status: int, kind: str) -> Response:
    content = {"type": f"urn:bystander:{kind}", "status": status, "detail": "TECHNICAL"}
    return JSONResponse(content, status, media_type="application/problem+json")
