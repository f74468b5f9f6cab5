"""Real clips as orders to the service: a video, and photos of who is to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bystander.client import Client, RemoteJob, RemoteProject

PHOTOS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Clip:
    """A video, and photos by name of the person."""

    name: str
    video: Path
    photos: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def find(cls, folder: Path) -> Self:
        """The clip in `folder`: `video.*`, and folders of photos in `cast`, if any.

        Of several people only the first is kept.
        """
        [video] = folder.glob("video.*")
        people = sorted(path for path in folder.glob("cast/*") if path.is_dir())
        found = sorted(people[0].iterdir()) if people else []
        photos = tuple((people[0].name, photo) for photo in found if photo.suffix.lower() in PHOTOS)
        return cls(folder.name, video, photos)

    def send(self, client: Client) -> RemoteProject:
        """A project with everything in it, ready to be started."""
        project = client.create_project()
        for person, photo in self.photos:
            project.send_photo(person, photo)
        project.send_video(self.video)
        return project

    def start(self, client: Client) -> tuple[RemoteProject, RemoteJob]:
        project = self.send(client)
        return project, project.start("mask")


def seconds(facts: dict[str, float]) -> float:
    """That a job took once it had begun, all its attempts and the pauses between them."""
    return facts["finished"] - facts["started"]
