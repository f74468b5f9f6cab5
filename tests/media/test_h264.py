"""Parameter sets and messages of H.264, as x264 writes them and as they are joined."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import pytest
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from bystander.media.h264 import (
    DISPLAY_ORIENTATION_SEI,
    PPS,
    SPS,
    BitReader,
    Ended,
    SequenceParameters,
    annex_b,
    joined_parameter_sets,
    read_sequence,
    sei_types,
    units_after_start_codes,
)


def parameter_sets(size: tuple[int, int] = (320, 240), number: int = 0, **options: str) -> bytes:
    """Those of an encoder, with start codes."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 25)
    context.flags |= Flags.global_header
    context.options = {"preset": "fast", "x264-params": f"sps-id={number}", **options}
    context.open()
    return context.extradata or b""


def sequences(data: bytes) -> list[SequenceParameters]:
    units = units_after_start_codes(data)
    return [read_sequence(BitReader(unit[1:])) for unit in units if unit[0] & 31 == SPS]


def test_what_is_shown_is_told_from_what_is_coded() -> None:
    (found,) = sequences(parameter_sets((322, 246)))
    assert (found.size, found.shown) == ((336, 256), (0, 0, 322, 246))
    assert (found.chroma_format, found.bit_depth, found.frames_only) == (1, 8, True)


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_every_decoder_takes_these_profiles(profile: str) -> None:
    (found,) = sequences(parameter_sets(profile=profile))
    assert found.any_decoder
    assert not replace(found, profile=244).any_decoder  # 4:4:4
    assert not replace(found, profile=66, constraints=0).any_decoder  # with arbitrary slices


def test_a_sequence_parameter_set_that_is_cut_short_is_an_error() -> None:
    (unit, _) = units_after_start_codes(parameter_sets())
    with pytest.raises(Ended):
        read_sequence(BitReader(unit[1:7]))


def test_joined_sets_begin_with_the_highest_profile_and_tell_the_highest_level() -> None:
    ours = parameter_sets(number=3)
    theirs = parameter_sets(profile="main", level="5.1")
    joined = joined_parameter_sets(ours, theirs)
    first, second = sequences(joined)
    assert (first.number, first.profile, first.level) == (3, 100, 51)
    assert (second.number, second.profile, second.level) == (0, 77, 51)
    kinds = [unit[0] & 31 for unit in units_after_start_codes(joined)]
    assert kinds == [SPS, SPS, PPS, PPS]
    assert joined_parameter_sets(theirs, ours)[:40] == joined[:40]


def test_the_messages_of_a_unit_are_told_apart() -> None:
    user_data, orientation = b"\x05\x03abc", bytes([DISPLAY_ORIENTATION_SEI, 2, 9, 9])
    long = b"\x04\xff\x01" + bytes(256)
    unit = b"\x06" + user_data + long + orientation + b"\x80"
    assert list(sei_types(unit)) == [5, 4, DISPLAY_ORIENTATION_SEI]
    assert list(sei_types(b"\x06\xff")) == []


def test_units_are_found_again_behind_their_start_codes() -> None:
    units = [b"\x67abc", b"\x68d"]
    found = [unit.rstrip(b"\x00") for unit in units_after_start_codes(annex_b(units))]
    assert found == units
