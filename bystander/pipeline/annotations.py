"""Who is where, in the forms of data sets: COCO's JSON, the MOT challenge's text, that as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bystander.files import replacing, temporary_beside
from bystander.geometry.coordinates import GridTransform
from bystander.media.facts import VideoInfo
from bystander.media.reader import Frame
from bystander.pipeline.drawing import FrameMattes
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, FrameRecord

MOT_JSON_FORMAT: Final = "bystander-mot"
_RLE_BITS: Final = 5
_RLE_FIRST: Final = 48  # the letter of 0


class People:
    """Whom each tracklet shows, frame by frame."""

    def __init__(self, header: Header) -> None:
        self._whole: dict[int, str] = {}
        self._parts: dict[int, list[tuple[int, int, str]]] = {}
        for person in header.persons:
            for tracklet in person.tracklets if not person.spans else ():
                self._whole[tracklet] = person.id
            for tracklet, start, end in person.spans:
                self._parts.setdefault(tracklet, []).append((start, end, person.id))
        names = [person.id for person in header.persons]
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        """Of persons, from 1; tracklets that belong to nobody come after them."""

    def who(self, tracklet: int, frame: int) -> str:
        """The person's id; of a tracklet that is nobody's its own ("t17")."""
        for start, end, person in self._parts.get(tracklet, ()):
            if start <= frame < end:
                return person
        return self._whole.get(tracklet, f"t{tracklet}")

    def number(self, who: str) -> int:
        return self.numbers.setdefault(who, len(self.numbers) + 1)


class CocoWriter:
    """Writes COCO's JSON: an image a frame, an annotation for everyone who is drawn over in it.

    Its masks are the pixels that `render` changes, in those of the upright picture as it is stored.
    """

    def __init__(self, path: Path, header: Header, info: VideoInfo) -> None:
        self._info, self._people = info, People(header)
        self._images_path = temporary_beside(path)
        self._file = path.open("w", encoding="utf-8")
        self._images = self._images_path.open("w", encoding="utf-8")
        self._count = 0
        head = {
            "info": {"description": "people who are masked", "version": "1.0"},
            "licenses": [],
            "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
        }
        self._file.write(json.dumps(head)[:-1] + ', "annotations": [')

    def add(
        self, frame: Frame, mattes: FrameMattes, shows: Callable[[int, int], bool] | None
    ) -> None:
        """Append a frame; see `MatteWriter.add`."""
        number = frame.index + 1
        image = {
            "id": number,
            "file_name": f"{frame.index:08d}.png",
            "width": mattes.picture.width,
            "height": mattes.picture.height,
            "seconds": float((frame.pts - self._info.origin_pts) * self._info.time_base),
        }
        self._images.write((",\n" if frame.index else "\n") + json.dumps(image))
        found = dict.fromkeys(self._people.who(*one) for one in mattes.who)
        if mattes.whole:
            found = {"": None}
        for name in found:
            mask = mattes.alpha(lambda *one, name=name: self._people.who(*one) == name) > 0
            if mask.any():
                self._annotate(number, name, mask)

    def finish(self) -> None:
        """Everything was added."""
        self._file.write('\n], "images": [')
        self._images.close()
        with self._images_path.open(encoding="utf-8") as images:
            shutil.copyfileobj(images, self._file)
        self._file.write("\n]}\n")
        self.close()

    def close(self) -> None:
        self._file.close()
        self._images.close()
        self._images_path.unlink(missing_ok=True)

    def _annotate(self, image: int, name: str, mask: NDArray[np.bool_]) -> None:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        self._count += 1
        annotation: dict[str, Any] = {
            "id": self._count,
            "image_id": image,
            "category_id": 1,
            "segmentation": {"size": list(mask.shape), "counts": encode_rle(mask)},
            "area": int(mask.sum()),
            "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
            "iscrowd": 0,
            "attributes": {"person": name or None},
        }
        if name:
            annotation["track_id"] = self._people.number(name)
        self._file.write((",\n" if self._count > 1 else "\n") + json.dumps(annotation))


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """COCO's compressed run-length encoding of bool [H, W] (`rleToString` of its API): runs go down
    the columns, from the third on each is told by what it differs from the last but one."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    if len(runs) > 1 and runs[-1] == 0:
        runs.pop()
    letters: list[str] = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= _RLE_BITS
            more = value != -1 if bits & 0x10 else value != 0
            letters.append(chr((bits | 0x20 if more else bits) + _RLE_FIRST))
    return "".join(letters)


