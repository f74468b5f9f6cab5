"""Uploading from a real browser to a service that fails in every way that it can."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake, Visit, events, expect_event

pytestmark = pytest.mark.long

PROJECT = "0123456789abcdef0123456789abcdef"
PART = 16 * 2**20
SIZE = 2 * PART + 1000
VIDEO, PHOTO, BOTH = (texts("en").group(f"{kind}uploader") for kind in ("video_", "photo_", ""))
LARGE = BOTH["too_large"].format(limit="50 MB")


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "street.mp4"
    path.write_bytes(bytes(SIZE))
    return path


def choose(page: Page, path: Path | list[Path], nth: int = 0) -> None:
    page.locator("input[type=file]").nth(nth).set_input_files(path)


def status(page: Page) -> Locator:
    return page.locator(".uploader > [role=status]:not(.unseen)")


def listen(page: Page) -> None:
    """Have the page write down everything that its status says, however briefly."""
    status(page).evaluate(
        """status => {
            window.said = [];
            new MutationObserver(() => window.said.push(status.textContent))
                .observe(status, { childList: true });
        }"""
    )


def wait_for_a_part(page: Page) -> None:
    """Until more than the first part of the video has been sent."""
    page.wait_for_function("[...window.bystander.videos][0]?.at > 16 * 2 ** 20")


def test_a_video_arrives_in_parts_and_python_is_told(visit: Visit, fake: Fake, video: Path) -> None:
    page = visit(show="uploads", only="video")
    choose(page, video)
    expect_event(page, "video sent", {"state": "ready"})
    ((project, told),) = fake.state["videos"].items()
    assert told == {"state": "ready", "size": SIZE, "received": SIZE}
    assert Counter(fake.state["asked"])["PATCH upload"] == 3
    assert {"video made": project} in events(page)
    assert f"project={project}" in page.url


def test_a_connection_cut_within_a_part_is_gone_on_with_where_it_broke(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(cut=PART + 2**20)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    expect_event(page, "video sent", {"state": "ready"})
    assert fake.state["videos"][PROJECT]["received"] == SIZE
    assert len(fake.state["begun"]) == 1, "it began once, and went on after that"


def test_without_a_connection_it_waits_and_goes_on_when_there_is_one(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(hold=PART + 2**20)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    wait_for_a_part(page)
    page.context.set_offline(True)
    fake.set(hold=None)
    expect(status(page)).to_have_text(VIDEO["away"])
    page.context.set_offline(False)
    expect_event(page, "video sent", {"state": "ready"})
    assert fake.state["videos"][PROJECT]["received"] == SIZE
    assert "HEAD upload" in fake.state["asked"], "it asked how much has arrived"


def test_nothing_is_lost_while_the_uploader_is_away_and_the_language_changes(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(hold=PART + 2**20)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    expect(status(page)).to_have_text(VIDEO["sending"])
    page.get_by_role("button", name="Away").click()
    expect(page.locator(".uploader")).to_have_count(0)
    page.get_by_role("button", name="Away").click()
    expect(status(page)).to_have_text(VIDEO["sending"])
    said = page.get_by_text(re.compile(r"^\d+% has arrived$"))
    expect(said).to_have_count(1)
    page.get_by_role("button", name="Language").click()
    korean = texts("ko")("video_uploader.choose")
    expect(page.get_by_role("button", name=korean)).to_have_count(0)  # it is still being sent
    expect(said).to_have_count(0)  # but said anew
    fake.set(hold=None)
    expect_event(page, "video sent", {"state": "ready"})
    assert Counter(fake.state["asked"])["PATCH upload"] == 3, "no part was sent twice"


def test_what_ended_while_the_uploader_was_away_is_told_when_it_is_back(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(hold=PART)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    expect(status(page)).to_have_text(VIDEO["sending"])
    page.get_by_role("button", name="Away").click()
    expect(page.locator(".uploader")).to_have_count(0)
    fake.set(hold=None)
    page.wait_for_function("[...window.bystander.videos].every(video => video.phase === 'done')")
    assert {"video sent": {"state": "ready"}} not in events(page)
    page.get_by_role("button", name="Away").click()
    expect_event(page, "video sent", {"state": "ready"})


@pytest.mark.parametrize("case", ["same file", "another file", "upload gone"])
def test_after_a_reload_the_same_file_goes_on_and_another_begins_anew(
    visit: Visit, fake: Fake, video: Path, tmp_path: Path, case: str
) -> None:
    fake.set(hold=PART + 2**20)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    wait_for_a_part(page)
    page.evaluate("[...window.bystander.videos][0].stop()")
    fake.set(hold=None)
    arrived = fake.state["videos"][PROJECT]["received"]
    visit(show="uploads", only="video", project=PROJECT, received=f"{arrived}/{SIZE}")
    expect(status(page)).to_have_text(re.compile(r"^\d+% of your video has arrived already\. "))
    other = tmp_path / "other.mp4"
    other.write_bytes(bytes(SIZE))  # as large as the first one
    if case == "upload gone":
        fake.set(failures={"HEAD upload": [[404, "urn:bystander:missing"]]})
    choose(page, other if case == "another file" else video)
    expect_event(page, "video sent", {"state": "ready"})
    assert fake.state["begun"] == ([SIZE] if case == "same file" else [SIZE, SIZE])


def test_a_reload_while_the_video_is_looked_at_waits_for_what_is_found(
    visit: Visit, fake: Fake
) -> None:
    checked = {"state": "checking", "size": 1000, "received": 1000}
    fake.set(videos={PROJECT: checked})
    page = visit(
        show="uploads", only="video", project=PROJECT, received="1000/1000", state="checking"
    )
    expect(status(page)).to_have_text(VIDEO["looking"])
    fake.set(videos={PROJECT: {**checked, "state": "refused"}})
    expect_event(page, "video sent", {"state": "refused"})


def test_stopped_keeps_what_has_arrived_and_goes_on(visit: Visit, fake: Fake, video: Path) -> None:
    fake.set(hold=PART + 2**20)
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    wait_for_a_part(page)
    page.get_by_role("button", name="Stop").click()
    expect(status(page)).to_have_text(re.compile(r"^Stopped at \d+%$"))
    again = page.get_by_role("button", name="Go on")
    expect(again).to_be_focused()
    fake.set(hold=None)
    again.press("Enter")
    expect_event(page, "video sent", {"state": "ready"})
    assert len(fake.state["begun"]) == 1


def test_leaving_the_page_is_asked_about_only_while_something_is_sent(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(hold=PART)
    page = visit(show="uploads", only="video", project=PROJECT)
    leave = """() => {
        const event = new Event("beforeunload", { cancelable: true });
        window.dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    assert not page.evaluate(leave)
    choose(page, video)
    expect(status(page)).to_have_text(VIDEO["sending"])
    assert page.evaluate(leave)
    fake.set(hold=None)
    expect_event(page, "video sent", {"state": "ready"})
    assert not page.evaluate(leave)


def test_an_upload_says_what_its_file_is_called(visit: Visit, fake: Fake, tmp_path: Path) -> None:
    file = tmp_path / "제주 여행.mp4"
    file.write_bytes(b"a video")
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, file)
    expect_event(page, "video sent", {"state": "ready"})
    [told] = fake.state["metadata"]
    assert b64decode(told.removeprefix("filename ")).decode() == file.name


