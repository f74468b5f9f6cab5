"""Mattes, annotations and markers, each read back by a reader of its format."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

from bystander.choices import EffectName, ExportFormat
from bystander.errors import Cancelled, ConfigError, OutputError, OutputExists, SelectionError
from bystander.media.colour import planes_of
from bystander.media.encoder import EncoderSettings, encoding_of
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from bystander.pipeline.annotations import encode_rle
from bystander.pipeline.drawing import FrameMasker
from bystander.pipeline.export import export
from bystander.progress import Progress
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision, Evidence, EvidenceKind, Verdict
from tests.support.commands import make_timeline
from tests.support.videos import Clip, make_video

Alphas = list[NDArray[np.uint8]]
FRAMES = 6
DOUBT = "3 of 9 face samples say Anna | but not clearly"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(pts=range(0, 512 * FRAMES, 512), size=(480, 240))
    return make_video(tmp_path_factory.mktemp("video") / "v.mp4", clip)


@pytest.fixture
def timeline(video: Path, tmp_path: Path) -> Timeline:
    """p1 and p3 are masked, p2 between them is kept."""
    people = {"p1": Decision.MASK, "p2": Decision.KEEP, "p3": Decision.MASK}
    return Timeline.load(make_timeline(tmp_path / "t", video, people))


@pytest.fixture
def alphas(video: Path, timeline: Timeline) -> Alphas:
    return [mattes.alpha() for _, mattes in _masker(video, timeline).mattes(_frames(video))]


def _masker(video: Path, timeline: Timeline) -> FrameMasker:
    info = probe(video)
    effect = EffectSettings(name=EffectName.SOLID, color="#ff00ff")
    return FrameMasker(timeline, info, effect, encoding_of(info, video, EncoderSettings()))


def _frames(video: Path) -> Iterator[Frame]:
    return iter(VideoReader(video, probe(video)))


def test_a_matte_is_what_rendering_draws(video: Path, timeline: Timeline, alphas: Alphas) -> None:
    masked = _masker(video, timeline).masked(_frames(video))
    for (frame, picture, _), alpha in zip(masked, alphas, strict=True):
        before = planes_of(frame.upright("yuv420p"))[0].astype(float)
        after = planes_of(picture)[0].astype(float)
        solid = np.median(after[alpha == 255])
        expected = before * (1 - alpha / 255) + solid * (alpha / 255)
        assert np.array_equal(after[alpha == 0], before[alpha == 0])
        assert np.ptp(after[alpha == 255]) == 0
        assert np.abs(after - expected).max() < 3
        assert (alpha == 255).any()
        assert (alpha == 0).any()


def _grey(path: Path) -> Alphas:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"
        return [frame.to_ndarray() for frame in container.decode(video=0)]  # type: ignore[misc]


def _pictures(folder: Path) -> Alphas:
    return [cv2.imread(str(one), cv2.IMREAD_UNCHANGED) for one in sorted(folder.iterdir())]  # type: ignore[misc]


def test_mattes_as_video_and_as_pictures_are_the_same(
    video: Path, timeline: Timeline, alphas: Alphas, tmp_path: Path
) -> None:
    made = export(timeline, tmp_path / "m.mkv", "ffv1", video=video)
    made += export(timeline, tmp_path / "m", "png", video=video)
    for found in (_grey(made[0]), _pictures(made[1])):
        assert len(found) == FRAMES
        for one, other in zip(found, alphas, strict=True):
            assert np.array_equal(one, other)
    assert probe(made[0]).average_rate == probe(video).average_rate


def test_another_decoder_finds_picture_and_alpha_in_prores(
    video: Path, timeline: Timeline, alphas: Alphas, tmp_path: Path
) -> None:
    (made,) = export(timeline, tmp_path / "m.mov", "prores", video=video)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(made)]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "yuva444p10le", "-"],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip
    height, width = alphas[0].shape
    planes = np.frombuffer(raw, "<u2").reshape(FRAMES, 4, height, width)
    for found, alpha, frame in zip(planes, alphas, VideoReader(video, probe(video)), strict=True):
        assert np.array_equal(np.rint(found[3] * (255 / 1023)), alpha)
        luma = planes_of(frame.upright("yuv420p"))[0]
        assert np.abs(found[0] / 4 - luma).mean() < 1.5
    with av.open(str(made)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "ap4h"


def test_each_person_can_have_a_file(
    video: Path, timeline: Timeline, alphas: Alphas, tmp_path: Path
) -> None:
    made = export(timeline, tmp_path / "m.mkv", "ffv1", video=video, persons=["all"])
    assert [path.name for path in made] == ["m.p1.mkv", "m.p3.mkv"]
    left, right = (_grey(path) for path in made)
    for one, other, both in zip(left, right, alphas, strict=True):
        assert np.array_equal(np.maximum(one, other), both)
        assert not np.any((one > 0) & (other > 0))
        assert one.any()
        assert np.flatnonzero(one.any(axis=0)).max() < np.flatnonzero(other.any(axis=0)).min()


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools' own
def test_coco_holds_the_pixels_that_are_drawn_over(
    video: Path, timeline: Timeline, alphas: Alphas, tmp_path: Path
) -> None:
    (made,) = export(timeline, tmp_path / "m.json", "coco", video=video)
    coco = COCO(str(made))
    assert [len(coco.imgs), len(coco.anns)] == [FRAMES, 2 * FRAMES]
    for image, alpha in zip(coco.loadImgs(sorted(coco.imgs)), alphas, strict=True):
        assert (image["height"], image["width"]) == alpha.shape
        anns = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        masks = [coco.annToMask(one) for one in anns]
        assert np.array_equal(np.bitwise_or.reduce(masks) > 0, alpha > 0)
        for one, mask in zip(anns, masks, strict=True):
            x, y, width, height = one["bbox"]
            assert one["area"] == mask.sum() == mask[y : y + height, x : x + width].sum()
        assert [one["attributes"]["person"] for one in anns] == ["p1", "p3"]
        assert [one["track_id"] for one in anns] == [1, 3]


@pytest.mark.parametrize("seed", range(4))
def test_runs_are_those_of_cocos_own_coder(seed: int) -> None:
    from pycocotools import mask as coder

    rng = np.random.default_rng(seed)
    bits = rng.random((60, 70)) < (0.0, 0.02, 0.5, 1.0)[seed]
    assert (
        encode_rle(bits)
        == coder.encode(np.asfortranarray(bits.astype(np.uint8)))["counts"].decode()
    )


def test_mot_has_everyones_boxes(timeline: Timeline, tmp_path: Path) -> None:
    (made,) = export(timeline, tmp_path / "m.txt", "mot")
    rows = [[float(x) for x in line.split(",")] for line in made.read_text().splitlines()]
    header = timeline.header
    assert len(rows) == 3 * FRAMES
    scale = header.video.width / header.grid[0]
    for record in timeline.frames():
        here = [row for row in rows if row[0] == record.index + 1]
        assert [row[1] for row in here] == [1, 2, 3]
        for row, one in zip(here, record.sightings, strict=True):
            x0, y0, x1, y1 = (side * scale for side in one.box)
            assert row[2:6] == pytest.approx([x0 + 1, y0 + 1, x1 - x0, y1 - y0], abs=0.01)
            assert row[6:] == [pytest.approx(0.9), -1, -1, -1]


def test_mot_is_read_by_another_program(timeline: Timeline, tmp_path: Path) -> None:
    io = pytest.importorskip("trackers.io.mot", reason="needs the extra benchmarks")
    (made,) = export(timeline, tmp_path / "m.txt", "mot")
    found = io.load_mot_file(made)
    assert sorted(found) == list(range(1, FRAMES + 1))
    (json_made,) = export(timeline, tmp_path / "m.json", "mot-json")
    for frame in json.loads(json_made.read_text())["frames"]:
        here = found[frame["frame"]]
        assert here.ids.tolist() == [one["id"] for one in frame["boxes"]]
        assert here.boxes.tolist() == [one["box"] for one in frame["boxes"]]
        assert here.confidences.tolist() == [one["score"] for one in frame["boxes"]]


def test_mot_as_json_tells_who_is_masked_when(timeline: Timeline, tmp_path: Path) -> None:
    header = timeline.header
    sure = Evidence(EvidenceKind.USER)
    spans = ((0, 2, Decision.KEEP), (2, FRAMES, Decision.MASK))
    first = replace(
        header.tracklets[0], verdicts=tuple(Verdict(a, b, what, sure) for a, b, what in spans)
    )
    changed = replace(header, tracklets=(first, *header.tracklets[1:]))
    (made,) = export(timeline.save(tmp_path / "changed", changed), tmp_path / "m.json", "mot-json")
    document = json.loads(made.read_text())
    assert (document["format"], document["version"]) == ("bystander-mot", 1)
    assert document["video"] == {"width": 480, "height": 240, "frames": FRAMES, "rate": 25.0}
    frames = document["frames"]
    assert [one["seconds"] for one in frames] == pytest.approx([n / 25 for n in range(FRAMES)])
    masked = {who: [] for who in ("p1", "p2", "p3")}  # type: dict[str, list[bool]]
    for frame in frames:
        for one in frame["boxes"]:
            masked[one["person"]].append(one["masked"])
    assert masked == {
        "p1": [False] * 2 + [True] * (FRAMES - 2),
        "p2": [False] * FRAMES,
        "p3": [True] * FRAMES,
    }


@pytest.fixture
def doubtful(timeline: Timeline, tmp_path: Path) -> Timeline:
    """Of p3 frames 1 to 3 are doubtful."""
    header = timeline.header
    third = header.tracklets[2]
    sure, doubt = Evidence(EvidenceKind.NONE), Evidence(EvidenceKind.DOUBT, "Anna", reason=DOUBT)
    spans = ((0, 1, sure), (1, 4, doubt), (4, FRAMES, sure))
    verdicts = tuple(Verdict(a, b, Decision.MASK, evidence) for a, b, evidence in spans)
    tracklets = (*header.tracklets[:2], replace(third, verdicts=verdicts))
    return timeline.save(tmp_path / "doubtful", replace(header, tracklets=tracklets))


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A leak in frame 4, told by a clock that begins two seconds early; an accepted one."""
    leak = {
        "kind": "visible person", "severity": "leak", "start": 2 + 4 / 25, "end": 2 + 5 / 25,
        "seconds": 2 + 4 / 25, "frame": 4, "frames": 2, "box": [1, 2, 3, 4], "share": 0.5,
        "who": "t9", "detail": "somebody is seen", "accepted": False,
    }  # fmt: skip
    path = tmp_path / "audit.json"
    path.write_text(json.dumps({"findings": [leak, {**leak, "accepted": True}]}))
    return path


