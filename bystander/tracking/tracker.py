"""Detections of consecutive frames -> tracks with masks: predict, associate, update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance, as_boxes, box_areas, overlaps
from bystander.geometry.masks import Mask, union
from bystander.geometry.types import Box
from bystander.tracking.appearance import Histogram, Lab, colour_histogram, halved
from bystander.tracking.association import (
    Likelihoods,
    SwapRisk,
    assign,
    likelihoods,
    swap_risks,
)
from bystander.tracking.motion import Flow, Window
from bystander.tracking.ownership import frame_share, share_out, update_ownership
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import KNOWN_HITS, Detection, State, Track

APART_HEIGHTS: Final = 0.05
"""Two people are apart if so much of their height lies between their boxes: the network sees of
whom is half hidden only the half, and its box doesn't reach into the other's."""
CONTACT_SHARE: Final = 0.4
"""Two people are in contact when this share of the smaller box is shared."""
REMEMBERED_FRAMES: Final = 2
"""One frame of so many is remembered: those between look like their neighbours."""
UNCONTESTED_SHARE: Final = 0.1
"""Up to this share of contested pixels a mask tells what somebody looks like."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPerson:
    """One person in one frame.

    Attributes:
        track: id.
        detections: positions of the detections that show them, the main one first; none where
            their pixels were only followed by flow.
        mask: what is theirs.
        box: of what of it was detected, if anything was: what flow carries on trails behind.
        histogram: the main detection's colours.
        apart: nobody else was near.
    """

    track: int
    detections: tuple[int, ...]
    mask: Mask
    box: Box
    score: float
    histogram: Histogram | None
    apart: bool


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """Everyone in one frame.

    Attributes:
        risks: who may have been swapped with whom.
        hidden: tracks that are known to be behind somebody.
        ended: tracks that will not be seen again.
    """

    people: tuple[TrackedPerson, ...]
    risks: tuple[SwapRisk, ...]
    hidden: tuple[int, ...]
    ended: tuple[int, ...]