def test_two_uploaders_share_one_project(
    visit: Visit, fake: Fake, media: dict[str, str], video: Path
) -> None:
    page = visit(show="uploads")
    choose(page, Path(media["face"]), 0)
    choose(page, video, 1)
    expect_event(page, "video sent", {"state": "ready"})
    expect_event(page, "photos sent", {"photos": 1, "failed": 0, "person": "Anna"})
    assert Counter(fake.state["asked"])["POST projects"] == 1


def test_an_uploader_that_was_not_told_yet_sends_to_the_same_project(
    visit: Visit, fake: Fake, media: dict[str, str], video: Path
) -> None:
    page = visit(show="uploads", behind="photos")
    choose(page, video, 1)
    expect_event(page, "video sent", {"state": "ready"})
    choose(page, Path(media["face"]), 0)
    expect_event(page, "photos sent", {"photos": 1, "failed": 0, "person": "Anna"})
    assert Counter(fake.state["asked"])["POST projects"] == 1


def test_a_project_begun_anew_is_another_one(
    visit: Visit, fake: Fake, media: dict[str, str]
) -> None:
    page = visit(show="uploads", only="photos")
    choose(page, Path(media["face"]))
    expect_event(page, "photos sent", {"photos": 1, "failed": 0, "person": "Anna"})
    expect(page).to_have_url(re.compile("project="))
    first = page.url
    page.get_by_role("button", name="Begin anew").click()
    expect(page).not_to_have_url(re.compile("project="))
    expect(page.locator("li")).to_have_count(0)
    choose(page, Path(media["face"]))
    expect(page).to_have_url(re.compile("project="))
    assert page.url != first
    assert Counter(fake.state["asked"])["POST projects"] == 2


