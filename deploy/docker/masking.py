"""Masks a video through a running service and its web app, and checks what comes back.

    python -m deploy.docker.masking --service http://127.0.0.1:3000 --app http://127.0.0.1:8501 \\
        --tokens deploy/secrets/tokens.txt --clip ../shared/clips/hamilton
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from bystander.cli.demo import KEPT_FACE, film
from bystander.client import Client
from bystander.geometry.types import Box
from bystander.models import load_models

STEPS: Final = ("upload", "confirm", "estimate", "progress", "review", "result")
PART: Final = 16 * 2**20
"""Bytes: what the page sends at once."""
TUS: Final = {"Tus-Resumable": "1.0.0"}
BYTES: Final = {"Content-Type": "application/offset+octet-stream"}
MASKED_LUMA_CHANGE: Final = 4.0
"""Of 255, on average over a region: masked ones change by 7 and more, kept ones by 2 at most."""
LEAST_KEPT_SHARE: Final = 0.5
"""Of the regions to keep: who isn't recognised in a shot is masked there, and an image has but
dlib's face model (docs/faces.md)."""


@dataclass(frozen=True)
class Clip:
    """A video, one photo of whom to keep, and what must hold of the masked one.

    Attributes:
        regions: boxes (left, top, right, bottom; pixels) in frames, to "keep" or to "mask".
    """

    video: Path
    photo: Path
    regions: tuple[dict[str, Any], ...]

    @classmethod
    def of_folder(cls, folder: Path) -> Clip:
        """One of the shared clips."""
        truth = json.loads((folder / "truth.json").read_text())
        photo = min(p for p in (folder / truth["cast"]).iterdir() if p.is_file())
        return cls(folder / "video.mp4", photo, tuple(truth["regions"]))

    @classmethod
    def made(cls, folder: Path) -> Clip:
        """Two seconds like the video of `bystander demo`.

        The faces of its first frame, one of them to keep, and the right half of its last frame.
        """
        faces = load_models().faces
        video, photo = film(folder, faces, shot_seconds=1, size_px=(640, 360))
        with av.open(str(video)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        first: NDArray[np.uint8] = np.asarray(frames[0], dtype=np.uint8)
        found = sorted(faces.detect(first), key=lambda face: face.box[0])
        regions = [
            {
                "frame": 0,
                "box": _within(face.box, first),
                "expect": "keep" if number == KEPT_FACE else "mask",
            }
            for number, face in enumerate(found)
        ]
        height, width = first.shape[:2]
        box = [width // 2, height // 4, width, height]
        regions.append({"frame": len(frames) - 1, "box": box, "expect": "mask"})
        return cls(video, photo, tuple(regions))


def _within(box: Box, frame: NDArray[np.uint8]) -> list[int]:
    """Left, top, right, bottom of what a frame shows of a box that may reach beyond it."""
    height, width = frame.shape[:2]
    limits = (width, height, width, height)
    return [min(max(0, round(side)), most) for side, most in zip(box, limits, strict=True)]


def mask_by_api(address: str, token: str, clip: Clip, masked: Path) -> None:
    """Upload, start, wait, download and delete, as `bystander.client` does.

    Raises:
        ServiceError: refused, or the job failed.
    """
    with Client(address, token) as client:
        project = client.create_project()
        project.send_photo("Somebody", clip.photo)
        project.send_video(clip.video)
        project.start("mask").wait()
        project.download("result", masked)
        project.delete()


def mask_by_app(app: str, address: str, token: str, clip: Clip, masked: Path) -> None:
    """The same through the web app's proxy, as its pages do, opening each page.

    Only the button that starts the job isn't pressed: that order goes to the service.

    Raises:
        httpx.HTTPError: the app refused.
        AssertionError: a page shows a defect.
    """
    same_origin = {"Sec-Fetch-Site": "same-origin", "Origin": app}
    with (
        httpx.Client(base_url=app, headers=same_origin, timeout=120, trust_env=False) as browser,
        Client(address, token) as client,
    ):
        assert "<html" in _ok(browser.get("/")).text
        open_page(app, "")
        project = _ok(browser.post("/service/projects")).json()["id"]
        here = f"/service/projects/{project}"
        photo = clip.photo.read_bytes()
        _ok(browser.post(f"{here}/photos", params={"person": "Somebody"}, content=photo))
        video = clip.video.read_bytes()
        size = {**TUS, "Upload-Length": str(len(video))}
        upload = _ok(browser.post(f"{here}/uploads", headers=size)).headers["Location"]
        for start in range(0, len(video), PART):
            headers = {**TUS, **BYTES, "Upload-Offset": str(start)}
            _ok(browser.patch(upload, content=video[start : start + PART], headers=headers))
        remote = client.project(project)
        open_page(app, f"project={project}&step=estimate")
        job = remote.start("mask")
        open_page(app, f"project={project}&step=progress")
        job.wait()
        for step in STEPS:
            open_page(app, f"project={project}&step={step}")
        masked.write_bytes(_ok(browser.get(f"{here}/result")).content)
        remote.delete()


def open_page(app: str, query: str) -> None:
    """One look at the page, as a browser's WebSocket asks for it.

    Raises:
        AssertionError: it shows an error, or nothing.
    """
    asked = BackMsg()
    asked.rerun_script.query_string = query
    address = app.replace("http", "ws", 1) + "/_stcore/stream"
    elements = 0
    with connect(
        address, subprotocols=[Subprotocol("streamlit")], origin=Origin(app), max_size=None
    ) as socket:
        socket.send(asked.SerializeToString())
        while True:
            told = ForwardMsg()
            told.ParseFromString(socket.recv(timeout=60, decode=False))
            kind = told.WhichOneof("type")
            if kind == "script_finished":
                break
            if kind == "delta" and told.delta.HasField("new_element"):
                element = told.delta.new_element
                assert not element.HasField("exception"), element.exception.message
                assert element.alert.format != Alert.ERROR, element.alert.body
                elements += 1
    assert elements > 2, f"the page at ?{query} shows nothing"


def check(clip: Clip, masked: Path) -> dict[str, float]:
    """Compare a masked video with its source; gives what was measured.

    Raises:
        AssertionError: frames or sound are missing, or a region isn't as it must be.
    """
    before, after = list(_frames(clip.video)), list(_frames(masked))
    assert len(after) == len(before), f"{len(after)} frames of {len(before)}"
    assert _sound(masked) == _sound(clip.video), "the sound isn't the source's"
    changes: dict[str, list[float]] = {"keep": [], "mask": []}
    for region in clip.regions:
        left, top, right, bottom = region["box"]
        number, box = region["frame"], (slice(top, bottom), slice(left, right))
        change = float(cv2.absdiff(before[number][box], after[number][box]).mean())
        changes[region["expect"]].append(change)
    shown = [change for change in changes["mask"] if change < MASKED_LUMA_CHANGE]
    assert not shown, f"{len(shown)} of {len(changes['mask'])} regions aren't masked"
    kept = [change for change in changes["keep"] if change < MASKED_LUMA_CHANGE]
    assert len(kept) >= LEAST_KEPT_SHARE * len(changes["keep"]), f"only {len(kept)} regions kept"
    return {
        "frames": len(after),
        "bytes of sound": sum(map(len, _sound(masked))),
        "regions masked": len(changes["mask"]),
        "their least change": min(changes["mask"]),
        "regions kept": len(kept),
        "to keep": len(changes["keep"]),
    }


def _ok(answer: httpx.Response) -> httpx.Response:
    """The answer; where it is a refusal, its reason is the error."""
    if answer.is_error:
        raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
    return answer


def _frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    """Luma of every frame: uint8 [H, W]."""
    with av.open(str(video)) as file:
        for frame in file.decode(video=0):
            yield frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def _sound(video: Path) -> list[bytes]:
    """The packets of all audio streams."""
    with av.open(str(video)) as file:
        return [bytes(p) for p in file.demux(audio=tuple(range(len(file.streams.audio)))) if p.size]


def main() -> None:
    """Read the command line; says how long it took, and what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--service", required=True, help="its address")
    parser.add_argument("--app", help="the web app's address, to go through it; else by the API")
    parser.add_argument("--tokens", type=Path, required=True, help="a file with a token")
    parser.add_argument(
        "--clip", type=Path, help="its video, photo and truth.json; else one is made"
    )
    given = parser.parse_args()
    token = given.tokens.read_text().split()[0]
    with tempfile.TemporaryDirectory(prefix="bystander-masking-") as name:
        folder = Path(name)
        clip = Clip.of_folder(given.clip) if given.clip else Clip.made(folder / "made")
        masked, started = folder / "masked.mp4", time.monotonic()
        if given.app:
            mask_by_app(given.app, given.service, token, clip, masked)
        else:
            mask_by_api(given.service, token, clip, masked)
        way = "app" if given.app else "API"
        found = ", ".join(f"{name} {value:.3g}" for name, value in check(clip, masked).items())
        print(f"masked by the {way} in {time.monotonic() - started:.0f} s: {found}", flush=True)


if __name__ == "__main__":
    main()
