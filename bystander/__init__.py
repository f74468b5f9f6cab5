"""Masks the whole body of everyone in a video except the people who may be seen.

    from bystander import mask_video

    mask_video("holiday.mp4", "masked.mp4", cast=["anna.jpg"])

`analyze` and `render` are the two passes that it makes, with a `Timeline` between them; `audit`
looks for leaks in what came out; `Client` speaks to a service. Every error is a `BystanderError`.

Importing this package changes nothing in the program that does, and loads nothing: what is named
here is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from bystander.errors import (
    AddressRefused,
    AmbiguousFace,
    AuditFailed,
    BatchFailed,
    BystanderError,
    Cancelled,
    ConfigError,
    ExecutorError,
    FaceTooSmall,
    InvalidEdits,
    InvalidTimeline,
    ModelContract,
    ModelCorrupt,
    ModelError,
    ModelNotFound,
    NoFaceFound,
    NotAVideo,
    NotFetched,
    NotStored,
    OutputError,
    OutputExists,
    OutputUnwritable,
    PhotoError,
    ResultStale,
    SelectionError,
    ServiceError,
    StorageError,
    TimelineError,
    TimelineMismatch,
    TruncatedVideo,
    UnreadablePhoto,
    UnsupportedVideo,
    VideoError,
    VideoTooLarge,
    VideoTooLong,
)

if TYPE_CHECKING:
    from bystander.client import Client
    from bystander.pipeline.analyze import analyze
    from bystander.pipeline.audit import audit
    from bystander.pipeline.export import export
    from bystander.pipeline.mask import MaskResult, mask_video
    from bystander.pipeline.render import render
    from bystander.timeline.archive import Timeline

__all__ = [
    "AddressRefused",
    "AmbiguousFace",
    "AuditFailed",
    "BatchFailed",
    "BystanderError",
    "Cancelled",
    "Client",
    "ConfigError",
    "ExecutorError",
    "FaceTooSmall",
    "InvalidEdits",
    "InvalidTimeline",
    "MaskResult",
    "ModelContract",
    "ModelCorrupt",
    "ModelError",
    "ModelNotFound",
    "NoFaceFound",
    "NotAVideo",
    "NotFetched",
    "NotStored",
    "OutputError",
    "OutputExists",
    "OutputUnwritable",
    "PhotoError",
    "ResultStale",
    "SelectionError",
    "ServiceError",
    "StorageError",
    "Timeline",
    "TimelineError",
    "TimelineMismatch",
    "TruncatedVideo",
    "UnreadablePhoto",
    "UnsupportedVideo",
    "VideoError",
    "VideoTooLarge",
    "VideoTooLong",
    "__version__",
    "analyze",
    "audit",
    "export",
    "mask_video",
    "render",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "Client": "bystander.client",
    "MaskResult": "bystander.pipeline.mask",
    "Timeline": "bystander.timeline.archive",
    "analyze": "bystander.pipeline.analyze",
    "audit": "bystander.pipeline.audit",
    "export": "bystander.pipeline.export",
    "mask_video": "bystander.pipeline.mask",
    "render": "bystander.pipeline.render",
}
"""Where each name is that is imported when it is first used (PEP 562)."""


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
