"""From what the networks saw to who was where: links instances, gathers evidence.

The one place that knows the order of things within a frame: faces are given to
silhouettes, faces without one become instances of their own, instances are linked
to tracklets, evidence goes into their dossiers, gaps are filled, and masks are made final.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import SelectionError
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask
from bystander.identity.segments import FaceSample
from bystander.models import Models
from bystander.models.face_model import quality
from bystander.timeline.types import FrameRecord, Origin, PointedAt, Shot, Sighting
from bystander.tracking.clicks import Click, choose
from bystander.tracking.evidence import EvidenceStore
from bystander.tracking.face_assignment import assign_face, head_and_shoulders
from bystander.tracking.frames import AnalysisFrame, Detections
from bystander.tracking.interpolation import GapFiller, GapFillerSettings, MaskFinalizer
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.tracker import TrackedPerson, Tracker

PICTURE_HEIGHT_PX: Final = 192
MARGIN_SHARE: Final = 0.1
"""Of somebody's height, what is shown around them in the picture of a click."""
MIN_BODY_HEIGHT_PX: Final = 24
"""Height in pixels of the detailed view below which a crop says nothing."""
MIN_FACE_QUALITY: Final = 0.05
"""Faces below this quality aren't worth embedding: profiles, smears, a few pixels."""
CLEARLY_BETTER: Final = 1.2
"""A picture of somebody gives way to one that is so many times as good."""
MIN_LONE_FACE_SCORE: Final = 0.6
"""A face without a body counts from this score on: below, walls and bags pass for faces."""


@dataclass(slots=True)
class _Thumbnail:
    """The best picture of a tracklet so far, JPEG."""

    worth: float
    jpeg: bytes


