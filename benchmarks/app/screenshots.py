"""Pictures of every page for docs/app.md, with all people in them blurred away.

    python -m benchmarks.app.screenshots docs/web

The video and the photo belong to somebody else, and show real people: so every picture and every
video of a page is blurred before it is taken.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal, get_args

from PIL import Image
from playwright.sync_api import BrowserContext, Page

from benchmarks.app.stage import NoBrowser, Stage, staged
from bystander.client import RemoteProject
from frontend.texts import Language, texts

SIZE: Final = {"width": 1000, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
MOST: Final = 1700
"""Pixels of height: a review goes on and on."""
SETTLED: Final = 3000
"""ms in which pictures come and the page comes to rest."""
WAIT: Final = 120_000
"""ms for what has to be computed."""
Step = Literal["upload", "estimate", "progress", "review", "result"]
LOCALES: Final[dict[Language, str]] = {"ko": "ko-KR", "en": "en-US"}
COLORS: Final = 192
# Posters of videos, and backgrounds, too: whatever is drawn inside these elements. Those inside
# components have a shadow root of their own, which takes its own copy.
BLUR: Final = """() => {
  const rule = "img, video { filter: blur(18px) saturate(0.6) !important;"
    + " clip-path: inset(0) !important; }";
  const blurred = (root) => {
    if (!root.blurred) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(rule);
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
      root.blurred = true;
    }
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) blurred(element.shadowRoot);
    }
  };
  blurred(document);
}"""
SHOWN: Final = "document.querySelector('img.preview')?.naturalWidth > 0"
SHARP: Final = """() => {
  const sharp = [];
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot);
      const pictured = ["IMG", "VIDEO"].includes(element.tagName)
        || getComputedStyle(element).backgroundImage.includes("url(");
      if (pictured && !getComputedStyle(element).filter.includes("blur")) {
        sharp.push(element.outerHTML.slice(0, 200));
      }
    }
  };
  look(document);
  return sharp;
}"""


class Recognisable(Exception):
    """Something on a page is not blurred; says what."""


def main() -> None:
    """Makes the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as scratch, staged(Path(scratch)) as stage:
            take_all(stage, folder)
    except (NoBrowser, Recognisable) as error:
        sys.exit(str(error))


def take_all(stage: Stage, folder: Path) -> None:
    """Every step in both languages and schemes, and the first one on a phone."""
    begun = prepared(stage)
    finished = prepared(stage)
    finished.start("mask", audit=True).wait()
    take(stage, begun, "upload", "ko", "light", folder / "upload-ko-phone.png", PHONE)
    schemes: tuple[tuple[Language, Literal["light", "dark"]], ...] = (
        ("ko", "light"),
        ("en", "dark"),
    )
    for language, scheme in schemes:
        for step in get_args(Step):
            path = folder / f"{step}-{language}-{scheme}.png"
            project = finished if step in ("review", "result") else begun
            if step == "progress":
                project = prepared(stage)
                project.start("mask", audit=True)
            take(stage, project, step, language, scheme, path, SIZE)
            if step == "progress":
                project.delete()


def prepared(stage: Stage) -> RemoteProject:
    """A project with the photo and the video."""
    project = stage.client.create_project()
    project.send_photo("Minji", stage.photo)
    project.send_video(stage.video)
    return project


def take(
    stage: Stage,
    project: RemoteProject,
    step: Step,
    language: Language,
    scheme: Literal["light", "dark"],
    path: Path,
    size: dict[str, int],
) -> None:
    """One picture, as long as the page is."""
    context: BrowserContext = stage.browser.new_context(
        locale=LOCALES[language],
        color_scheme=scheme,
        viewport={"width": size["width"], "height": size["height"]},
    )
    page = context.new_page()
    page.goto(f"{stage.url}/?project={project.id}&step={step}")
    page.get_by_role("heading", level=1, name=texts(language)(f"{step}.title")).wait_for()
    if step == "estimate":
        page.locator(".figure").wait_for(timeout=WAIT)
        page.locator(".still video").wait_for(timeout=WAIT)  # a few seconds as they will be
    if step == "progress":
        page.locator("img.preview").wait_for(timeout=WAIT)
    page.wait_for_timeout(SETTLED)
    fit(page, size)
    page.wait_for_timeout(SETTLED)
    page.evaluate(BLUR)
    if step == "progress":
        page.wait_for_function(SHOWN)  # another one comes every second
    picture = page.screenshot(animations="disabled")
    sharp: list[str] = page.evaluate(SHARP)
    if sharp:
        raise Recognisable(f"{step}: {sharp}")
    save(picture, path)
    context.close()


def fit(page: Page, size: dict[str, int]) -> None:
    """Make the window as high as what is in it; Streamlit scrolls inside of it."""
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    height = min(max(size["height"], height), MOST)
    page.set_viewport_size({"width": size["width"], "height": height})


def save(picture: bytes, path: Path) -> None:
    """As a PNG of few colours."""
    with Image.open(io.BytesIO(picture)) as opened:
        few = opened.convert("RGB").quantize(COLORS)
        few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
