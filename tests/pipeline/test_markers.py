"""Markers for editors: what Final Cut Pro demands, at any frame rate and with any name."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from bystander.choices import ExportFormat
from bystander.pipeline.markers import (
    EDITING_RATES,
    Marker,
    editing_rate,
    frame_rate,
    timecode,
    write_markers,
)
from bystander.timeline.header import SourceVideo

# Of what we write, by its type definition (1.9): children in their order, attributes that must be
# there, and those that may.
KNOWN: Final = {
    "fcpxml": (["resources", "event"], {"version"}, set()),
    "resources": (["format"], set(), set()),
    "format": ([], {"id"}, {"frameDuration", "width", "height"}),
    "event": (["project"], set(), {"name"}),
    "project": (["sequence"], set(), {"name"}),
    "sequence": (["spine"], {"format"}, {"duration", "tcStart", "tcFormat"}),
    "spine": (["gap"], set(), set()),
    "gap": (["marker"], {"duration"}, {"name", "offset", "start"}),
    "marker": ([], {"start", "value"}, {"duration", "note"}),
}
TIMES: Final = ("start", "duration", "offset", "tcStart", "frameDuration")


def _facts(rate: float, frames: int) -> SourceVideo:
    return SourceVideo(640, 360, (1, 12_800), frames, rate, "0")


def _marker(start: int, end: int, rate: float, text: str = "look") -> Marker:
    return Marker(start, end, start / rate, end / rate, "doubtful", "doubt", "p3", text)


def _write(path: Path, wanted: ExportFormat, rate: float, frames: int, *markers: Marker) -> str:
    write_markers(markers, _facts(rate, frames), wanted, path)
    return path.read_text(encoding="utf-8")


def _seconds(time: str) -> Fraction:
    """`7/25s` or `3s`: a fraction of 64 by 32 bits, or whole seconds."""
    number = re.fullmatch(r"(\d+)(?:/(\d+))?s", time)
    assert number, time
    value = Fraction(int(number[1]), int(number[2] or 1))
    assert value.numerator < 2**63
    assert value.denominator < 2**31
    return value


def _check(text: str) -> ET.Element:
    """What Final Cut Pro refuses a file, or warns, for."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml ')
    root = ET.fromstring(text)
    (shape,) = root.iter("format")
    frame = _seconds(shape.attrib["frameDuration"])
    assert 1 / frame in EDITING_RATES
    for element in root.iter():
        children, needed, allowed = KNOWN[element.tag]
        assert list(dict.fromkeys(child.tag for child in element)) in (children, [])
        assert needed <= set(element.attrib) <= needed | allowed
        for name in TIMES:
            if name in element.attrib:
                assert (_seconds(element.attrib[name]) / frame).denominator == 1, "between frames"
    (sequence,), (gap,) = root.iter("sequence"), root.iter("gap")
    assert sequence.get("format") == shape.get("id")
    assert root.get("version") == "1.9"
    length = _seconds(gap.attrib["duration"])
    for marker in root.iter("marker"):
        assert _seconds(marker.attrib["start"]) + _seconds(marker.attrib["duration"]) <= length
    return root


# The seventh is the mean of a video of uneven frames.
@pytest.mark.parametrize("rate", [25.0, 29.97002997, 59.94, 10.0, 12.5, 120.0, 15.3139357, 240.0])
def test_markers_are_on_frames_that_editors_have(rate: float, tmp_path: Path) -> None:
    frames = 900
    markers = [_marker(start, start + 1, rate) for start in range(0, frames, 3)]
    text = _write(tmp_path / "m.fcpxml", ExportFormat.FCPXML, rate, frames, *markers)
    root = _check(text)
    half = 1 / (2 * editing_rate(rate))
    for marker, written in zip(markers, root.iter("marker"), strict=True):
        assert abs(_seconds(written.attrib["start"]) - Fraction(marker.seconds)) <= half + 1e-6
    (gap,) = root.iter("gap")
    assert float(_seconds(gap.attrib["duration"])) == pytest.approx(frames / rate, abs=0.05)

    edl = _write(tmp_path / "m.edl", ExportFormat.EDL, rate, frames, *markers)
    events = re.findall(r"^\d{3,}  AX +V +C +(\S+) (\S+) \1 \2$", edl, re.M)
    assert len(re.findall(r"^\* LOC: ", edl, re.M)) == len(markers)
    assert all(one[1] <= other[0] for one, other in pairwise(events))
    assert all(re.fullmatch(r"(\d\d:){3}\d\d", code) for event in events for code in event)


