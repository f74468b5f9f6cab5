from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from bystander.errors import InvalidTimeline, OutputUnwritable, TimelineMismatch
from bystander.timeline.archive import CHUNK_FRAMES, Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Origin,
    Person,
    Shot,
    Sighting,
    Tracklet,
    Verdict,
)
from tests.tracking.figures import GRID, figure

FRAMES = CHUNK_FRAMES + 7


def header(frames: int = FRAMES) -> Header:
    facts = SourceVideo(640, 360, (1, 12800), frames, 25.0, "abc")
    verdict = Verdict(0, frames, Decision.KEEP, Evidence(EvidenceKind.FACE, "민지", 0.6, 4, "yes"))
    tracklet = Tracklet(1, 0, 0, frames, frames, 160.0, 21.5, (verdict,))
    return Header(
        facts,
        GRID,
        (Shot(0, frames),),
        (tracklet,),
        (Person("p1", "민지", (1,), 10.3),),
        {"a": "b"},
    )


def record(index: int) -> FrameRecord:
    person = figure(index % 100)
    rng = np.random.default_rng(index)
    bits = rng.random(person.mask.bits.shape) < 0.5
    mask = type(person.mask)(person.mask.x, person.mask.y, bits)
    sightings = () if index % 3 == 0 else (Sighting(1, person.box, 0.5, mask, Origin.FILLED),)
    return FrameRecord(index, index * 512, sightings)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "timeline"
    with TimelineWriter(path) as writer:
        for index in range(FRAMES):
            writer.add_frame(record(index))
        writer.finish(header(), [(1, b"\xff\xd8jpeg")])
    return path


def test_times_are_those_of_the_players_clock(saved: Path) -> None:
    loaded = Timeline.load(saved)
    assert loaded.times() == pytest.approx(np.arange(FRAMES + 1) / 25)
    facts = replace(header().video, origin_pts=-10_240)
    late = Timeline(saved, replace(header(), video=facts))
    assert late.times() == pytest.approx(0.8 + np.arange(FRAMES + 1) / 25)


def test_times_of_a_timeline_that_lacks_frames_are_refused(saved: Path) -> None:
    facts = replace(header().video, frames=FRAMES + 1)
    with pytest.raises(InvalidTimeline):
        Timeline(saved, replace(header(), video=facts)).times()


def test_what_was_written_is_read_back(saved: Path) -> None:
    loaded = Timeline.load(saved)
    assert loaded.header == header()
    assert loaded.picture(1) == b"\xff\xd8jpeg"
    assert loaded.picture(2) is None
    for expected, found in zip(map(record, range(FRAMES)), loaded.frames(), strict=True):
        assert (found.index, found.pts) == (expected.index, expected.pts)
        for a, b in zip(expected.sightings, found.sightings, strict=True):
            assert (a.tracklet, a.box, a.score, a.origin) == (b.tracklet, b.box, b.score, b.origin)
            assert (a.mask.x, a.mask.y) == (b.mask.x, b.mask.y)
            assert np.array_equal(a.mask.bits, b.mask.bits)


@pytest.mark.parametrize("start", [0, 1, 249, 250, 251, FRAMES - 1, FRAMES, FRAMES + 999])
def test_frames_can_be_read_from_any_one_on(saved: Path, start: int) -> None:
    loaded = Timeline.load(saved)
    found = [(r.index, r.pts) for r in loaded.frames(start)]
    assert found == [(r.index, r.pts) for r in loaded.frames()][start:]


def test_frames_before_the_first_one_wanted_are_not_even_looked_at(saved: Path) -> None:
    damaged = rewritten(saved, frames__000000_npz=b"not an archive")
    first = next(Timeline.load(damaged).frames(CHUNK_FRAMES))
    assert first.index == CHUNK_FRAMES


def test_a_chunk_is_taken_over_as_it_is(saved: Path, tmp_path: Path) -> None:
    loaded = Timeline.load(saved)
    (_, first), (at, packed) = loaded.chunks()
    copy = tmp_path / "copy"
    with TimelineWriter(copy) as writer:
        writer.add_chunk(first)
        for one in loaded.unpacked(at, packed):
            writer.add_frame(one)
        writer.finish(loaded.header)

    assert at == CHUNK_FRAMES
    assert Timeline.load(copy).digest() == loaded.digest()