def test_markers_as_a_table(doubtful: Timeline, audit: Path, tmp_path: Path) -> None:
    (made,) = export(doubtful, tmp_path / "m.csv", "csv", audit=audit)
    with made.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["first_frame"], first["frames"], first["who"]) == ("1", "3", "p3")
    assert (first["kind"], first["severity"], first["text"]) == ("doubtful", "doubt", DOUBT)
    assert (second["first_frame"], second["frames"], second["kind"]) == ("4", "2", "visible person")
    assert second["timecode"] == "00:00:00:04"


def test_markers_as_an_edit_decision_list(doubtful: Timeline, audit: Path, tmp_path: Path) -> None:
    (made,) = export(doubtful, tmp_path / "m.edl", "edl", audit=audit)
    text = made.read_text(encoding="utf-8")
    assert text.startswith("TITLE: m\nFCM: NON-DROP FRAME\n")
    code = r"(\d\d:\d\d:\d\d:\d\d)"
    events = re.findall(rf"^(\d{{3}})  AX +V +C +{code} {code} {code} {code}$", text, re.M)
    assert [(n, start, end) for n, start, end, _, _ in events] == [
        ("001", "00:00:00:01", "00:00:00:02"),
        ("002", "00:00:00:04", "00:00:00:05"),
    ]
    assert re.findall(r"\|M:(.*) \|D:(\d+)$", text, re.M) == [
        (f"doubtful p3: {DOUBT.replace('|', '/')}", "3"),
        ("visible person t9: somebody is seen", "2"),
    ]
    assert re.findall(rf"^\* LOC: {code} (\w+)", text, re.M) == [
        ("00:00:00:01", "YELLOW"),
        ("00:00:00:04", "RED"),
    ]