class Tracker:
    """Follows people through a video; `cut` between shots.

    It can be pickled, to go on in another process.

    Args:
        grid: width, height of the analysis grid.
        fps: frames per second.
        settings: how detections become tracks.
    """

    def __init__(
        self, grid: tuple[int, int], fps: float, settings: TrackingSettings | None = None
    ) -> None:
        self._grid, self._fps = grid, fps
        self._settings = settings or TrackingSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._remember_every = round(REMEMBERED_FRAMES / frame_share(fps))
        self.max_gap_frames = max(1, round(self._settings.max_gap * fps))

    def cut(self) -> tuple[int, ...]:
        """End every track: a new shot begins. Returns their ids."""
        ended = tuple(track.id for track in self._tracks)
        self._tracks = []
        return ended

    def step(
        self, frame: int, instances: Sequence[Instance], lab: Lab, flow: Flow | None
    ) -> TrackedFrame:
        """Take the next frame.

        Args:
            frame: its index, growing.
            instances: everyone detected, weak detections included.
            lab: it in CIELAB, uint8 [H, W, 3] at grid size, see `to_lab`.
            flow: from it to the frame before; None in a shot's first frame.
        """
        for track in self._tracks:
            if flow is None:
                track.predict(None, (0.0, 0.0))
            else:
                track.predict(flow.moved(track.ownership), flow.camera)
        detections = self._detections(instances, lab)
        fit = likelihoods(self._tracks, detections, frame, self._fps, self._settings)
        matches = assign(fit, detections, self._settings)
        risks = swap_risks(self._tracks, fit, matches, frame, self._settings)
        for row, column in matches.items():
            self._tracks[row].detections.append(detections[column])
        self._place_the_rest(frame, detections, fit, set(matches.values()))
        masks, contested = share_out(
            self._tracks, halved(lab), self._grid, flow, frame, self._fps, self._settings
        )
        people = [
            self._update(track, frame, masks.get(track.id), contested, lab)
            for track in self._tracks
        ]
        self._note_contacts(frame)
        self._find_out_who_is_not_hidden(frame)
        ended = tuple(track.id for track in self._tracks if self._is_over(track, frame))
        # Of whom nothing was left when they were first found, nobody knows anything.
        self._tracks = [track for track in self._tracks if track.hits and track.id not in ended]
        hidden = tuple(track.id for track in self._tracks if track.state is State.HIDDEN)
        seen = tuple(person for person in people if person is not None)
        return TrackedFrame(seen, tuple(risks), hidden, ended)

    def _detections(self, instances: Sequence[Instance], lab: Lab) -> list[Detection]:
        found = []
        boxes = as_boxes(instance.box for instance in instances)
        wider = as_boxes(_with_margin(instance.box) for instance in instances)
        near = np.count_nonzero(overlaps(wider, boxes) > 0, axis=1)
        for position, instance in enumerate(instances):
            mask = instance.mask.clipped(*self._grid)
            area = mask.area
            if area:
                apart = bool(near[position] <= 1)  # they themselves
                histogram = colour_histogram(lab, mask)
                found.append(Detection(position, instance, mask, area, histogram, apart))
        return found

    def _place_the_rest(
        self, frame: int, detections: Sequence[Detection], fit: Likelihoods, matched: set[int]
    ) -> None:
        """Detections that the matching left: parts of somebody, or people not seen before."""
        settings = self._settings
        rows = list(enumerate(self._tracks))
        left = sorted(set(range(len(detections))) - matched, key=lambda c: -detections[c].score)
        for column in left:
            detection = detections[column]
            inside = max(rows, key=lambda row: fit.inside[row[0], column], default=None)
            share = fit.inside[inside[0], column] if inside is not None else 0.0
            if inside is not None and share >= settings.part:
                owner = inside[1]
                if not owner.detections or detection.score < settings.whole_person:
                    owner.detections.append(detection)
                    continue
            covered = float(fit.inside[:, column].sum())
            known = covered >= 0.8 and detection.score < settings.whole_person
            if detection.score >= settings.new_track and not known:
                self._begin(frame, detection)

    def _begin(self, frame: int, detection: Detection) -> None:
        nothing = Window(0, 0, np.zeros((0, 0), dtype=np.float32))
        track = Track(
            id=self._next_id,
            box=detection.box,
            frame=frame,
            histogram=detection.histogram,
            whole=detection.box,
            whole_area=detection.area,
            ownership=nothing,
            detections=[detection],
        )
        self._next_id += 1
        self._tracks.append(track)

    def _update(
        self,
        track: Track,
        frame: int,
        mask: Mask | None,
        contested: NDArray[np.bool_],
        lab: Lab,
    ) -> TrackedPerson | None:
        """Take over what is theirs now; None if nothing is."""
        area = mask.area if mask is not None else 0
        if mask is None or area < track.least_area:
            track.mask = None
            if track.state is not State.LOST:  # whether they are, all boxes of the frame tell
                track.state = State.HIDDEN
            nothing = Mask(0, 0, np.zeros((0, 0), bool))
            update_ownership(track, nothing, contested, self._grid, self._fps, self._settings)
            return None
        track.mask = mask
        update_ownership(track, mask, contested, self._grid, self._fps, self._settings)
        if not track.detections:
            track.state = State.PROPAGATED
            x0, y0, x1, y1 = mask.box
            track.box = float(x0), float(y0), float(x1), float(y1)
            return TrackedPerson(track.id, (), mask, track.box, track.score, None, False)
        main = track.detections[0]
        track.score = main.score
        free = mask.without_pixels(contested)
        apart = main.apart and free.area >= (1 - UNCONTESTED_SHARE) * area
        detected = union(detection.mask for detection in track.detections)
        found = mask.without([mask.without([detected])])
        x0, y0, x1, y1 = found.box if found.area else mask.box
        box = float(x0), float(y0), float(x1), float(y1)
        track.see(frame, mask, box, main.histogram, apart)
        if frame % self._remember_every == 0 or track.hits <= 3:
            track.memory.add(lab, free, track.box)
        positions = tuple(detection.position for detection in track.detections)
        return TrackedPerson(
            track.id, positions, mask, track.box, main.score, main.histogram, apart
        )

    def _note_contacts(self, frame: int) -> None:
        places = as_boxes(track.place(frame) for track in self._tracks)
        areas = box_areas(places)
        both = overlaps(places, places)
        shares = both / np.maximum(np.minimum(areas[:, None], areas[None]), 1e-6)
        contact = shares >= CONTACT_SHARE
        np.fill_diagonal(contact, False)
        ids = np.array([track.id for track in self._tracks], dtype=np.int64)
        now = np.array([track.frame == frame for track in self._tracks], dtype=bool)
        # Not before both are seen: who is hidden may be anywhere.
        parted = (both == 0) & now[:, None] & now[None]
        for row, track in enumerate(self._tracks):
            if track.contacts:
                track.contacts.difference_update(ids[parted[row]].tolist())
            track.contacts.update(ids[contact[row]].tolist())

    def _find_out_who_is_not_hidden(self, frame: int) -> None:
        """Whoever was hidden, and isn't seen where nobody stands any more, is lost."""
        hidden = [track for track in self._tracks if track.state is State.HIDDEN]
        front = as_boxes(track.box for track in self._tracks if track.mask is not None)
        boxes = as_boxes(track.place(frame) for track in hidden)
        smaller = np.minimum(box_areas(boxes)[:, None], box_areas(front)[None])
        covered = overlaps(boxes, front) >= CONTACT_SHARE * np.maximum(smaller, 1e-6)
        for row, track in enumerate(hidden):
            if not covered[row].any():
                track.state = State.LOST

    def _is_over(self, track: Track, frame: int) -> bool:
        gap = frame - track.frame
        if track.state is not State.LOST and track.hits >= KNOWN_HITS:
            return gap >= self._settings.hidden_seconds * self._fps
        return gap >= self._settings.lost_seconds * self._fps


def _with_margin(box: Box) -> Box:
    x0, y0, x1, y1 = box
    margin = APART_HEIGHTS * (y1 - y0)
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin
