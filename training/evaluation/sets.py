"""Which test sets there are: `configs/training/evaluation.yaml`, or the command line."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from pydantic import Field

from bystander.config import Settings
from bystander.errors import ConfigError
from training.errors import DataError
from training.evaluation.truth import TestSet, clip_set, coco_set, crowd_set


class CocoPaths(Settings):
    annotations: str = Field(description="the JSON file")
    images: str = Field(description="the folder of its images")
    exclude: tuple[str, ...] = Field(
        default=(), description="file names left out, e.g. because a network has seen them"
    )


class SetPaths(Settings):
    """Test sets; in every path $NAME and ${NAME} stand for environment variables."""

    coco: tuple[CocoPaths, ...] = Field(default=(), description="people annotated as in COCO")
    idmaps: tuple[str, ...] = Field(default=(), description="folders of composed crowds")
    clips: tuple[str, ...] = Field(default=(), description="folders of marked clips")

    def open(self) -> list[TestSet]:
        """The test sets, in this order.

        Raises:
            ConfigError: there is none, a path names a variable that isn't set, or two sets
                have one name.
            DataError: a set isn't there, is empty, or isn't what it should be.
        """
        sets = [
            *(coco_set(expanded(p.annotations), expanded(p.images), p.exclude) for p in self.coco),
            *(crowd_set(expanded(folder)) for folder in self.idmaps),
            *(clip_set(expanded(folder)) for folder in self.clips),
        ]
        if not sets:
            raise ConfigError("there is no test set", "Give --sets, --coco, --idmaps or --clip.")
        if empty := [images.name for images in sets if not images.count]:
            raise DataError(f"the test set {empty[0]} has no images", "Make it again.")
        twice = [
            name for name, count in Counter(images.name for images in sets).items() if count > 1
        ]
        if twice:
            raise ConfigError(
                f"two test sets are called {twice[0]}",
                "The last folder of each path is its name: rename one.",
            )
        return sets


def expanded(path: str) -> Path:
    """`path` with its environment variables filled in.

    Raises:
        ConfigError: one of them isn't set.
    """
    whole = os.path.expandvars(path)
    if unset := re.search(r"\$\{?(\w+)", whole):
        raise ConfigError(
            f"the path {path} needs the variable {unset[1]}, which isn't set",
            f"Set {unset[1]}, or name the test sets on the command line.",
        )
    return Path(whole)
