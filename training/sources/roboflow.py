"""Pictures of a data set on Roboflow Universe: downloaded once, then read as YOLO.

This asks the documented REST API (https://docs.roboflow.com/api) and not the `roboflow`
package: the package requires an older typer than ours and opencv-python-headless, which
overwrites the files of opencv-python; and it can neither go on with an interrupted
download nor keep the key out of its messages.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from training.errors import CorruptArchive, DataError, MissingKey
from training.pictures import Picture
from training.sources.archives import download, unpack
from training.sources.base import SourceSettings, resolve
from training.sources.yolo import read_data

KEY_VARIABLE = "ROBOFLOW_API_KEY"
API = "https://api.roboflow.com"

_MARKER = ".complete.json"
_DATA = "data.yaml"
_TIMEOUT = 60  # seconds for an answer of the API
_PAUSE = 5  # seconds between two questions whether the export is ready
_QUESTIONS = 360  # half an hour
_SLUG = r"^[A-Za-z0-9_-]+$"


class RoboflowSource(SourceSettings):
    """A version of a project on Roboflow Universe, of which the persons are read.

    "COCO Dataset Limited (Person Only)" is the project
    `coco-dataset-limited--person-only` of the workspace `shreks-swamp`.
    """

    kind: Literal["roboflow"] = "roboflow"
    workspace: str = Field(pattern=_SLUG, description="as in the project's address")
    project: str = Field(pattern=_SLUG, description="as in the project's address")
    version: int = Field(ge=1, description="number of the data set's version")
    format: Literal["yolov8", "yolov11"] = Field(
        default="yolov8", description="of the export; both have YOLO's polygons"
    )
    folder: str = Field(description="where the download is kept")
    limit_gb: float = Field(default=50, gt=0, description="what the archive may unpack to")

    @property
    def export(self) -> str:
        """What is downloaded, as the API addresses it."""
        return f"{self.workspace}/{self.project}/{self.version}/{self.format}"


class _Marker(BaseModel):
    export: str


def read_roboflow(source: RoboflowSource, folder: Path) -> Iterator[Picture]:
    """The pictures of `train`, then those of `val`, downloaded first where necessary.

    Their licence is the one that the export states for the whole project.

    Args:
        folder: what the source's relative path is relative to.

    Raises:
        ConfigError: the path holds a variable that isn't set.
        MissingKey, DownloadInterrupted, CorruptArchive, DataError: see `fetch`.
        InvalidAnnotation: a file isn't in YOLO's format.
    """
    data = fetch(source, resolve(source.folder, folder)) / _DATA
    yield from read_data(data, source, _licence(data) or source.licence)


def fetch(
    source: RoboflowSource,
    target: Path,
    environ: Mapping[str, str] = os.environ,
    api: str = API,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Have the export of `source` unpacked in the folder `target`.

    A finished download isn't fetched again, and needs no key. An unfinished archive stays
    beside `target` as .part, and a later call goes on with it.

    Args:
        environ: holds the API key.
        api: address of the REST API.
        sleep: how to wait while Roboflow prepares the export.

    Returns:
        `target`.

    Raises:
        MissingKey: there is no key in the environment, or Roboflow refuses it.
        DownloadInterrupted: it stopped before the end; what arrived is kept.
        CorruptArchive: what arrived is damaged, or no export in YOLO's format.
        DataError: Roboflow has no such export, or `target` holds something else.
    """
    if _is_complete(source, target):
        return target
    archive = target.parent / f"{source.export.replace('/', '-')}.zip.part"
    download(_link(source, environ, api, sleep), archive, source.export)
    unpacked = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was stopped here
    try:
        unpack(archive, unpacked, round(source.limit_gb * 1e9))
        if not (unpacked / _DATA).is_file():
            raise CorruptArchive(
                f"the archive of {source.export} has no {_DATA}",
                "Check that it is a project with segments, and its version.",
            )
    except CorruptArchive:
        archive.unlink()  # going on with it would not mend it
        raise
    # The marker first: the folder appears with it, or not at all.
    (unpacked / _MARKER).write_text(_Marker(export=source.export).model_dump_json())
    os.replace(unpacked, target)
    archive.unlink()
    return target


def _is_complete(source: RoboflowSource, target: Path) -> bool:
    if not target.exists():
        return False
    try:
        marker = _Marker.model_validate_json((target / _MARKER).read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{target} exists, but isn't a finished download from Roboflow",
            "Move it away, or name another folder in the recipe.",
        ) from error
    if marker.export != source.export:
        raise DataError(
            f"{target} holds the export {marker.export}, not {source.export}",
            "Move it away, or name another folder in the recipe.",
        )
    return True


def _link(
    source: RoboflowSource,
    environ: Mapping[str, str],
    api: str,
    sleep: Callable[[float], None],
) -> str:
    """Where the archive is, once Roboflow has prepared it."""
    key = environ.get(KEY_VARIABLE)
    if not key:
        raise MissingKey(
            f"downloading {source.export} needs an API key of Roboflow",
            f"Create one in your workspace's settings, and set {KEY_VARIABLE} to it.",
        )
    url = f"{api}/{source.export}?{urllib.parse.urlencode({'api_key': key})}"
    for _ in range(_QUESTIONS):
        status, answer = _ask(url, source.export)
        if status == http.HTTPStatus.OK:
            return _checked_link(answer, source.export)
        sleep(_PAUSE)
    raise DataError(
        f"Roboflow is still preparing the export {source.export}", "Run the command again later."
    )


def _ask(url: str, export: str) -> tuple[int, Any]:
    # Every message below is written anew, `from None`: the causes know the URL, and so the key.
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise MissingKey(
                f"Roboflow refuses the API key for {export}: HTTP {error.code}",
                f"Set {KEY_VARIABLE} to a valid key.",
            ) from None
        raise DataError(
            f"Roboflow has no export {export} for us: HTTP {error.code}",
            "Check workspace, project, version and format in the recipe.",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"can't ask Roboflow for the export {export}: {type(error).__name__}",
            "Check the network, then run the command again.",
        ) from None
    except ValueError:
        raise DataError(
            f"Roboflow's answer about the export {export} is not JSON",
            "Run the command again later.",
        ) from None


def _checked_link(answer: Any, export: str) -> str:
    match answer:
        # Only the web: urllib would also open file: links.
        case {"export": {"link": str(link)}} if link.startswith(("https://", "http://")):
            return link
    raise DataError(
        f"Roboflow's answer about the export {export} has no link", "Run the command again later."
    )


def _licence(data: Path) -> str | None:
    """The project's licence, which Roboflow writes into the data.yaml of an export."""
    match yaml.safe_load(data.read_text(encoding="utf-8")):
        case {"roboflow": {"license": str(licence)}}:
            return licence
    return None