def test_a_digest_tells_other_verdicts_and_other_frames_apart(saved: Path) -> None:
    loaded = Timeline.load(saved)
    others = [
        Timeline(saved, replace(loaded.header, persons=())),
        Timeline.load(rewritten(saved, frames__000001_npz=b"other frames")),
    ]
    assert loaded.digest() == Timeline.load(saved).digest()
    assert loaded.digest() not in [other.digest() for other in others]


def interrupted_write(path: Path) -> None:
    with TimelineWriter(path) as writer:
        writer.add_frame(record(0))
        raise KeyboardInterrupt


def test_nothing_appears_before_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_write(tmp_path / "timeline")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="nowhere"):
        TimelineWriter(tmp_path / "nowhere" / "timeline")


def test_an_edited_header_is_saved_with_the_same_frames(saved: Path, tmp_path: Path) -> None:
    loaded = Timeline.load(saved)
    copy = loaded.save(tmp_path / "copy", header())
    assert [r.pts for r in Timeline.load(copy.path).frames()] == [r.pts for r in loaded.frames()]


def rewritten(saved: Path, **changes: bytes | None) -> Path:
    """The file with members replaced (or removed, by None)."""
    changed = saved.with_name("changed")
    members = {name.replace("__", "/").replace("_npz", ".npz").replace("_json", ".json"): content
               for name, content in changes.items()}  # fmt: skip
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = members.get(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return changed


def edited_header(saved: Path, **changes: object) -> Path:
    with zipfile.ZipFile(saved) as archive:
        document = json.loads(archive.read("timeline.json"))
    return rewritten(saved, timeline_json=json.dumps({**document, **changes}).encode())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": 2}, "is a timeline of version 2, this program reads version 3"),
        ({"version": 99}, "version 99"),
        ({"format": "something else"}, "not a timeline"),
        ({"grid": [0, 10]}, "grid"),
        ({"shots": "none"}, "doesn't fit"),
        (
            {"persons": [{"id": "p1", "name": None, "tracklets": [99], "seconds": 1.0}]},
            "aren't there",
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    saved: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidTimeline, match=complaint):
        Timeline.load(edited_header(saved, **changes))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"no archive")
    with pytest.raises(InvalidTimeline, match=r"video\.mp4 is not a timeline"):
        Timeline.load(path)
    with pytest.raises(InvalidTimeline):
        Timeline.load(tmp_path / "absent")


def test_damaged_frames_are_refused(saved: Path) -> None:
    changed = rewritten(saved, frames__000001_npz=b"not an array")
    with pytest.raises(InvalidTimeline, match=r"frames/000001\.npz"):
        list(Timeline.load(changed).frames())


def test_a_sighting_of_an_unknown_origin_is_refused(tmp_path: Path) -> None:
    unknown = cast(Origin, max(Origin) + 1)
    path = written(tmp_path, replace(sighting(), origin=unknown))
    with pytest.raises(InvalidTimeline, match=rf"origin {unknown}"):
        list(Timeline.load(path).frames())


def test_nobody_is_twice_in_a_frame(tmp_path: Path) -> None:
    path = written(tmp_path, sighting(), sighting())
    with pytest.raises(InvalidTimeline, match="twice in frame 0"):
        list(Timeline.load(path).frames())


def sighting() -> Sighting:
    person = figure(10)
    return Sighting(1, person.box, person.score, person.mask)


def written(folder: Path, *sightings: Sighting) -> Path:
    """A timeline of one frame."""
    path = folder / "one"
    with TimelineWriter(path) as writer:
        writer.add_frame(FrameRecord(0, 0, sightings))
        writer.finish(header(frames=1))
    return path


def test_missing_frames_are_noticed(saved: Path) -> None:
    changed = rewritten(saved, frames__000001_npz=None)
    with pytest.raises(InvalidTimeline, match=f"holds {CHUNK_FRAMES} frames"):
        list(Timeline.load(changed).frames())


def test_pickled_arrays_are_never_loaded(saved: Path, tmp_path: Path) -> None:
    poison = tmp_path / "poison.npz"
    np.savez(poison, pts=np.array([{"run": "me"}], dtype=object))
    changed = rewritten(saved, frames__000000_npz=poison.read_bytes())
    with pytest.raises(InvalidTimeline):
        list(Timeline.load(changed).frames())


def test_another_video_is_refused(saved: Path) -> None:
    loaded = Timeline.load(saved)
    loaded.check_video(Path("a.mp4"), "abc")
    with pytest.raises(TimelineMismatch, match=r"b\.mp4"):
        loaded.check_video(Path("b.mp4"), "xyz")