def test_texts_of_an_audit_stay_on_their_line(
    timeline: Timeline, audit: Path, tmp_path: Path
) -> None:
    report = json.loads(audit.read_text())
    report["findings"][0] |= {"who": "t9\n* LOC", "detail": "some\x01body\r\nis seen"}
    audit.write_text(json.dumps(report))
    (made,) = export(timeline, tmp_path / "m.edl", "edl", audit=audit)
    assert made.read_text(encoding="utf-8").splitlines()[-1] == (
        "* LOC: 00:00:00:04 RED     visible person t9 * LOC: some\ufffdbody is seen"
    )
    (made,) = export(timeline, tmp_path / "m.fcpxml", "fcpxml", audit=audit)
    (marker,) = ET.parse(made).getroot().iter("marker")
    assert marker.get("note") == "some\ufffdbody is seen"


def test_markers_for_final_cut(doubtful: Timeline, audit: Path, tmp_path: Path) -> None:
    (made,) = export(doubtful, tmp_path / "m.fcpxml", "fcpxml", audit=audit)
    root = ET.parse(made).getroot()
    (shape,) = root.iter("format")
    assert shape.get("frameDuration") == "1/25s"
    markers = [(m.get("start"), m.get("duration"), m.get("value")) for m in root.iter("marker")]
    assert markers == [("1/25s", "3/25s", "doubtful p3"), ("4/25s", "2/25s", "visible person t9")]
    assert [m.get("note") for m in root.iter("marker")] == [DOUBT, "somebody is seen"]
    (gap,) = root.iter("gap")
    (sequence,) = root.iter("sequence")
    assert gap.get("duration") == sequence.get("duration") == "6/25s"


