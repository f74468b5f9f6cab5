"""Moving pictures of what the product does, for the README.

    python -m benchmarks.app.tour docs/web

A street with three people in it (`street`) goes through the web app in a real browser, and through
`bystander export`. Nobody in it has to be hidden: their photographs are free.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

from benchmarks.app.screenshots import LOCALES
from benchmarks.app.stage import NoBrowser, Stage, staged
from benchmarks.app.street import make_street
from bystander import Timeline, export
from bystander.client import RemoteProject
from bystander.models import load_models
from frontend.texts import LANGUAGES, Language, texts

VIEW: Final = {"width": 1000, "height": 780}
WIDTH: Final = 640
"""Of the moving pictures, pixels."""
LOOK: Final = 1400
"""ms for which a page is looked at."""
STEP: Final = 130
"""ms of a frame of something that moves."""
SETTLED: Final = 1500
"""ms in which a page comes to rest."""
DRAWN_AT: Final = 12
"""The frame in which nobody is before the café's picture."""
WAIT: Final = 180_000
"""ms for what has to be computed."""
ARROW: Final = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))
OUTLINED: Final = """canvas => canvas.width > 0 && canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)"""


@dataclass
class Reel:
    """A moving picture that grows."""

    frames: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, picture: Image.Image, milliseconds: int) -> None:
        height = round(picture.height * WIDTH / picture.width)
        self.frames.append(picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def save(self, path: Path) -> None:
        first, *others = self.frames
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self.times,
            loop=0,
            quality=45,
            method=6,
        )
        print(f"{path}: {len(self.frames)} pictures, {path.stat().st_size / 1000:.0f} kB")


