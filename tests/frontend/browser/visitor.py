"""Somebody at the app: what they do, what they see, and what their browser complains about."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

from frontend.texts import Language, texts
from tests.support.waiting import HANGS_AFTER_SECONDS

PATIENCE: Final = HANGS_AFTER_SECONDS
WRITTEN: Final = """() => {
  const found = [];
  const named = ["aria-label", "aria-description", "aria-valuetext", "alt", "title", "placeholder"];
  const visit = (node) => {
    if (node.nodeType === Node.TEXT_NODE) found.push(node.textContent.trim());
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) return;
      // What has no box, as hosts of components, is never visible; what is in it may be.
      const boxless = getComputedStyle(node).display === "contents";
      if (!boxless && !node.checkVisibility({ visibilityProperty: true })) return;
      for (const name of named) found.push(node.getAttribute(name) ?? "");
      if (node.shadowRoot) visit(node.shadowRoot);
    }
    node.childNodes.forEach(visit);
  };
  visit(document.body);
  return found.filter(Boolean);
}"""
HANGUL: Final = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
LATIN: Final = re.compile(r"[A-Za-z]{2,}")
EVERYWHERE: Final = {
    "Bystander",
    "MB",
    "GB",
    "kB",
    "MP",
    "fps",
    "JPEG",
    "PNG",
    "WebP",
    "HEIC",
    "friend",
    "jpg",
    "source",
    "mp",  # of source.mp4
    "masked",
}
"""Names and formats."""

GONE: Final = re.compile(r"/jobs/\w+/preview\?|/service/projects/\w+$")
"""A job that ends takes its pictures with it, and one of them may just have been asked for; of a
project that was deleted the list of one's videos learns by asking."""


class Visitor:
    """A person with one page of the app.

    Args:
        page: of a browser context of their own.
        address: of the app.
        language: of the browser.

    Attributes:
        actions: files chosen and buttons pressed so far.
        complaints: of the browser: errors, what the content policy forbade, and requests that
            went elsewhere than to the app.
    """

    def __init__(self, page: Page, address: str, language: Language) -> None:
        self.page, self.texts = page, texts(language)
        self.actions = 0
        self.complaints: list[str] = []
        self._address = address
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._on_request)

    def open(self, **query: str) -> None:
        """Come by an address."""
        self.page.goto(f"{self._address}/?{'&'.join(f'{k}={v}' for k, v in query.items())}")

    @property
    def project(self) -> str:
        """In the address."""
        found = re.search(r"[?&]project=(\w+)", self.page.url)
        assert found, self.page.url
        return found[1]

    def expect_step(self, step: str, seconds: float = PATIENCE) -> None:
        """The step is shown, by its title, after these seconds at most."""
        title = self.texts(f"{step}.title")
        heading = self.page.get_by_role("heading", level=1, name=title, exact=True)
        expect(heading).to_be_visible(timeout=1000 * seconds)

    def expect_written(self, key: str, **values: object) -> None:
        expect(self.page.get_by_text(self.texts(key, **values)).first).to_be_visible()

    def button(self, key: str, **values: object) -> Locator:
        return self.page.get_by_role("button", name=self.texts(key, **values), exact=True)

    def press(self, key: str, **values: object) -> None:
        """Click on the button with this sentence, once it can be clicked."""
        self.actions += 1
        button = self.button(key, **values)
        expect(button).to_have_count(1)  # that of the step before may still be there
        button.click(timeout=PATIENCE * 1000)

    def choose(self, key: str) -> None:
        """Click on the option with this sentence."""
        self.actions += 1
        self.page.get_by_role("radiogroup").get_by_text(self.texts(key), exact=True).click()

    def choose_file(self, key: str, file: Path) -> None:
        """Press the button that opens the browser's own chooser, and choose a file there."""
        self.actions += 1
        with self.page.expect_file_chooser() as opened:
            self.button(key).click()
        opened.value.set_files(file)

    def written(self) -> list[str]:
        """All that can be read or is read out on the page, in shadow roots, too."""
        found: list[str] = self.page.evaluate(WRITTEN)
        return found

    def expect_own_language(self) -> None:
        """Nothing is written in another language than this visitor's, once the page is built."""
        until = time.monotonic() + PATIENCE
        while (found := self._foreign()) and time.monotonic() < until:
            self.page.wait_for_timeout(100)
        assert not found, found

    def _foreign(self) -> set[str]:
        switch = self.texts("app.other-language")
        found = [text for text in self.written() if text != switch]
        if self.texts.language == "en":
            return {text for text in found if HANGUL.search(text)}
        return {text for text in found if set(LATIN.findall(text)) - EVERYWHERE}

    def expect_plays(self, video: Locator) -> None:
        """Its time goes on."""
        self._expect(video, "video => video.currentTime > 0.2 && video.videoWidth > 0")

    def expect_shown(self, picture: Locator) -> None:
        """The picture has come, and can be decoded."""
        self._expect(picture, "picture => picture.complete && picture.naturalWidth > 0")

    def _expect(self, element: Locator, condition: str) -> None:
        expect(element).to_be_visible()
        self.page.wait_for_function(
            condition, arg=element.element_handle(), timeout=PATIENCE * 1000
        )

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not GONE.search(message.location["url"]):
            self.complaints.append(f"{message.text} {message.location}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self._address, "blob:", "data:")):
            self.complaints.append(f"request to {request.url}")
