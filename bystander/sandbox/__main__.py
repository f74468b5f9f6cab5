"""The child: confines itself, looks at one file, says what it found as one line of JSON.

    python -m bystander.sandbox video|photo|picture|clip|frame|follow|proxy|masks FILE FOLDER LIMITS

FOLDER takes what it makes: 0.jpg, 1.jpg, ..., clip.mp4, masks.json. What is wanted of a video,
where only a part is, stands in order.json there. What it tells while it works comes before, a list
a line. Whatever isn't one of Bystander's own errors ends it with a traceback, and the parent says
that the file can't be examined.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from bystander.errors import BystanderError, PhotoError, VideoError
from bystander.sandbox.confine import confine
from bystander.sandbox.lifeline import end_with_parent
from bystander.sandbox.protocol import Limits


def main(kind: str, file: str, folder: str, limits_json: str) -> None:
    limits = Limits.model_validate_json(limits_json)
    # What a library may print must not pass for the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    parent = os.getppid()
    error = PhotoError if kind == "photo" else VideoError
    content: dict[str, Any] = {"offline": confine(limits, [Path(file)], [Path(folder)])}
    end_with_parent(parent)  # afterwards: being confined ends an earlier promise
    try:
        content["facts"] = _examine(kind, Path(file), Path(folder), limits, answer)
    except MemoryError:
        content["error"] = {"type": error.__name__, "what": f"{file} needs too much memory"}
    except OSError:
        if Path(folder).is_dir():
            raise
        # Its project was deleted meanwhile: no defect.
        content["error"] = {"type": error.__name__, "what": f"{file} was deleted"}
    except BystanderError as refusal:
        content["error"] = {
            "type": type(refusal).__name__,
            "what": refusal.what,
            "advice": refusal.advice,
        }
    answer.write(json.dumps(content) + "\n")
    answer.flush()


def _examine(kind: str, file: Path, folder: Path, limits: Limits, answer: TextIO) -> dict[str, Any]:
    # Imported here: what decodes is loaded when nothing can be gained by it any more.
    if kind == "follow":
        from bystander.sandbox.following import follow_keys

        return follow_keys(file, folder, limits, answer).model_dump(mode="json")
    if kind == "proxy":
        from bystander.sandbox.proxy import write_proxy

        return write_proxy(file, folder, limits, answer).model_dump(mode="json")
    if kind == "masks":
        from bystander.sandbox.masks import write_masks

        return write_masks(file, folder, answer).model_dump(mode="json")
    work: Callable[[Path, Path, Limits], BaseModel]
    if kind == "video":
        from bystander.sandbox.tasks import describe_video as work
    elif kind == "photo":
        from bystander.sandbox.tasks import copy_photo as work
    elif kind == "picture":
        from bystander.sandbox.tasks import write_picture as work
    elif kind == "frame":
        from bystander.sandbox.following import write_frame as work
    else:
        from bystander.sandbox.tasks import write_clip as work
    return work(file, folder, limits).model_dump(mode="json")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the answer is given: a destructor that crashes now must not matter
