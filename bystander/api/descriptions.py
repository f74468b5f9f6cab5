"""Who is in a timeline, in the words and seconds that a client shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bystander.people.timeline import Header
from bystander.people.vocabulary import Decision, EvidenceKind, Person, Tracklet
from bystander.sheet import describe_people


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class SpanView(_View):
    """A stretch of time with one verdict, and why."""

    tracklet: str = Field(description="the appearance that it is a part of", examples=["t17"])
    start: float = Field(description="seconds, as a player shows them")
    end: float = Field(description="seconds, as a player shows them")
    verdict: Decision
    kind: EvidenceKind = Field(description="what the verdict rests on")
    reason: str = Field(description="in plain words", examples=["6 faces agree"])
    similarity: float = Field(description="of the deciding faces, cosine, -1 to 1; 0 without any")
    samples: int = Field(description="how many faces agree")
    doubtful: bool = Field(description="something spoke for keeping, but not clearly enough")


class TrackletView(_View):
    """One appearance of a person, within one shot."""

    id: str = Field(examples=["t17"])
    start: float = Field(description="seconds, as a player shows them")
    end: float = Field(description="seconds, as a player shows them")
    picture: str | None = Field(description="where a small picture is")


class PointView(_View):
    """A click of the analysis that meant this person."""

    seconds: float = Field(description="from the video's first frame, as the click gave them")
    x: float = Field(description="display pixels")
    y: float = Field(description="display pixels")


class PersonView(_View):
    """Somebody in the video."""

    id: str = Field(examples=["p2"])
    name: str | None = Field(description="of whom the photos show; null for a bystander")
    verdict: Literal["keep", "mask", "mixed"]
    analysis: Literal["keep", "mask", "mixed"] = Field(
        description="the verdict of the analysis, without decisions by hand"
    )
    kind: EvidenceKind = Field(description="what the leading verdict rests on")
    reason: str = Field(description="in plain words", examples=["nothing speaks for keeping"])
    similarity: float = Field(description="of the deciding faces, cosine, -1 to 1; 0 without any")
    samples: int = Field(description="how many faces agree")
    seconds: float = Field(description="time in the picture")
    first: float = Field(description="when they are first there: seconds, as a player shows them")
    doubtful: bool = Field(description="a part of their time should be looked at by a person")
    review: int = Field(description="in which order to look at people, from 1", ge=1)
    picture: str | None = Field(description="where a small picture is")
    clip: str = Field(description="where a short video of them is")
    pointed_at: tuple[PointView, ...] = Field(description="clicks that meant them")
    spans: tuple[SpanView, ...]
    tracklets: tuple[TrackletView, ...]


def describe(
    header: Header,
    pictured: Mapping[int, object],
    address: str,
    analysed: Header | None = None,
    times: NDArray[np.float64] | None = None,
) -> list[PersonView]:
    """Everyone in the timeline, in its order: who is longest in the picture first.

    Args:
        header: of the timeline, with the verdicts to be told.
        pictured: has the ids of the tracklets of which there is a picture.
        address: of the project, "/v1/projects/3f2a"; pictures and clips are found under it.
        analysed: the same timeline with the verdicts of the analysis, where these are others.
        times: when a player shows each frame, and the end of the last one: seconds, [F + 1];
            by default frames are evenly spaced from 0 on.
    """
    times = header.even_times() if times is None else times
    owned = {tracklet.id: tracklet for tracklet in header.tracklets}
    rows = {str(row["id"]): row for row in describe_people(header)}
    spans = {p.id: _spans([owned[t] for t in p.tracklets], times) for p in header.persons}
    found = {tracklet.id: tracklet for tracklet in (analysed or header).tracklets}
    order = sorted(header.persons, key=lambda p: _urgency(p, spans[p.id]))
    turn = {person.id: number for number, person in enumerate(order, 1)}
    people = []
    for person in header.persons:
        row, here = rows[person.id], spans[person.id]
        shown = any(tracklet in pictured for tracklet in person.tracklets)
        people.append(
            PersonView.model_validate(
                {
                    **{k: row[k] for k in ("id", "reason", "similarity", "samples", "seconds")},
                    "pointed_at": row["pointed_at"],
                    "name": person.name,
                    "kind": row["evidence"],
                    "verdict": _verdict(here),
                    "analysis": _verdict(_spans([found[t] for t in person.tracklets], times)),
                    "first": min(span.start for span in here),
                    "doubtful": any(span.doubtful for span in here),
                    "review": turn[person.id],
                    "picture": f"{address}/people/{person.id}/picture" if shown else None,
                    "clip": f"{address}/people/{person.id}/clip",
                    "spans": here,
                    "tracklets": [
                        _appearance(owned[t], times, t in pictured, address)
                        for t in person.tracklets
                    ],
                }
            )
        )
    return people


def picture_of(header: Header, person: str, pictures: Mapping[int, bytes]) -> bytes | None:
    """The picture of a person's largest appearance that has one; JPEG."""
    owned = {tracklet.id: tracklet for tracklet in header.tracklets}
    for candidate in header.persons:
        if candidate.id == person:
            largest_first = sorted(candidate.tracklets, key=lambda t: -owned[t].height)
            return next((pictures[t] for t in largest_first if t in pictures), None)
    return None


def _spans(tracklets: Sequence[Tracklet], times: NDArray[np.float64]) -> list[SpanView]:
    """All verdicts, in the order of time."""
    spans = [
        SpanView(
            tracklet=f"t{tracklet.id}",
            start=_seconds(verdict.start, times),
            end=_seconds(verdict.end, times),
            verdict=verdict.decision,
            kind=verdict.evidence.kind,
            reason=verdict.evidence.reason,
            similarity=round(verdict.evidence.similarity, 3),
            samples=verdict.evidence.samples,
            doubtful=verdict.evidence.kind is EvidenceKind.DOUBT,
        )
        for tracklet in tracklets
        for verdict in tracklet.verdicts
    ]
    return sorted(spans, key=lambda span: (span.start, span.tracklet))


def _verdict(spans: Sequence[SpanView]) -> str:
    decisions = {span.verdict for span in spans}
    return "mixed" if len(decisions) > 1 else decisions.pop().value


def _urgency(person: Person, spans: Sequence[SpanView]) -> tuple[int, float]:
    """Doubtful people first, then those who are shown for a part, for all, for none of the
    time: a mistake with the first ones is likelier, one with the next ones shows somebody."""
    if any(span.doubtful for span in spans):
        rank = 0
    else:
        rank = ("mixed", "keep", "mask").index(_verdict(spans)) + 1
    return rank, -person.seconds


def _appearance(
    tracklet: Tracklet, times: NDArray[np.float64], pictured: bool, address: str
) -> TrackletView:
    name = f"t{tracklet.id}"
    return TrackletView(
        id=name,
        start=_seconds(tracklet.start, times),
        end=_seconds(tracklet.end, times),
        picture=f"{address}/tracklets/{name}/picture" if pictured else None,
    )


def _seconds(frame: int, times: NDArray[np.float64]) -> float:
    """When a frame is shown; of the one past the last, when that ends."""
    return round(float(times[frame]), 3)
