"""Scenes as files: the video, whose every pixel is, and the photos of whom to keep.

FOLDER/video.mp4            H.264
FOLDER/persons/%05d.png     pixel = person id, 0 = nobody, one file a frame
FOLDER/cast/ID.jpg          a photo of each person to keep
FOLDER/truth.json           kept, either, faces: [frame, person, x0, y0, x1, y1],
                            clicks: [seconds, x, y]
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.quality.clips import Run
from benchmarks.quality.people import Person, Rgb, read_photos, recruit
from benchmarks.quality.places import build_place, empty_strips
from benchmarks.quality.scenes import FPS, PLACE_SIZE, Crew, Scene, name_of
from benchmarks.quality.stage import SeenFace, Take, film
from benchmarks.quality.truth import Truth, people_in, point_inside
from bystander.models import Models
from bystander.tracking.clicks import Click

PEOPLE, STRIPS = 14, 16
PLACES = 2
CRF = "16"


@dataclass(frozen=True, eq=False)
class Studio:
    """The people and street strips that all scenes are made from."""

    people: Sequence[Person]
    strips: Sequence[Rgb]
    seed: int

    @classmethod
    def open(cls, cutouts: Path, models: Models, seed: int) -> Studio:
        """Choose people with open faces and strips with nobody in them.

        Raises:
            UnreadablePhoto, NoFaceFound: the folder has no cut-outs, or too few.
        """
        photos = read_photos(cutouts, np.random.default_rng(seed))
        people = recruit(photos, models.faces, PEOPLE)
        return cls(people, empty_strips(photos, models.segmenter, STRIPS), seed)

    def produce(self, make: Callable[[Crew], Scene], folder: Path) -> Truth:
        """Make one scene in `folder`; the same whichever others are made."""
        rng = np.random.default_rng((self.seed, zlib.crc32(name_of(make).encode())))
        people = [self.people[int(position)] for position in rng.permutation(len(self.people))]
        places = [build_place(self.strips, PLACE_SIZE, rng) for _ in range(PLACES)]
        scene = make(Crew(people, places))
        takes = chain.from_iterable(film(shot, rng) for shot in scene.shots)
        return write_scene(folder, scene, takes)


def write_scene(folder: Path, scene: Scene, takes: Iterator[Take]) -> Truth:
    """Write the files of a scene that was filmed."""
    persons, cast = folder / "persons", folder / "cast"
    for wanted in (persons, cast):
        wanted.mkdir(parents=True, exist_ok=True)
        for old in wanted.iterdir():  # of an earlier, perhaps longer, version
            old.unlink()
    for person, photo in scene.kept.items():
        cv2.imwrite(str(cast / f"{person}.jpg"), photo[:, :, ::-1])
    faces: dict[int, list[SeenFace]] = {}
    width, height = scene.shots[0].size
    with av.open(str(folder / "video.mp4"), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(FPS), options={"crf": CRF, "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, take in enumerate(takes):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(take.rgb, format="rgb24")))
            cv2.imwrite(str(persons / f"{index:05d}.png"), take.ids)
            faces[index] = list(take.faces)
        container.mux(stream.encode(None))
    document: dict[str, object] = {
        "kept": sorted({*scene.kept, *scene.clicked} - {*scene.either}),
        "either": sorted(scene.either),
        "clicks": [_click_on(persons, person) for person in scene.clicked],
    }
    if scene.faced:
        document["faces"] = [[n, face.person, *face.box] for n in faces for face in faces[n]]
    (folder / "truth.json").write_text(json.dumps(document))
    return read_truth(folder)


def read_truth(folder: Path) -> Truth:
    """The truth of a scene that was written to `folder`."""
    document = json.loads((folder / "truth.json").read_text())
    persons = folder / "persons"
    faces: dict[int, list[SeenFace]] = {}
    for index, person, *box in document.get("faces", ()):
        faces.setdefault(index, []).append(SeenFace(person, (box[0], box[1], box[2], box[3])))
    return Truth(
        persons,
        frozenset(document["kept"]),
        frozenset(document["either"]),
        faces if "faces" in document else None,
        people=len(people_in(persons)),
    )


def scene_run(name: str, folder: Path) -> Run:
    """The run over a scene that was written to `folder`: photos or clicks say whom to keep."""
    photos = tuple(sorted((folder / "cast").glob("*.jpg")))
    clicks = json.loads((folder / "truth.json").read_text())["clicks"]
    return Run(
        name,
        name,
        folder / "video.mp4",
        read_truth(folder),
        photos,
        tuple(Click(*click) for click in clicks),
    )


def _click_on(persons: Path, person: int) -> tuple[float, float, float]:
    """Seconds, x and y of a click on somebody."""
    index, x, y = point_inside(persons, person)
    return index / FPS, x, y