class FrameAnalyzer:
    """Follows everyone through the video, frame by frame.

    Args:
        transform: from display pixels to the analysis grid.
        fps: average frames per second.
        tick: seconds per tick of the source's time base.
        models: embeds faces and bodies.
        tracking, filling: see there.
        clicks: people to keep by pointing.
        first_pts: of the video's first frame; None: the first one given is it.
        forgiving: a click that hits nobody is told in `misses`, not raised: another part of the
            video has the same frame.

    It can be pickled, to go on in another process, but for `models`: those are to be set again.
    """

    models: Models

    def __init__(
        self,
        transform: GridTransform,
        fps: float,
        tick: float,
        models: Models,
        tracking: TrackingSettings,
        filling: GapFillerSettings,
        clicks: Sequence[Click] = (),
        first_pts: int | None = None,
        forgiving: bool = False,
    ) -> None:
        self.fps = fps
        self.evidence = EvidenceStore(transform.display_per_grid)
        self.shots: list[Shot] = []
        self.models = models
        self._transform, self._tick = transform, tick
        self._grid = grid = transform.grid
        self._tracker = Tracker(grid, fps, tracking)
        self._filler = GapFiller(
            grid,
            self._tracker.max_gap_frames,
            round(filling.extension * fps),
            round(filling.face_extension * fps),
            round(filling.edge_extension * fps),
            round(filling.shot_extension * fps),
        )
        self._finalizer = MaskFinalizer()
        self.pointed: list[tuple[PointedAt, bytes]] = []
        """Whom the clicks meant, in the order of time, and a JPEG of them then."""
        self._clicks = sorted(clicks, key=lambda click: click.seconds)
        self._clicked: dict[int, NDArray[np.uint8]] = {}
        self._latest: AnalysisFrame | None = None
        self.misses: list[tuple[float, SelectionError]] = []
        """Seconds of clicks that meant nobody, and why."""
        self._forgiving = forgiving
        self._first_pts = first_pts
        self._previous: FrameRecord | None = None
        self._portraits: dict[int, _Thumbnail] = {}
        self.frames = 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "models"}

    def take(self, seen: Detections) -> Iterator[FrameRecord]:
        """Add the next frame; gives back the frames that are complete."""
        view = seen.view
        self.frames = view.index + 1
        self._keep_clicked(view)
        if view.cut:
            self._tracker.cut()
            yield from self._completed(self._filler.flush())
            self._begin_shot(view.index)
        instances = list(seen.instances)
        owners = self._give_faces(seen, instances)
        tracked = self._tracker.step(view.index, instances, seen.lab, seen.flow)
        first_drawn = len(seen.instances)
        for risk in tracked.risks:
            self.evidence.doubt(risk.track, risk.other, risk.frame, risk.probability)
        sightings = [self._take_in(person, view.index, first_drawn) for person in tracked.people]
        if view.detail is not None:
            self._gather(view, view.detail, seen.faces, owners, tracked.people)
        followed = {person.track for person in tracked.people if not person.detections}
        completed = self._filler.push(
            view.index, view.pts, sightings, tracked.ended, tracked.hidden, followed
        )
        yield from self._completed(completed)

    def _take_in(self, person: TrackedPerson, frame: int, first_drawn: int) -> Sighting:
        """One person of this frame: into their dossier, and as a sighting.

        Args:
            first_drawn: detections from this position on were drawn from faces.
        """
        self.evidence.open(person.track, len(self.shots) - 1, frame)
        box = person.box
        if not person.detections:
            return Sighting(person.track, box, person.score, person.mask, Origin.FILLED)
        stretch = self.evidence.dossiers[person.track].stretches[-1]
        stretch.see(frame, box)
        if person.histogram is not None:
            stretch.add_colours(person.histogram, person.apart)
        origin = Origin.FACE if person.detections[0] >= first_drawn else Origin.SEEN
        return Sighting(person.track, box, person.score, person.mask, origin)

    def finish(self) -> Iterator[FrameRecord]:
        """End the video; gives back the last frames.

        Raises:
            SelectionError: a click hit nobody, or lies after the end.
        """
        yield from self._completed(self._filler.flush())
        yield from self._finalizer.flush()
        if self.shots:
            self.shots[-1] = Shot(self.shots[-1].start, self.frames)
        if self._previous is not None:
            self._answer_clicks(self._previous, float("inf"))
        self._settle_clicks()

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """A small JPEG of each tracklet."""
        for tracklet, portrait in sorted(self._portraits.items()):
            yield tracklet, portrait.jpeg

    def worths(self) -> dict[int, float]:
        """How good each tracklet's picture is, by tracklet; larger is better."""
        return {tracklet: portrait.worth for tracklet, portrait in self._portraits.items()}

    def _begin_shot(self, index: int) -> None:
        if self.shots:
            self.shots[-1] = Shot(self.shots[-1].start, index)
        self.shots.append(Shot(index, index))

    def _completed(self, records: Iterable[FrameRecord]) -> Iterator[FrameRecord]:
        for record in records:
            self.evidence.count(record)
            if self._previous is not None:
                self._answer_clicks(self._previous, self._seconds(record.pts))
            self._previous = record
            yield from self._finalizer.push(record)

    def _seconds(self, pts: int) -> float:
        """Since the first frame."""
        return (pts - (self._first_pts or 0)) * self._tick

    def _keep_clicked(self, view: AnalysisFrame) -> None:
        """Hold the picture of the frame before `view` if a click belongs to it.

        Frames are completed much later, and pictures aren't kept until then.
        """
        if self._first_pts is None:
            self._first_pts = view.pts
        before, self._latest = self._latest, view if self._clicks else None
        if before is None:
            return
        since, until = self._seconds(before.pts), self._seconds(view.pts)
        if any(since - 1e-6 <= click.seconds < until - 1e-6 for click in self._clicks):
            self._clicked[before.index] = before.grid

    def _answer_clicks(self, record: FrameRecord, until: float) -> None:
        """Clicks between this frame's time and the next one's (`until`) belong to it."""
        while self._clicks and self._clicks[0].seconds < until - 1e-6:
            click = self._clicks.pop(0)
            end = self._seconds(record.pts) + 1 / max(self.fps, 1e-6)
            if until == float("inf") and click.seconds > end + 0.5:
                raise SelectionError(
                    f"--keep-at {click.seconds:g}:{click.x:g},{click.y:g} lies after the end of "
                    f"the video ({end:.2f} s)",
                    "Give a time within the video, in seconds.",
                )
            frame = self._clicked.get(record.index)
            if frame is None:
                assert self._latest is not None  # the last frame
                frame = self._latest.grid
            looks = {
                sighting.tracklet: self.evidence.dossiers[sighting.tracklet]
                .stretch(record.index)
                .colours
                for sighting in record.sightings
            }
            try:
                chosen = choose(click, record, frame, looks, self._transform)
            except SelectionError as error:
                if not self._forgiving:
                    raise
                self.misses.append((click.seconds, error))
                continue
            where = PointedAt(click.seconds, click.x, click.y, record.index, chosen.tracklet)
            self.pointed.append((where, _jpeg(_cut_out(frame, chosen))))
        self._clicked.pop(record.index, None)

    def _settle_clicks(self) -> None:
        """Tell the dossiers. Only at the end: where somebody may have been swapped is found
        out later, too, and a click speaks for the stretch in which the person was seen."""
        for at, _ in self.pointed:
            name = Click(at.seconds, at.x, at.y).name
            self.evidence.dossiers[at.tracklet].stretch(at.frame).clicks.append(name)

    def _give_faces(self, seen: Detections, instances: list[Instance]) -> list[int | None]:
        """Which instance each face belongs to; faces without one are added to `instances`."""
        detail = seen.view.detail
        if detail is None:
            return []
        scale = self._grid[0] / detail.shape[1]
        owners: list[int | None] = []
        for face in seen.faces:
            x0, y0, x1, y1 = (v * scale for v in face.box)
            owner = assign_face((x0, y0, x1, y1), seen.instances)
            if owner in owners:
                owner = None  # two faces in one silhouette are two people
            if owner is not None:
                # Somebody is there for certain: tracking must not drop a faint silhouette.
                sure = max(instances[owner].score, face.score)
                instances[owner] = replace(instances[owner], score=sure)
            elif face.score >= MIN_LONE_FACE_SCORE:
                owner = len(instances)
                instances.append(head_and_shoulders(face, scale, self._grid))
            owners.append(owner)
        return owners

    def _gather(
        self,
        view: AnalysisFrame,
        detail: NDArray[np.uint8],
        faces: Sequence[Face],
        owners: Sequence[int | None],
        people: Sequence[TrackedPerson],
    ) -> None:
        """Take this frame's faces and bodies into the dossiers."""
        tracklet_of = {
            position: person.track for person in people for position in person.detections
        }
        to_display = self._transform.display[0] / detail.shape[1]
        best: dict[int, Face] = {}
        for face, owner in zip(faces, owners, strict=True):
            if owner in tracklet_of and (owner not in best or face.score > best[owner].score):
                best[owner] = face
        wanted: list[tuple[int, Face, float, float]] = []
        for owner, face in best.items():
            dossier = self.evidence.dossiers[tracklet_of[owner]]
            height = (face.box[3] - face.box[1]) * to_display
            dossier.face = max(height, dossier.face or 0.0)
            if face.box[2] - face.box[0] < self.models.faces.min_face:
                continue  # it is masked like any face, but says nothing about who it is
            worth = quality(face, detail)
            if worth >= MIN_FACE_QUALITY and dossier.stretches[-1].wants_face(worth):
                wanted.append((dossier.id, face, worth, height))
        if wanted:
            # Copied below: a row of the array would keep everybody else's rows in memory.
            embeddings = self.models.faces.embed(detail, [face for _, face, _, _ in wanted])
            for (tracklet, _, worth, height), embedding in zip(wanted, embeddings, strict=True):
                sample = FaceSample(view.index, embedding.copy(), worth, height)
                different = self.models.faces.thresholds.different
                self.evidence.add_face(tracklet, sample, different)

        crops, masks, stretches = [], [], []
        with_face = {tracklet_of[owner] for owner in best}
        for person in people:
            if not person.detections:
                continue
            tracklet = person.track
            stretch = self.evidence.dossiers[tracklet].stretches[-1]
            crop, mask = _crop(detail, person.mask, self._grid)
            if crop.shape[0] < MIN_BODY_HEIGHT_PX or crop.shape[1] < MIN_BODY_HEIGHT_PX // 2:
                continue
            self._portray(tracklet, crop, crop.shape[0] * (2.0 if tracklet in with_face else 1.0))
            if stretch.wants_body():
                crops.append(crop)
                masks.append(mask)
                stretches.append(stretch)
        if crops:
            bodies = self.models.bodies.embed(crops, masks)
            for stretch, body in zip(stretches, bodies, strict=True):
                stretch.add_body(body.copy())

    def _portray(self, tracklet: int, crop: NDArray[np.uint8], worth: float) -> None:
        held = self._portraits.get(tracklet)
        if held is not None and held.worth * CLEARLY_BETTER >= worth:
            return
        self._portraits[tracklet] = _Thumbnail(worth, _jpeg(crop))


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A small JPEG of uint8 [H, W, 3] RGB."""
    scale = min(1.0, PICTURE_HEIGHT_PX / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return jpeg.tobytes()


def _cut_out(frame: NDArray[np.uint8], sighting: Sighting) -> NDArray[np.uint8]:
    """Somebody with a little around them, from uint8 [H, W, 3] RGB at grid size."""
    x0, y0, x1, y1 = sighting.mask.clipped(frame.shape[1], frame.shape[0]).box
    margin = round(MARGIN_SHARE * (y1 - y0)) + 1
    return frame[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin]


def _crop(
    detail: NDArray[np.uint8], mask: Mask, grid: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One person cut out of the detailed view: uint8 [h, w, 3] RGB and bool [h, w]."""
    height, width = detail.shape[:2]
    scale_x, scale_y = width / grid[0], height / grid[1]
    mask = mask.clipped(*grid)
    x0, y0, x1, y1 = mask.box
    left, right = int(x0 * scale_x), min(width, round(x1 * scale_x))
    top, bottom = int(y0 * scale_y), min(height, round(y1 * scale_y))
    crop = detail[top:bottom, left:right]
    if crop.size == 0:
        return crop, np.zeros(crop.shape[:2], dtype=bool)
    bits = cv2.resize(
        mask.bits.astype(np.uint8), (right - left, bottom - top), interpolation=cv2.INTER_NEAREST
    )
    return crop, bits.astype(bool)