def test_what_can_not_be_mended_by_waiting_is_said(visit: Visit, fake: Fake, video: Path) -> None:
    page = visit(show="uploads", only="video", project=PROJECT)
    for asked, code, told in (
        ("POST uploads", 404, BOTH["gone"]),
        ("POST uploads", 413, LARGE),
        ("POST uploads", 507, BOTH["disk_full"]),
        ("POST uploads", 401, BOTH["not_allowed"]),
        ("POST uploads", [429, "urn:bystander:too-many-projects"], BOTH["too_many_projects"]),
        ("POST uploads", 500, BOTH["other"]),
        ("PATCH upload", 404, BOTH["gone"]),
        ("PATCH upload", 422, VIDEO["unreadable"]),
    ):
        answer = code if isinstance(code, list) else [code, ""]
        fake.set(failures={asked: [answer]})
        choose(page, video)
        expect(status(page)).to_have_text(told)
        expect(page.get_by_role("button", name=re.compile("^Choose"))).to_be_visible()


def test_what_passes_is_said_and_tried_again(visit: Visit, fake: Fake, video: Path) -> None:
    page = visit(show="uploads", only="video", project=PROJECT)
    listen(page)
    for answer, told in (
        ([503, "urn:bystander:app:unreachable"], VIDEO["away"]),
        ([502, ""], VIDEO["away"]),
        ([429, ""], VIDEO["crowded"]),
        ([503, "about:blank"], VIDEO["crowded"]),
    ):
        fake.set(failures={"PATCH upload": [answer]})
        choose(page, video)
        page.wait_for_function("told => window.said.includes(told)", arg=told)
        page.wait_for_function("[...window.bystander.videos].at(-1).phase === 'done'")
        page.evaluate("window.said.length = 0")


def test_after_something_went_wrong_it_can_be_tried_again(
    visit: Visit, fake: Fake, video: Path
) -> None:
    fake.set(failures={"PATCH upload": [[500, ""]]})
    page = visit(show="uploads", only="video", project=PROJECT)
    choose(page, video)
    page.get_by_role("button", name="Try again").click()
    expect_event(page, "video sent", {"state": "ready"})


