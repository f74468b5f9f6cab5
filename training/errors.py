"""Errors of the training commands; they continue the tree of `bystander.errors`.

TrainingError(BystanderError)     exit code 10
├── DataError                       a data set can't be had, or isn't what it says
│   ├── MissingKey                     no API key in the environment
│   ├── DownloadInterrupted            it stopped before the end; what arrived is kept
│   ├── CorruptArchive                 the archive is damaged, or holds something else
│   └── InvalidAnnotation              outside its image, or not of the stated format
└── CheckpointError                 a checkpoint is of another architecture, or damaged
"""

from __future__ import annotations

from bystander.errors import BystanderError


class TrainingError(BystanderError):
    exit_code = 10


class DataError(TrainingError):
    pass


class MissingKey(DataError):
    pass


class DownloadInterrupted(DataError):
    pass


class CorruptArchive(DataError):
    pass


class InvalidAnnotation(DataError):
    pass


class CheckpointError(TrainingError):
    pass