def test_what_can_not_be_is_refused_before_anything_is_written(
    video: Path, timeline: Timeline, tmp_path: Path
) -> None:
    there = set(tmp_path.iterdir())
    for error, name, wanted, more in (
        (ConfigError, "m.mkv", "ffv1", {}),
        (ConfigError, "m.x", "gif", {}),
        (OutputError, "m.mov", "ffv1", {"video": video}),
        (SelectionError, "m.mkv", "ffv1", {"video": video, "persons": ["p2"]}),
        (SelectionError, "m.mkv", "ffv1", {"video": video, "persons": ["p9"]}),
        (ConfigError, "m.csv", "csv", {"persons": ["p1"]}),
        (ConfigError, "m.csv", "csv", {"audit": tmp_path / "none.json"}),
        (OutputError, ".", "png", {"video": video}),
    ):
        with pytest.raises(error):
            export(timeline, tmp_path / name, wanted, **more)
    assert set(tmp_path.iterdir()) == there


@pytest.mark.parametrize(("name", "wanted"), [("m.mkv", "ffv1"), ("m", "png"), ("m.json", "coco")])
def test_outputs_appear_whole_and_replace_only_when_asked(
    video: Path, timeline: Timeline, tmp_path: Path, name: str, wanted: str
) -> None:
    there = set(tmp_path.iterdir())

    def stop(progress: Progress) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        export(timeline, tmp_path / name, wanted, video=video, report=stop)
    assert set(tmp_path.iterdir()) == there
    export(timeline, tmp_path / name, wanted, video=video)
    with pytest.raises(OutputExists):
        export(timeline, tmp_path / name, wanted, video=video)
    export(timeline, tmp_path / name, ExportFormat(wanted), video=video, overwrite=True)
    assert set(tmp_path.iterdir()) == {*there, tmp_path / name}