def test_each_photo_says_why_it_failed(visit: Visit, fake: Fake, media: dict[str, str]) -> None:
    cases = [
        ([413, ""], LARGE),
        ([422, ""], PHOTO["unreadable"]),
        ([409, "urn:bystander:too-many-photos"], PHOTO["too_many"]),
        ([409, "urn:bystander:busy"], BOTH["busy"]),
        ([507, ""], BOTH["disk_full"]),
        ([502, ""], PHOTO["away"]),
        ([404, ""], BOTH["gone"]),
        ([500, ""], BOTH["other"]),
    ]
    page = visit(show="uploads", only="photos", project=PROJECT)
    for answer, told in cases:
        fake.set(failures={"POST photos Anna": [answer]})
        choose(page, Path(media["face"]))
        expect(page.locator("li").last).to_contain_text(told)
    expect(page.locator("li")).to_have_count(len(cases))
    expect_event(page, "photos sent", {"photos": 0, "failed": 1, "person": None})


def test_many_photos_go_two_at_a_time_and_those_that_failed_can_be_sent_again(
    visit: Visit, fake: Fake, tmp_path: Path
) -> None:
    fake.set(failures={"POST photos Anna": [[502, ""]]})
    photos = [tmp_path / f"{number}.jpg" for number in range(5)]
    for photo in photos:
        photo.write_bytes(b"a picture")
    page = visit(show="uploads", only="photos", project=PROJECT)
    choose(page, photos)
    expect_event(page, "photos sent", {"photos": 4, "failed": 1, "person": "Anna"})
    assert fake.state["most_at_once"] == 2
    page.get_by_role("button", name="Try again").click()
    expect_event(page, "photos sent", {"photos": 1, "failed": 0, "person": "Anna"})


def test_an_empty_file_is_not_sent_and_said_to_be_empty(
    visit: Visit, fake: Fake, tmp_path: Path
) -> None:
    empty = tmp_path / "비었다.mp4"
    empty.touch()
    page = visit(show="uploads", project=PROJECT)
    choose(page, empty, 0)
    choose(page, empty, 1)
    expect(page.locator("li")).to_contain_text(PHOTO["empty"])
    expect(status(page)).to_have_text(VIDEO["empty"])
    expect(status(page)).to_have_class("trouble")
    expect(page.locator(".uploader > .name")).to_have_text(empty.name)
    assert fake.state["asked"] == []


def test_too_large_a_file_is_not_sent_at_all(visit: Visit, fake: Fake, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(50_000_001)
    page = visit(show="uploads", project=PROJECT)
    choose(page, large, 0)
    choose(page, large, 1)
    expect(page.locator("li")).to_contain_text(LARGE)
    expect(status(page)).to_have_text(LARGE)
    assert fake.state["asked"] == []


def test_a_dropped_file_is_sent(visit: Visit, fake: Fake) -> None:
    page = visit(show="uploads", only="photos", project=PROJECT)
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["a picture"], "anna.jpg"));
            return transfer;
        }"""
    )
    zone = page.locator(".zone")
    zone.dispatch_event("dragenter", {"dataTransfer": transfer})
    expect(zone).to_have_class("zone over")
    zone.dispatch_event("drop", {"dataTransfer": transfer})
    expect(zone).to_have_class("zone")
    expect_event(page, "photos sent", {"photos": 1, "failed": 0, "person": "Anna"})


def test_the_keyboard_opens_the_chooser(visit: Visit) -> None:
    page = visit(show="uploads", only="photos", project=PROJECT)
    expect(page.get_by_role("button", name=re.compile("^Choose"))).to_be_visible()
    page.get_by_role("button", name="Begin anew").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("^Choose"))).to_be_focused()
    page.locator("input[type=file]").evaluate(
        """input => input.addEventListener("click", () => {
            window.opened = navigator.userActivation.isActive; // else a browser opens none
        })"""
    )
    page.keyboard.press("Enter")
    page.wait_for_function("window.opened")


def test_a_browser_that_can_not_upload_is_told_so(visit: Visit, page: Page) -> None:
    page.add_init_script("delete Blob.prototype.slice")
    visit(show="uploads", only="video")
    expect(page.get_by_role("alert")).to_have_text(BOTH["unsupported"])
    expect(page.get_by_role("button", name=re.compile("^Choose"))).to_have_count(0)