class Guide:
    """Somebody who shows the app: where they point is drawn as an arrow.

    Args:
        page: of the app.
        language: of the browser.
    """

    def __init__(self, page: Page, language: Language) -> None:
        self.page, self.says = page, texts(language)
        self.reel = Reel()
        self._at: tuple[float, float] | None = None

    def look(self, milliseconds: int = LOOK, settle: int = SETTLED) -> None:
        """Take a picture, which is seen so long."""
        self.page.wait_for_timeout(settle)
        picture = Image.open(io.BytesIO(self.page.screenshot()))
        if self._at is not None:
            corners = [(self._at[0] + x, self._at[1] + y) for x, y in ARROW]
            ImageDraw.Draw(picture).polygon(corners, fill="black", outline="white", width=2)
        self.reel.add(picture, milliseconds)

    def point(self, place: Locator | tuple[float, float]) -> None:
        """Move there, and be seen to."""
        if isinstance(place, Locator):
            place.scroll_into_view_if_needed()
            box = place.bounding_box()
            assert box is not None, place
            place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(*place)
        self._at = place
        self.look(500, 300)

    def press(self, key: str, role: Any = "button") -> None:
        button = self.page.get_by_role(role, name=self.says(key), exact=True)
        button.wait_for(timeout=WAIT)
        self.point(button)
        button.click(timeout=WAIT)

    def arrive(self, step: str) -> None:
        title = self.says(f"{step}.title")
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for(timeout=WAIT)
        self._at = None

    def choose(self, key: str, file: Path) -> None:
        button = self.page.get_by_role("button", name=self.says(key), exact=True)
        self.point(button)
        with self.page.expect_file_chooser() as opened:
            button.click()
        opened.value.set_files(file)

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """From one place to another, and be seen to; afterwards there is no arrow."""
        self.point(begin)
        self.page.mouse.down()
        for share in (0.25, 0.5, 0.75, 1.0):
            self._at = (
                begin[0] + share * (end[0] - begin[0]),
                begin[1] + share * (end[1] - begin[1]),
            )
            self.page.mouse.move(*self._at)
            self.look(STEP, 100)
        self.page.mouse.up()
        self._at = None

    def compare(self) -> None:
        """Play the result beside the original for some seconds."""
        self.press("compare.play")
        for _ in range(25):
            self.look(STEP, 20)

    def on_the_picture(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Where on the screen a pixel of the video is."""
        canvas = self.page.locator(".stage canvas")
        self.page.wait_for_function(OUTLINED, arg=canvas.element_handle())
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        return box["x"] + box["width"] * x / size[0], box["y"] + box["height"] * y / size[1]

    def go_to(self, frame: int) -> None:
        slider = self.page.get_by_role("slider")
        slider.fill(str(frame))
        expect(slider).to_have_value(str(frame))


def main() -> None:
    """Makes the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as scratch, staged(Path(scratch)) as stage:
            place = Path(scratch) / "street"
            place.mkdir()
            street, photo = place / "street.mp4", place / "anna.png"
            make_street(street, photo, load_models())
            for language in LANGUAGES:
                with guided(stage, language) as guide:
                    project = show_the_job(guide, stage, street, photo)
                    guide.reel.save(folder / f"tour-job-{language}.webp")
                    show_by_hand(guide, stage, project)
                    guide.reel.save(folder / f"tour-by-hand-{language}.webp")
                    project.download("timeline", place / f"{language}.timeline")
            hand_off = show_the_hand_off(street, place / f"{LANGUAGES[0]}.timeline")
            hand_off.save(folder / "tour-hand-off.webp")
    except NoBrowser as error:
        sys.exit(str(error))


@contextmanager
def guided(stage: Stage, language: Language) -> Iterator[Guide]:
    """A browser of this language."""
    size: Any = VIEW
    context = stage.browser.new_context(locale=LOCALES[language], viewport=size)
    yield Guide(context.new_page(), language)
    context.close()


def show_the_job(guide: Guide, stage: Stage, video: Path, photo: Path) -> RemoteProject:
    """From the empty page to the result."""
    guide.page.goto(stage.url)
    guide.arrive("upload")
    guide.look()
    guide.choose("video_uploader.choose", video)
    guide.look()
    guide.choose("photo_uploader.choose", photo)
    guide.page.get_by_text(guide.says("face_picker.used")).wait_for(timeout=WAIT)
    guide.look()
    guide.press("app.continue")
    guide.arrive("estimate")
    guide.page.locator(".still video").wait_for(timeout=WAIT)
    guide.look()
    guide.press("estimate.go")
    guide.arrive("progress")
    guide.page.locator("img.preview").wait_for(timeout=WAIT)
    guide.look()
    guide.arrive("review")
    guide.look()
    guide.press("review.result")
    guide.arrive("result")
    guide.compare()
    address = guide.page.url.split("project=")[1].split("&")[0]
    return stage.client.project(address)


def show_by_hand(guide: Guide, stage: Stage, project: RemoteProject) -> None:
    """Somebody is kept by a click on them, and what no network looks for is masked by a box."""
    guide.reel = Reel()
    guide.page.goto(f"{stage.url}/?project={project.id}&step=review")
    guide.arrive("review")
    size = project.facts()["video"]["facts"]
    video = size["width"], size["height"]
    man = guide.on_the_picture(90, 200, video)
    guide.page.wait_for_timeout(2 * SETTLED)  # the video is loaded from its first frame
    guide.go_to(DRAWN_AT)
    guide.look()
    guide.point(man)
    guide.page.mouse.click(*man)
    guide.press("editor.keep_all", "menuitem")
    guide.look()
    guide.press("editor.tool_box")
    begin, end = (guide.on_the_picture(*place, video) for place in ((398, 50), (536, 156)))
    guide.drag(begin, end)
    guide.look()
    for frame in range(DRAWN_AT, 120, 6):
        guide.go_to(frame)
        guide.look(STEP, 400)
    guide.press("review.render-again")
    guide.arrive("result")
    guide.compare()


def show_the_hand_off(video: Path, timeline: Path) -> Reel:
    """The video beside its matte, as an editor gets it."""
    reel = Reel()
    matte = video.with_name("matte.mkv")
    export(Timeline.load(timeline), matte, "ffv1", video=video)
    with av.open(str(video)) as source, av.open(str(matte)) as mattes:
        pairs = zip(source.decode(video=0), mattes.decode(video=0), strict=True)
        for number, (frame, alpha) in enumerate(pairs):
            if number % 4 == 0:
                pair = [one.to_ndarray(format="rgb24") for one in (frame, alpha)]
                reel.add(Image.fromarray(np.hstack(pair)), 160)
    return reel


if __name__ == "__main__":
    main()