def test_spans_that_overlap_are_events_that_do_not(tmp_path: Path) -> None:
    """OpenTimelineIO refuses a list in which they do."""
    markers = [_marker(*span, 25.0, text) for span, text in (((0, 30), "a"), ((0, 40), "b|"))]
    markers.append(_marker(20, 25, 25.0, "c"))
    edl = _write(tmp_path / "m.edl", ExportFormat.EDL, 25.0, 50, *markers)
    assert re.findall(r"^\d{3}  AX .*C +(\S+) (\S+) ", edl, re.M) == [
        ("00:00:00:00", "00:00:00:01"),
        ("00:00:00:20", "00:00:00:21"),
    ]
    assert re.findall(r"\|M:(.*) \|D:(\d+)$", edl, re.M) == [
        ("doubtful p3: a; doubtful p3: b/", "40"),
        ("doubtful p3: c", "5"),
    ]
    assert re.findall(r"^\* LOC: (\S+) YELLOW  doubtful p3: (.*)$", edl, re.M) == [
        ("00:00:00:00", "a"),
        ("00:00:00:00", "b/"),
        ("00:00:00:20", "c"),
    ]


@pytest.mark.parametrize(
    ("rate", "edited"),
    [
        (25.0, "25"), (23.976, "24000/1001"), (29.97, "30000/1001"), (60.0, "60"),
        (10.0, "30"), (12.5, "25"), (15.0, "30"), (14.985, "30000/1001"), (1.0, "24"),
        (48.0, "24"), (119.88, "60000/1001"), (120.0, "60"), (27.3, "30000/1001"), (90.7, "60"),
    ],
)  # fmt: skip
def test_a_rate_without_sequences_is_counted_at_one_that_has_them(rate: float, edited: str) -> None:
    assert str(editing_rate(rate)) == edited


def test_rates_of_television_are_exact() -> None:
    assert str(frame_rate(29.97002997)) == "30000/1001"
    assert str(frame_rate(25.0)) == "25"
    assert timecode(30 * 3600 + 29, frame_rate(29.97002997)) == "01:00:00:29"


def test_a_file_without_markers_is_whole(tmp_path: Path) -> None:
    root = _check(_write(tmp_path / "m.fcpxml", ExportFormat.FCPXML, 25.0, 50))
    (gap,) = root.iter("gap")
    assert gap.get("duration") == "2s"
    assert not list(root.iter("marker"))


def test_names_and_texts_are_read_as_they_were_written(tmp_path: Path) -> None:
    name, text = 'R&D <"민준\'s"> 영상', 'Ann & <Ben> "says" 안녕 \N{GRINNING FACE}'
    marker = _marker(1, 2, 25.0, text)
    root = _check(_write(tmp_path / f"{name}.fcpxml", ExportFormat.FCPXML, 25.0, 50, marker))
    assert next(root.iter("project")).get("name") == next(root.iter("gap")).get("name") == name
    assert next(root.iter("marker")).get("note") == text


@pytest.mark.parametrize("stem", ["a\x01\x1fb", "a\nb", os.fsdecode(b"caf\xe9"), "a\ufffe"])
def test_a_name_that_xml_or_utf_8_has_no_place_for_spoils_nothing(
    stem: str, tmp_path: Path
) -> None:
    root = _check(_write(tmp_path / f"{stem}.fcpxml", ExportFormat.FCPXML, 25.0, 50))
    assert re.fullmatch(r"a\ufffd? ?b?|caf\ufffd", next(root.iter("project")).attrib["name"])
    lines = _write(tmp_path / f"{stem}.edl", ExportFormat.EDL, 25.0, 50).splitlines()
    assert len(lines) == 2
    assert lines[1] == "FCM: NON-DROP FRAME"
