"""The part of the fake service that the review player asks: a made-up crowd, and its edits.

People stand in a row and walk to the right, a pixel a frame, each an octagon; `Crowd` says how
many they are and how long the video is. Verdicts, merges and what is erased are applied as the
service does it; a drawn mask is followed for `FOLLOWED` frames, a pixel to the right each.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FOLLOWED: Final = 40
CORNERS: Final = 8
SHOT: Final = 48
"""Frames between two cuts."""
LEAK = {"kind": "visible person", "severity": "leak", "start": 1.1, "end": 1.4}
FINDINGS: list[dict[str, Any]] = [
    {**LEAK, "frame": 30, "seconds": 1.2, "box": [40, 60, 70, 120]},
    {**LEAK, "frame": 60, "seconds": 2.4, "box": None, "kind": "visible face"},
    {**LEAK, "frame": None, "seconds": 0.0, "box": None, "kind": "metadata"},
]


@dataclass
class Crowd:
    """What the review player is about.

    Attributes:
        people: how many; the first is kept, the second in doubt, the last two small.
        name: of the first.
        unlisted: who is seen too briefly to be listed.
        doubts: when the second is in doubt, seconds; all the time by default.
        corners: of each outline.
        others_first: so many times somebody else changes the edits before an answer to PUT.
        findings: of the check.
        refuse: what PUT, POST track and GET answer instead, by "METHOD name": (status, how often).
        track_seconds: between two batches of positions.
        copying: how often a copy of the video isn't made yet; None: none is made.
    """

    people: int = 6
    frames: int = 96
    rate: float = 25.0
    width: int = 320
    height: int = 240
    name: str = "Anna"
    unlisted: list[int] = field(default_factory=list)
    doubts: list[list[float]] = field(default_factory=list)
    corners: int = CORNERS
    edits: list[dict[str, Any]] = field(default_factory=list)
    version: int = 1
    others_first: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    refuse: dict[str, list[int]] = field(default_factory=dict)
    track_seconds: float = 0.0
    copying: int | None = None
    asked: list[str] = field(default_factory=list)

    def refused(self, what: str) -> Response | None:
        self.asked.append(what)
        status, left = self.refuse.get(what, (0, 0))
        if not left:
            return None
        self.refuse[what] = [status, left - 1]
        return JSONResponse({"type": "about:blank", "detail": "It doesn't fit"}, status)

    def time(self, frame: int) -> float:
        return frame / self.rate

    def box(self, number: int, frame: int) -> list[int]:
        """Where somebody is: x0, y0, x1, y1."""
        across = min(self.people, 12)
        width, rows = self.width // across, math.ceil(self.people / across)
        height = self.height // rows
        left, top = (number - 1) % across * width, (number - 1) // across * height
        moved = frame % 20
        return [left + 4 + moved, top + 4, left + width - 4 + moved, top + height - 4]

    def outline(self, number: int, frame: int) -> list[int]:
        x0, y0, x1, y1 = self.box(number, frame)
        angles = [math.tau * corner / self.corners for corner in range(self.corners)]
        middle, radii = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2)
        return [
            round(middle[axis] + radii[axis] * turn(angle))
            for angle in angles
            for axis, turn in ((0, math.cos), (1, math.sin))
        ]

    def known(self, person: str) -> str:
        for edit in self.edits:
            if edit["kind"] == "merge" and person in edit["persons"][1:]:
                return str(edit["persons"][0])
        return person

    def decision(self, number: int, frame: int) -> str:
        """keep, mask or erase."""
        found = "keep" if number == 1 else "mask"
        ids = {f"t{number}", f"p{number}", self.known(f"p{number}")}
        for edit in self.edits:
            if edit.get("who") in ids and _counts(edit, self.time(frame)):
                found = "erase" if edit["kind"] == "erase" else edit.get("decision", found)
        return found

    def frame(self, number: int) -> dict[str, Any]:
        people = [
            {
                "tracklet": f"t{one}",
                "person": None if one in self.unlisted else self.known(f"p{one}"),
                "verdict": decision,
                "doubtful": one == 2 and not self._decided(one),
                "box": self.box(one, number),
                "outlines": [self.outline(one, number)],
            }
            for one in range(1, self.people + 1)
            if (decision := self.decision(one, number)) != "erase"
        ]
        return {"frame": number, "people": people}

    def _decided(self, number: int) -> bool:
        return any(edit.get("who") in (f"p{number}", f"t{number}") for edit in self.edits)

    def described(self) -> Iterator[dict[str, Any]]:
        end = self.time(self.frames)
        for number in range(1, self.people + 1):
            person = f"p{number}"
            decisions = {self.decision(number, frame) for frame in (0, self.frames - 1)}
            if self.known(person) != person or decisions == {"erase"} or number in self.unlisted:
                continue
            verdict = decisions.pop() if len(decisions) == 1 else "mixed"
            doubtful = number == 2 and not self._decided(2)
            spans = (self.doubts if number == 2 else []) or [[0.0, end]]
            span = {"tracklet": f"t{number}", "verdict": verdict, "doubtful": doubtful}
            shown = {"start": 0.0, "end": end, "picture": None}
            numbers = [n for n in range(1, self.people + 1) if self.known(f"p{n}") == person]
            yield {
                "id": person,
                "name": self.name if number == 1 else None,
                "verdict": verdict,
                "analysis": "keep" if number == 1 else "mask",
                "kind": "face" if number == 1 else "none",
                "samples": 7,
                "seconds": end,
                "first": 0.0,
                "doubtful": doubtful,
                "review": number,
                "picture": "/v1/media/face" if number != 3 else None,
                "clip": f"/v1/media/{'nothing' if number == 3 else 'video'}",
                "pointed_at": [],
                "figure": "small" if number > max(2, self.people - 2) else "large",
                "spans": [span | {"start": one, "end": other} for one, other in spans],
                "tracklets": [shown | {"id": f"t{n}"} for n in numbers],
            }


crowd = Crowd()


def anew(given: dict[str, Any]) -> None:
    global crowd
    crowd = Crowd(**given)


def change(given: dict[str, Any]) -> None:
    vars(crowd).update(given)


def _counts(edit: dict[str, Any], seconds: float) -> bool:
    start, end = edit.get("start"), edit.get("end")
    return (start is None or start <= seconds + 1e-6) and (end is None or seconds + 1e-6 < end)


def _document() -> Response:
    document = {"format": "bystander-edits", "version": 1, "edits": crowd.edits}
    headers = {"ETag": f'"{crowd.version}"'}
    return JSONResponse({"document": document, "loosened": []}, headers=headers)


async def edits(request: Request) -> Response:
    if refused := crowd.refused(f"{request.method} edits"):
        return refused
    if request.method == "GET":
        return _document()
    if crowd.others_first:
        crowd.others_first -= 1
        crowd.version += 1
        crowd.edits.append({"kind": "verdict", "who": "p4", "decision": "keep"})
    if request.headers["If-Match"] != f'"{crowd.version}"':
        return JSONResponse({"type": "about:blank"}, 412)
    # As the service answers: what was left out is filled in.
    given = (await request.json())["edits"]
    crowd.edits = [e | ({"follow": True} if "keys" in e else {}) for e in given]
    crowd.version += 1
    return _document()


async def people(_: Request) -> Response:
    refused = crowd.refused("GET people")
    return refused or JSONResponse({"people": list(crowd.described())})


async def times(_: Request) -> Response:
    if refused := crowd.refused("GET times"):
        return refused
    shots = [[first, min(crowd.frames, first + SHOT)] for first in range(0, crowd.frames, SHOT)]
    shown = [crowd.time(frame) for frame in range(crowd.frames + 1)]
    size = {"width": crowd.width, "height": crowd.height, "frames": crowd.frames}
    return JSONResponse({**size, "times": shown, "shots": shots})


async def frames(request: Request) -> Response:
    start, end = (int(request.query_params[name]) for name in ("start", "end"))
    if refused := crowd.refused("GET frames"):
        return refused
    crowd.asked.append(f"GET frames {start}-{end}")
    return JSONResponse({"frames": [crowd.frame(number) for number in range(start, end)]})


async def picture(request: Request) -> Response:
    grey = (40 + 8 * request.path_params["frame"]) % 200
    file = BytesIO()
    Image.new("L", (crowd.width, crowd.height), grey).save(file, "jpeg")
    crowd.asked.append(f"GET picture {request.path_params['frame']}")
    return Response(file.getvalue(), media_type="image/jpeg")


async def audit(_: Request) -> Response:
    return JSONResponse({"passed": not crowd.findings, "findings": crowd.findings})


async def track(request: Request) -> Response:
    if refused := crowd.refused("POST track"):
        return refused
    keys = (await request.json())["edit"]["keys"]
    return StreamingResponse(_followed(keys), media_type="text/event-stream")


async def _followed(keys: list[dict[str, Any]]) -> AsyncIterator[str]:
    told = 0
    for key in keys:
        first, shape = round(key["seconds"] * crowd.rate), key["shape"]
        places = []
        for frame in range(first, min(first + FOLLOWED, crowd.frames)):
            x, y = shape["x"] + frame - first, shape["y"]
            right, bottom = x + shape["width"], y + shape["height"]
            corners = [x, y, right, y, right, bottom, x, bottom]
            places.append({"frame": frame, "corners": corners})
        for batch in (places[:8], places[8:]):
            told += len(batch)
            yield f"event: positions\ndata: {json.dumps({'positions': batch})}\n\n"
            await asyncio.sleep(crowd.track_seconds)
    yield f"event: done\ndata: {json.dumps({'frames': told})}\n\n"


ROUTES = [
    Route("/service/projects/{project}/edits", edits, methods=["GET", "PUT"]),
    Route("/service/projects/{project}/people", people),
    Route("/service/projects/{project}/frames/times", times),
    Route("/service/projects/{project}/frames", frames),
    Route("/service/projects/{project}/frames/{frame:int}/picture", picture),
    Route("/service/projects/{project}/track", track, methods=["POST"]),
    Route("/service/projects/{project}/audit.json", audit),
]
