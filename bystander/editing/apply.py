"""A timeline and edits -> the timeline that they make of it.

Verdicts, merges, splits and what is erased change the header; drawn masks, zones and pixels that
are given to somebody become tracklets of their own, seen in every frame and decided by hand, so
that rendering, the audit and the people's list need to know nothing of edits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bystander.editing.document import (
    AcceptEdit,
    DrawnEdit,
    Edits,
    EraseEdit,
    LookEdit,
    MaskEdit,
    MergeEdit,
    OwnEdit,
    SplitEdit,
    VerdictEdit,
    ZoneEdit,
)
from bystander.editing.drawn import DrawnShape, MaskPath
from bystander.editing.shapes import Motion, box_of, outline, rasterised
from bystander.errors import InvalidEdits
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.masks import Mask
from bystander.timeline.header import Header, decided
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Look,
    Origin,
    Person,
    Sighting,
    Tracklet,
    Verdict,
)

Span = tuple[int, int, int]
"""A tracklet, its first frame, and one past the last."""


@dataclass(slots=True)
class _Plan:
    """What to do to the frames.

    Attributes:
        erased: frames of tracklets that are taken out, [first, one past the last).
        drawn: tracklets to be drawn, each with its shape.
        given: tracklets of pixels that are given to somebody: the spans of that somebody's
            tracklets, who keep them, and its shape; the later one has a pixel.
        clear: corners of zones that are clear, with their frames.
    """

    erased: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    drawn: dict[int, DrawnShape] = field(default_factory=dict)
    given: dict[int, tuple[Sequence[Span], DrawnShape]] = field(default_factory=dict)
    clear: list[tuple[int, int, Mask]] = field(default_factory=list)


class EditedTimeline:
    """What edits make of a timeline.

    Args:
        header: of the timeline.
        times: when each frame is shown and the last one ends, seconds: `Timeline.times`.
        edits: in the order in which they count.
        paths: where each drawn mask that is followed goes, by its number among the edits.
        sketch: check everything, but draw nothing but keys: where `records` aren't wanted.

    Attributes:
        header: with everything that the edits change.
        loosened: sentences on what may be seen now that was masked before.

    Raises:
        InvalidEdits: somebody isn't there, a time is none of the video, a shape beside the picture.
    """

    def __init__(
        self,
        header: Header,
        times: NDArray[np.float64],
        edits: Edits,
        paths: Mapping[int, MaskPath] | None = None,
        *,
        sketch: bool = False,
    ) -> None:
        self.header = header
        self._sketch = sketch
        self.loosened: list[str] = []
        self._times = times - times[0]
        self._grid = header.grid
        self._transform = GridTransform(header.video.display_size, header.grid)
        self._plan = _Plan()
        self._last_drawn: dict[int, tuple[NDArray[np.float64], Mask]] = {}
        self._tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
        self._analysed = {f"t{t.id}": (t.id, t.start, t.end) for t in header.tracklets}
        self._unused = max((t.id for t in header.tracklets), default=0) + 1
        self._unused_person = max((int(p.id[1:]) for p in header.persons), default=0) + 1
        owned: list[tuple[str, OwnEdit, Sequence[Span], DrawnShape]] = []
        for number, edit in enumerate(edits.edits):
            where = f"edit {number + 1} ({edit.kind})"
            match edit:
                case VerdictEdit():
                    self._decide(where, edit)
                case EraseEdit():
                    self._erase(where, edit)
                case LookEdit():
                    self._dress(where, edit)
                case MergeEdit():
                    self._merge(where, edit)
                case ZoneEdit():
                    self._zone(where, edit)
                case SplitEdit():
                    self._split(where, edit)
                case MaskEdit():
                    self._add(self._shape(where, edit, (paths or {}).get(number)), Decision.MASK)
                case OwnEdit():
                    spans = self._named(where, edit.who)
                    shape = self._shape(where, edit, (paths or {}).get(number))
                    owned.append((where, edit, spans, shape))
                case AcceptEdit():
                    self._frame_at(where, edit.finding.seconds)
        self._give(owned)
        self.header = replace(self.header, tracklets=tuple(self._tracklets.values()))

    def records(self, records: Iterable[FrameRecord]) -> Iterator[FrameRecord]:
        """The timeline's frames, edited."""
        for record in records:
            yield self._edited(record)

    def changes(self, first: int, last: int) -> bool:
        """Whether any frame from `first` to before `last` has other masks than before."""
        return any(start < last and first < end for start, end in self._changed)

    @cached_property
    def _changed(self) -> Sequence[tuple[int, int]]:
        plan = self._plan
        shapes = [*plan.drawn.values(), *(shape for _, shape in plan.given.values())]
        return [
            *(span for spans in plan.erased.values() for span in spans),
            *(shape.span for shape in shapes),
            *((start, end) for start, end, _ in plan.clear),
        ]

    def _edited(self, record: FrameRecord) -> FrameRecord:
        plan, frame = self._plan, record.index
        sightings = [
            s
            for s in record.sightings
            if not any(a <= frame < b for a, b in plan.erased.get(s.tracklet, ()))
        ]
        for tracklet, (spans, shape) in plan.given.items():
            if frame in shape:
                sightings = self._given(sightings, frame, tracklet, spans, shape.at(frame))
        clear = [mask for a, b, mask in plan.clear if a <= frame < b]
        if clear:
            cut = [replace(s, mask=s.mask.without(clear)) for s in sightings]
            sightings = [s for s in cut if s.mask.area]
        for tracklet, shape in plan.drawn.items():
            if frame in shape:
                corners, mask = self._rasterised(tracklet, shape, frame)
                if mask.area:
                    sightings.append(_sighting(tracklet, corners, mask))
        return replace(record, sightings=tuple(sightings))

    def _rasterised(
        self, tracklet: int, shape: DrawnShape, frame: int
    ) -> tuple[NDArray[np.float64], Mask]:
        """A shape's corners and mask in a frame; as in the frame before where it hasn't moved."""
        corners = shape.at(frame)
        before = self._last_drawn.get(tracklet)
        if before is None or not np.array_equal(before[0], corners):
            before = self._last_drawn[tracklet] = corners, rasterised(corners, self._grid)
        return before

    def _given(
        self,
        sightings: Sequence[Sighting],
        frame: int,
        tracklet: int,
        spans: Sequence[Span],
        corners: NDArray[np.float64],
    ) -> list[Sighting]:
        """The sightings of a frame, of which one more has what a shape covers.

        It is a sighting of its own, as nothing else of its person's may count as seen by that.
        """
        mask = rasterised(corners, self._grid)
        if not mask.area:
            return list(sightings)
        own = {number for number, start, end in spans if start <= frame < end}
        cut = [
            s if s.tracklet in own else replace(s, mask=s.mask.without([mask])) for s in sightings
        ]
        return [*(s for s in cut if s.mask.area), _sighting(tracklet, corners, mask)]

    def _decide(self, where: str, edit: VerdictEdit) -> None:
        first, last = self._frames(where, edit.start, edit.end)
        for number, start, end in self._named(where, edit.who):
            start, end = max(start, first), min(end, last)
            if start < end:
                tracklet = self._tracklets[number]
                self._tracklets[number] = decided(tracklet, start, end, edit.decision)
        if edit.decision is Decision.KEEP:
            self.loosened.append(f"{where}: {edit.who} may be seen")

    def _dress(self, where: str, edit: LookEdit) -> None:
        first, last = self._frames(where, edit.start, edit.end)
        number, look = len(self.header.looks), Look(edit.color, edit.picture)
        self.header = replace(self.header, looks=(*self.header.looks, look))
        for tracklet, start, end in self._named(where, edit.who):
            span = max(start, first), min(end, last), number
            old = self._tracklets[tracklet]
            self._tracklets[tracklet] = replace(old, looks=(*old.looks, span))

    def _erase(self, where: str, edit: EraseEdit) -> None:
        first, last = self._frames(where, edit.start, edit.end)
        for number, start, end in self._named(where, edit.who):
            span = max(start, first), min(end, last)
            if span[0] < span[1]:
                self._plan.erased.setdefault(number, []).append(span)
        self.loosened.append(f"{where}: nothing is drawn over {edit.who}")

    def _merge(self, where: str, edit: MergeEdit) -> None:
        known = {person.id: person for person in self.header.persons}
        if missing := [id_ for id_ in edit.persons if id_ not in known]:
            raise InvalidEdits(f"{where}: {missing[0]} is nobody in this timeline", _SEE_PEOPLE)
        parts = [known[id_] for id_ in dict.fromkeys(edit.persons)]
        first = parts[0]
        spans: tuple[Span, ...] = ()
        if any(part.spans for part in parts):
            spans = tuple(span for part in parts for span in self._spans(part))
        merged = replace(
            first,
            name=next((part.name for part in parts if part.name), None),
            tracklets=tuple(t for part in parts for t in part.tracklets),
            seconds=sum(part.seconds for part in parts),
            spans=spans,
        )
        gone = {part.id for part in parts[1:]}
        self.header = replace(
            self.header,
            persons=tuple(
                merged if person.id == first.id else person
                for person in self.header.persons
                if person.id not in gone
            ),
        )

    def _zone(self, where: str, edit: ZoneEdit) -> None:
        first, last = self._frames(where, edit.start, edit.end)
        corners = self._inside(where, outline(edit.shape, self._transform))
        if edit.decision is Decision.KEEP:
            self._plan.clear.append((first, last, rasterised(corners, self._grid)))
            self.loosened.append(f"{where}: whoever is in it may be seen")
        last = min(last, first + 1) if self._sketch else last
        self._add(DrawnShape([corners], MaskPath.standing([first], first, last)), edit.decision)

    def _shape(self, where: str, edit: DrawnEdit, path: MaskPath | None) -> DrawnShape:
        """A drawn shape, and where it goes."""
        first, last = self._frames(where, edit.start, edit.end)
        keys, at = self.corners(where, edit), self.keys_within(where, edit, first, last)
        if self._sketch:
            path = MaskPath.of({frame: (key, Motion()) for key, frame in enumerate(at)})
        elif path is None:
            path = MaskPath.standing(at, first, last)
        return DrawnShape(keys, path.within(first, last))

    def key_frames(self, where: str, edit: DrawnEdit) -> list[int]:
        """The frames in which a mask was drawn.

        Raises:
            InvalidEdits: one lies after the video's end; two are in the same frame.
        """
        at = [self._frame_at(where, key.seconds) for key in edit.keys]
        for number, (one, other) in enumerate(pairwise(at)):
            if one == other:
                seconds = edit.keys[number + 1].seconds
                raise InvalidEdits(
                    f"{where}: two of its keys are in the frame of {seconds:g} s",
                    "Draw it once in a frame.",
                )
        return at

    def keys_within(self, where: str, edit: DrawnEdit, first: int, last: int) -> list[int]:
        """The frames in which a mask was drawn that may be in those from `first` to before `last`.

        Raises:
            InvalidEdits: one lies elsewhere, or as `key_frames`.
        """
        at = self.key_frames(where, edit)
        if not all(first <= frame < last for frame in at):
            raise InvalidEdits(
                f"{where}: it is drawn at a time when it isn't there", "Draw it within its time."
            )
        return at

    def frames(self, where: str, edit: DrawnEdit) -> tuple[int, int]:
        """The first frame that a drawn mask may be in, and the one after the last.

        Raises:
            InvalidEdits: it begins after the video's end.
        """
        return self._frames(where, edit.start, edit.end)

    def corners(self, where: str, edit: DrawnEdit) -> list[NDArray[np.float64]]:
        """Of each key of a drawn mask: float64 [N, 2], grid pixels.

        Raises:
            InvalidEdits: it lies beside the picture.
        """
        return [self._inside(where, outline(key.shape, self._transform)) for key in edit.keys]

    def _split(self, where: str, edit: SplitEdit) -> None:
        known = {person.id: person for person in self.header.persons}
        if edit.who not in known:
            raise InvalidEdits(f"{where}: {edit.who} is nobody in this timeline", _SEE_PEOPLE)
        person = known[edit.who]
        away = {int(given[1:]) for given in edit.tracklets}
        theirs = {*person.tracklets, *(tracklet for tracklet, _, _ in person.spans)}
        if others := sorted(away - theirs):
            raise InvalidEdits(
                f"{where}: t{others[0]} is no appearance of {edit.who}",
                "Name appearances that 'bystander people TIMELINE' lists with this person.",
            )
        gone = self._part_of(person, away, f"p{self._unused_person}", None)
        left = self._part_of(person, theirs - away, person.id, person.name)
        if not gone.tracklets or not left.tracklets:
            which = "all" if not left.tracklets else "none that is wholly"
            raise InvalidEdits(
                f"{where}: these are {which} of the appearances of {edit.who}",
                "Name some of a person's appearances, and not all of them.",
            )
        self._unused_person += 1
        persons = (left if one.id == person.id else one for one in self.header.persons)
        self.header = replace(self.header, persons=(*persons, gone))

    def _part_of(self, person: Person, tracklets: set[int], id_: str, name: str | None) -> Person:
        """A person who has some of another's appearances."""
        ids = tuple(number for number in person.tracklets if number in tracklets)
        frames = sum(t.end - t.start for t in self.header.tracklets if t.id in ids)
        spans = tuple(span for span in person.spans if span[0] in tracklets)
        return Person(id_, name, ids, round(frames / self.header.video.rate, 2), spans)

    def _give(self, owned: Sequence[tuple[str, OwnEdit, Sequence[Span], DrawnShape]]) -> None:
        """A tracklet for each that is somebody's, decided in each frame as they are.

        Last of all edits, whatever was said of that somebody after it.
        """
        by_id = self._tracklets
        of_whom: dict[tuple[Span, ...], NDArray[np.bool_]] = {}
        for where, edit, spans, shape in owned:
            if not shape.frames:
                continue
            whom = tuple(spans)
            if whom not in of_whom:
                parts = [(by_id[number], start, end) for number, start, end in whom]
                of_whom[whom] = _masked_frames(parts, self.header.video.frames)
            masked = of_whom[whom]
            evidence = Evidence(EvidenceKind.USER, reason=f"given to {edit.who} by hand")
            verdicts = [
                Verdict(start, end, decision, evidence)
                for start, end, decision in _runs(masked, *shape.span)
            ]
            height = max(by_id[number].height for number, _, _ in whom)
            self._plan.given[self._add_tracklet(shape, verdicts, height)] = spans, shape
            # Where it is followed to isn't known to a sketch.
            first, last = self._frames(where, edit.start, edit.end) if self._sketch else shape.span
            if not masked[first:last].all():
                self.loosened.append(f"{where}: what it covers may be seen where {edit.who} may")

    def _add(self, shape: DrawnShape, decision: Decision) -> None:
        """A tracklet by hand."""
        if not shape.frames:
            return
        evidence = Evidence(EvidenceKind.USER, reason="drawn by hand")
        verdict = Verdict(*shape.span, decision, evidence)
        self._plan.drawn[self._add_tracklet(shape, [verdict])] = shape

    def _add_tracklet(
        self, shape: DrawnShape, verdicts: Sequence[Verdict], least_height: float = 0.0
    ) -> int:
        """A tracklet that is where a shape is; its id.

        Args:
            least_height: display pixels.
        """
        number, self._unused = self._unused, self._unused + 1
        start, end = shape.span
        height = round(max(least_height, shape.height * self._transform.display_per_grid), 1)
        shots = [n for n, shot in enumerate(self.header.shots) if shot.start <= start < shot.end]
        # It may be a face alone: cells are as large as a face of its height asks for.
        masked = any(verdict.decision is Decision.MASK for verdict in verdicts)
        tracklet = Tracklet(
            id=number,
            shot=shots[0] if shots else 0,
            start=start,
            end=end,
            seen=shape.frames,
            height=height,
            face=height if masked else None,
            verdicts=tuple(verdicts),
        )
        self._tracklets[number] = tracklet
        return number

    def _named(self, where: str, who: str) -> Sequence[Span]:
        """Everything of the analysis that an id names; what was drawn isn't named."""
        if who in self._analysed:
            return [self._analysed[who]]
        for person in self.header.persons:
            if person.id == who:
                return self._spans(person)
        raise InvalidEdits(f"{where}: {who} is nobody in this timeline", _SEE_PEOPLE)

    def _spans(self, person: Person) -> Sequence[Span]:
        return person.spans or [self._analysed[f"t{number}"] for number in person.tracklets]

    def _frames(self, where: str, start: float | None, end: float | None) -> tuple[int, int]:
        """First frame and one past the last that are shown in a while."""
        first = 0 if start is None else self._frame_at(where, start)
        last = self.header.video.frames
        if end is not None:
            last = min(last, bisect_left(self._times, end - 1e-6))
        return first, max(first, last)

    def _frame_at(self, where: str, seconds: float) -> int:
        if seconds >= self._times[-1]:
            raise InvalidEdits(
                f"{where}: {seconds:g} s lies after the end of the video ({self._times[-1]:.2f} s)",
                "Give a time within the video, in seconds.",
            )
        return max(0, int(np.searchsorted(self._times, seconds + 1e-6, side="right")) - 1)

    def _inside(self, where: str, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        if not rasterised(corners, self._grid).area:
            width, height = self._transform.display
            raise InvalidEdits(
                f"{where}: its shape lies beside the picture, or has no area "
                f"(the video is shown as {width}x{height} pixels)",
                "Give pixels of the video as it is displayed.",
            )
        return corners


_SEE_PEOPLE = "See who is with 'bystander people TIMELINE'; ids look like p2 or t17."


def _sighting(tracklet: int, corners: NDArray[np.float64], mask: Mask) -> Sighting:
    return Sighting(tracklet, box_of(corners), 1.0, mask, Origin.SEEN)


def _masked_frames(parts: Sequence[tuple[Tracklet, int, int]], count: int) -> NDArray[np.bool_]:
    """Whether somebody is masked, in each frame of the video: bool [F].

    They are where any appearance of theirs is; in a frame without one, as in the nearest that
    has one.

    Args:
        parts: of their tracklets, first frame and one past the last.
        count: of frames.
    """
    frames = np.arange(count)
    nearest = np.full(count, np.iinfo(np.int64).max)
    masked = np.ones(count, dtype=bool)
    if all(v.decision is Decision.MASK for tracklet, _, _ in parts for v in tracklet.verdicts):
        return masked
    for tracklet, start, end in parts:
        if start >= end:
            continue
        theirs = np.ones(end - start, dtype=bool)
        for verdict in tracklet.verdicts:
            if verdict.decision is Decision.KEEP:
                theirs[max(0, verdict.start - start) : max(0, verdict.end - start)] = False
        at = np.clip(frames, start, end - 1)
        distance, is_masked = np.abs(frames - at), theirs[at - start]
        masked = np.where(distance == nearest, masked | is_masked, masked)
        masked = np.where(distance < nearest, is_masked, masked)
        nearest = np.minimum(nearest, distance)
    return masked


def _runs(masked: NDArray[np.bool_], first: int, last: int) -> Iterator[tuple[int, int, Decision]]:
    """Runs of the same decision from `first` to before `last`."""
    cuts = np.flatnonzero(np.diff(masked[first:last])) + 1 + first
    for start, end in pairwise([first, *cuts.tolist(), last]):
        yield start, end, Decision.MASK if masked[start] else Decision.KEEP
