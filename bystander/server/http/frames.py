"""Where everyone is, frame by frame: for players that draw outlines and tell who was clicked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Path, Query
from numpy.typing import NDArray
from pydantic import Field

from bystander.editing.apply import EditedTimeline
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.outlines import outlines
from bystander.server.http.analysis import CurrentSummary, analysis_of, as_seen
from bystander.server.http.deps import CurrentContext, CurrentProject, while_it_is_there
from bystander.server.http.errors import ApiError
from bystander.server.http.views import ApiView
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, EvidenceKind, FrameRecord, Tracklet

MAX_FRAMES: Final = 240
"""In one answer."""


# Not a tuple: tools for OpenAPI trip over those within arrays.
FrameSpan = Annotated[list[int], Field(min_length=2, max_length=2)]


class TimesView(ApiView):
    """The frames of the video, and when players show them."""

    width: int = Field(description="display pixels: those of all places")
    height: int = Field(description="display pixels")
    frames: int = Field(description="how many there are")
    times: tuple[float, ...] = Field(
        description="seconds, as a player shows them; the last is when the last frame ends"
    )
    shots: tuple[FrameSpan, ...] = Field(description="first frame, and one past the last")


class SightingView(ApiView):
    """Somebody in one frame."""

    tracklet: str = Field(examples=["t17"])
    person: str | None = Field(examples=["p2"])
    verdict: Decision
    doubtful: bool = Field(description="something spoke for keeping, but not clearly enough")
    box: tuple[int, int, int, int] = Field(description="x0, y0, x1, y1, display pixels")
    outlines: tuple[tuple[int, ...], ...] = Field(
        description="closed lines around each part of them: x, y, x, y, ..., display pixels"
    )


class FrameView(ApiView):
    """Everyone in one frame."""

    frame: int = Field(description="from 0")
    people: tuple[SightingView, ...]


class FramesView(ApiView):
    """Frames one after another."""

    frames: tuple[FrameView, ...]


router = APIRouter(tags=["edits"])


@router.get("/projects/{project}/frames/times", summary="When each frame is shown")
def frame_times(summary: CurrentSummary) -> TimesView:
    """Times and shots of the whole video. Edits count their seconds from the first frame:
    `times[n] - times[0]` is frame n."""
    video = summary.header.video
    return TimesView(
        width=video.width,
        height=video.height,
        frames=video.frames,
        times=tuple(summary.times.round(6).tolist()),
        shots=tuple([shot.start, shot.end] for shot in summary.header.shots),
    )


@router.get("/projects/{project}/frames", summary="Where everyone is in some frames")
def list_frames(
    here: CurrentProject,
    summary: CurrentSummary,
    context: CurrentContext,
    start: Annotated[int, Query(ge=0, description="the first frame")] = 0,
    end: Annotated[int | None, Query(ge=1, description="one past the last")] = None,
) -> FramesView:
    """At most 240 frames. Outlines are the analysis', without what was erased by hand;
    verdicts are as they would be rendered now. Masks that were drawn aren't in them."""
    end = min(start + MAX_FRAMES, summary.header.video.frames) if end is None else end
    if end - start > MAX_FRAMES:
        raise ApiError(
            422, f"These are more than {MAX_FRAMES} frames", "Ask for them in several requests."
        )
    if not start < end <= summary.header.video.frames:
        raise ApiError(
            422,
            f"There is nothing between these frames of {summary.header.video.frames}",
            "Give a start before its end within the video.",
        )
    now = as_seen(summary, here)
    with while_it_is_there(context, here):
        analysis = analysis_of(context, here)
        records = context.timelines.frames(here.id, analysis, start, end)
    return FramesView(frames=tuple(_views(now, records)))


@router.get("/projects/{project}/frames/{frame}", summary="Where everyone is in one frame")
def get_frame(
    here: CurrentProject,
    summary: CurrentSummary,
    context: CurrentContext,
    frame: Annotated[int, Path(ge=0, le=2**31, description="from 0")],
) -> FrameView:
    """As in `frames`."""
    if frame >= summary.header.video.frames:
        raise ApiError.missing("There is no such frame in this video")
    return list_frames(here, summary, context, frame, frame + 1).frames[0]


def _views(now: EditedTimeline, records: list[FrameRecord]) -> Iterator[FrameView]:
    header = now.header
    transform = GridTransform(header.video.display_size, header.grid)
    scale = np.array(transform.display) / np.array(transform.grid)
    owners = _owners(header)
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    for record in now.records(records):
        people = []
        for sighting in record.sightings:
            verdict, doubtful = _judged(tracklets[sighting.tracklet], record.index)
            people.append(
                SightingView(
                    tracklet=f"t{sighting.tracklet}",
                    person=_owner(owners[sighting.tracklet], record.index),
                    verdict=verdict,
                    doubtful=doubtful,
                    box=_whole(np.array(sighting.box).reshape(2, 2), scale),
                    outlines=tuple(_whole(line, scale) for line in outlines(sighting.mask)),
                )
            )
        yield FrameView(frame=record.index, people=tuple(people))


def _owners(header: Header) -> Mapping[int, list[tuple[int, int, str]]]:
    """By tracklet, whom it shows: first frame, one past the last, person."""
    owners: dict[int, list[tuple[int, int, str]]] = {t.id: [] for t in header.tracklets}
    for person in header.persons:
        for tracklet, start, end in person.spans:
            owners[tracklet].append((start, end, person.id))
        for tracklet in person.tracklets if not person.spans else ():
            owners[tracklet].append((0, header.video.frames, person.id))
    return owners


def _owner(owners: Sequence[tuple[int, int, str]], frame: int) -> str | None:
    return next((person for start, end, person in owners if start <= frame < end), None)


def _judged(tracklet: Tracklet, frame: int) -> tuple[Decision, bool]:
    for verdict in tracklet.verdicts:
        if verdict.start <= frame < verdict.end:
            return verdict.decision, verdict.evidence.kind is EvidenceKind.DOUBT
    return Decision.MASK, False


def _whole(points: NDArray[np.float64], scale: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple((points * scale).round().astype(int).ravel().tolist())