@dataclass(frozen=True, slots=True)
class MotBox:
    """Where a person is in a frame.

    Attributes:
        number: of the person, from 1.
        who: their id (p2); of a tracklet that is nobody's its own (t17).
        box: left, top, width, height, display pixels; left and top count from 1.
        masked: whether they are drawn over there.
    """

    number: int
    who: str
    box: tuple[float, float, float, float]
    score: float
    masked: bool


def mot_frames(timeline: Timeline) -> Iterator[tuple[FrameRecord, list[MotBox]]]:
    """Every frame with everyone's boxes, kept or masked, one a person.

    Raises:
        InvalidTimeline: it is damaged.
    """
    header = timeline.header
    people = People(header)
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    scale = GridTransform(header.video.display_size, header.grid)
    for record in timeline.frames():
        boxes: dict[int, MotBox] = {}
        for one in record.sightings:
            who = people.who(one.tracklet, record.index)
            number = people.number(who)
            if number in boxes and boxes[number].score >= one.score:
                continue
            x0, y0, x1, y1 = scale.to_display(one.box)
            masked = tracklets[one.tracklet].decision_at(record.index) is Decision.MASK
            place = round(x0 + 1, 2), round(y0 + 1, 2), round(x1 - x0, 2), round(y1 - y0, 2)
            boxes[number] = MotBox(number, who, place, round(float(one.score), 4), masked)
        yield record, list(boxes.values())


def write_mot(timeline: Timeline, path: Path) -> None:
    """Everyone's boxes, as the MOT challenge has results.

    A line a box: frame, person's number, left, top, width, height, score, -1, -1, -1; frames and
    pixels count from 1, display pixels.

    Raises:
        InvalidTimeline: it is damaged.
        OSError: it can't be written.
    """
    with replacing(path) as part, part.open("w", encoding="ascii") as file:
        for record, boxes in mot_frames(timeline):
            for one in boxes:
                place = ",".join(f"{side:.2f}" for side in one.box)
                row = f"{record.index + 1},{one.number},{place},{one.score:.4f},-1,-1,-1\n"
                file.write(row)


def write_mot_json(timeline: Timeline, path: Path) -> None:
    """The rows of `write_mot` by frame, each frame a line of one JSON object.

    Raises:
        InvalidTimeline: it is damaged.
        OSError: it can't be written.
    """
    video = timeline.header.video
    numerator, denominator = video.time_base
    head = {
        "format": MOT_JSON_FORMAT,
        "version": 1,
        "video": {
            "width": video.width,
            "height": video.height,
            "frames": video.frames,
            "rate": video.rate,
        },
    }
    with replacing(path) as part, part.open("w", encoding="ascii") as file:
        file.write(json.dumps(head)[:-1] + ', "frames": [')
        for record, boxes in mot_frames(timeline):
            frame = {
                "frame": record.index + 1,
                "seconds": (record.pts - video.origin_pts) * numerator / denominator,
                "boxes": [
                    {
                        "id": one.number,
                        "person": one.who,
                        "box": one.box,
                        "score": one.score,
                        "masked": one.masked,
                    }
                    for one in boxes
                ],
            }
            file.write((",\n" if record.index else "\n") + json.dumps(frame))
        file.write("\n]}\n")
