"""Every error that Bystander raises on purpose.

    BystanderError                     exit code
    ├── VideoError                     3   the video can't be read or processed
    │   ├── NotAVideo                      not a media file, or no video stream in it
    │   ├── TruncatedVideo                 the container ends before its index or frames
    │   └── UnsupportedVideo               readable, but outside what can be processed
    │       ├── VideoTooLong                   more seconds or frames than are accepted
    │       └── VideoTooLarge                  more, or fewer, pixels than can be processed
    ├── PhotoError                     4   a cast photo can't be used
    │   ├── UnreadablePhoto                not a picture, damaged, or too large
    │   ├── NoFaceFound                    nobody to recognise in it
    │   ├── FaceTooSmall                   too few pixels to tell people apart
    │   └── AmbiguousFace                  several faces and none stands out
    ├── OutputError                    5   the result can't be written
    │   ├── OutputExists
    │   └── OutputUnwritable               folder missing, not writable, or disk full
    ├── ModelError                     6   a network can't be loaded
    │   ├── ModelNotFound                  names every place that was looked in
    │   ├── ModelCorrupt                   the checksum differs, or the file doesn't parse
    │   └── ModelContract                  it loads, but its inputs or outputs don't fit
    ├── TimelineError                  7   a timeline can't be used
    │   ├── InvalidTimeline                not a timeline, damaged, or of another version
    │   └── TimelineMismatch               it was made from another video
    ├── SelectionError                 8   a click or an id names nobody
    │   └── InvalidEdits                   edits by hand that can't be read, or that mend nothing
    ├── ConfigError                    9   a setting is unknown or out of bounds
    │   └── AddressRefused                 a webhook's address isn't called from here
    ├── StorageError                 10   what is stored can't be kept or handed out
    │   ├── NotStored                      there is nothing under that key
    │   └── NotFetched                     of a video only a part is here, and more is needed
    ├── AuditFailed                   11   a masked video shows more than it should
    ├── ServiceError                  12   the service refused, failed, or gave no answer
    │   └── ResultStale                    the masked video isn't what its verdicts ask for any more
    ├── ExecutorError                 13   workers died over a part, or the cluster isn't there
    ├── BatchFailed                   14   of a folder's videos, some weren't masked
    └── Cancelled                    130   stopped by the caller or by Ctrl-C

Exit code 1 is kept for defects of the program, 2 for wrong command-line usage.
"""

from __future__ import annotations

from typing import ClassVar


class BystanderError(Exception):
    """Says what happened, to which file or frame, and what to do about it.

    Args:
        what: what happened, naming the file or frame, without a full stop.
        advice: what the reader can do next, one sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what}. {advice}" if advice else what)
        self.what = what
        self.advice = advice

    def __reduce__(self) -> tuple[type[BystanderError], tuple[str, str]]:
        # Pickle, as between the processes of a pool, would give the class the message alone.
        return type(self), (self.what, self.advice)


class VideoError(BystanderError):
    exit_code = 3


class NotAVideo(VideoError):
    pass


class TruncatedVideo(VideoError):
    pass


class UnsupportedVideo(VideoError):
    pass


class VideoTooLong(UnsupportedVideo):
    pass


class VideoTooLarge(UnsupportedVideo):
    pass


class PhotoError(BystanderError):
    exit_code = 4


class UnreadablePhoto(PhotoError):
    pass


class NoFaceFound(PhotoError):
    pass


class FaceTooSmall(PhotoError):
    pass


class AmbiguousFace(PhotoError):
    pass


class OutputError(BystanderError):
    exit_code = 5


class OutputExists(OutputError):
    pass


class OutputUnwritable(OutputError):
    pass


class ModelError(BystanderError):
    exit_code = 6


class ModelNotFound(ModelError):
    pass


class ModelCorrupt(ModelError):
    pass


class ModelContract(ModelError):
    pass


class TimelineError(BystanderError):
    exit_code = 7


class InvalidTimeline(TimelineError):
    pass


class TimelineMismatch(TimelineError):
    pass


class SelectionError(BystanderError):
    exit_code = 8


class InvalidEdits(SelectionError):
    pass


class ConfigError(BystanderError):
    exit_code = 9


class AddressRefused(ConfigError):
    pass


class StorageError(BystanderError):
    exit_code = 10


class NotStored(StorageError):
    pass


class NotFetched(StorageError):
    pass


class ServiceError(BystanderError):
    """What speaks against a request to the service.

    Args:
        status: of the HTTP answer; None where there was none.
    """

    exit_code = 12

    def __init__(self, what: str, advice: str = "", status: int | None = None) -> None:
        super().__init__(what, advice)
        self.status = status


class ResultStale(ServiceError):
    pass


class ExecutorError(BystanderError):
    exit_code = 13


class BatchFailed(BystanderError):
    exit_code = 14


class AuditFailed(BystanderError):
    exit_code = 11


class Cancelled(BystanderError):
    exit_code = 130
