"""Networks of somebody's own, in the user's data folder: files, and `networks.yaml` beside them."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bystander.errors import ConfigError, ModelError
from bystander.files import replacing, temporary_beside
from bystander.models.catalogue import OWN_FILE, Catalogue, ModelFile, OwnNetworks
from bystander.models.store import own_folder, sha256

AUTO: Final = "auto"
"""Instead of a segmenter's name: the first of models.yaml that is found."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Registry:
    """The folder of one user.

    Attributes:
        folder: made when something is registered.
        shipped: networks that own ones can't be called like.
    """

    folder: Path
    shipped: Catalogue

    @classmethod
    def of_user(cls) -> Registry:
        """That of who runs this, by XDG_DATA_HOME.

        Raises:
            ConfigError: models.yaml can't be read.
        """
        return cls(own_folder(), Catalogue.load())

    def free_name(self, file: Path, name: str | None) -> str:
        """The name for a network: `name`, or one made of its file's.

        Raises:
            ConfigError: it is no name, or another network's.
        """
        made = name or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")[:64]
        if not _NAME.fullmatch(made):
            raise ConfigError(
                f"{made!r} is no name for a network",
                "Choose one of lower-case letters, digits and .-_ with --name.",
            )
        if made == AUTO or made in self.shipped.files or made in self._load().files:
            raise ConfigError(
                f"there is a network called {made} already",
                f"Choose another --name, or run `bystander models remove {made}` if it is yours.",
            )
        return made

    @contextmanager
    def arriving(self, file: Path) -> Iterator[Path]:
        """A copy of `file` in the folder, to be tried and registered; removed if it isn't.

        Raises:
            ModelError: it can't be read or copied.
        """
        part = temporary_beside(self.folder / OWN_FILE)
        try:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copyfile(file, part)
            except OSError as error:
                raise ModelError(
                    f"{file} can't be copied to {self.folder} ({error.strerror})",
                    "Check the path and the free space; XDG_DATA_HOME names another place.",
                ) from error
            yield part
        finally:
            part.unlink(missing_ok=True)

    def register(
        self, part: Path, name: str, licence: str, source: str, contract: str, use: bool
    ) -> Path:
        """Keep what `arriving` gave, under a free name.

        Args:
            licence: an SPDX identifier.
            contract: what the network takes.
            use: whether it goes first from now on.

        Returns:
            The network's file.
        """
        entry = ModelFile(
            file=f"{name}.onnx",
            role="segmenter",
            sha256=sha256(part),
            licence=licence,
            source=source,
            input=contract,
        )
        target = self.folder / entry.file
        with self._changing():
            self.free_name(target, name)
            own = self._load()
            part.replace(target)
            self._save({**own.files, name: entry}, name if use else own.used)
        return target

    def use(self, name: str) -> None:
        """Let a segmenter go first, own or shipped; `AUTO`: none.

        Raises:
            ConfigError: there is none of that name, or it isn't one of its own right.
        """
        with self._changing():
            own = self._load()
            entry = None if name == AUTO else self.shipped.with_own(own.files).entry(name)
            if entry is not None and (entry.role != "segmenter" or entry.variant != "float"):
                what = "the int8 variant of another" if entry.variant == "int8" else "no segmenter"
                raise ConfigError(
                    f"{name} is {what}", "`bystander models list` shows what may be used."
                )
            self._save(own.files, None if entry is None else name)

    def remove(self, name: str) -> None:
        """Forget an own network, and delete its file.

        Raises:
            ConfigError: there is none of that name.
        """
        with self._changing():
            own = self._load()
            if name not in own.files:
                raise ConfigError(
                    f"no network called {name} was added", f"Added: {', '.join(own.files) or '-'}."
                )
            left = {other: entry for other, entry in own.files.items() if other != name}
            self._save(left, None if own.used == name else own.used)
            (self.folder / own.files[name].file).unlink(missing_ok=True)

    def _load(self) -> OwnNetworks:
        return OwnNetworks.load(self.folder)

    def _save(self, files: dict[str, ModelFile], used: str | None) -> None:
        own = OwnNetworks(files=files, used=used)
        content = yaml.safe_dump(own.model_dump(exclude_none=True), sort_keys=False)
        with replacing(self.folder / OWN_FILE) as part:
            part.write_text(content, encoding="utf-8")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time.

        Raises:
            ModelError: the folder can't be written to.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ModelError(
                f"{self.folder} can't be changed ({error.strerror})",
                "Check its rights and the free space; XDG_DATA_HOME names another place.",
            ) from error
