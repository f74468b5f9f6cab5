"""Parts of a job that others do -> small masked pictures of what it is at (`previews`).

No frame comes back from who does the parts, but what is made of them does: of a look everyone's
masks, which are drawn over the frame here; of a drawn part its first picture, decoded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import av
import av.error

from bystander.errors import BystanderError
from bystander.geometry.coordinates import DisplaySize
from bystander.media.encoder import encoding_of
from bystander.media.reader import frames_after
from bystander.media.segments import VideoSegment
from bystander.pipeline.chunks import LookTask
from bystander.pipeline.drawing import DrawTask
from bystander.pipeline.tasks import Executor, Step, Task
from bystander.server.jobs.previews import PreviewWriter
from bystander.timeline.archive import Timeline

MAX_ASKED: Final = 8
"""Parts that are asked for at a time, of those that aren't known to be done."""

log = logging.getLogger(__name__)


class Sketching:
    """`executor`, which shows now and then a part that has just been done.

    Args:
        previews: where the pictures go.
        video: what the parts are of.
    """

    def __init__(self, executor: Executor, previews: PreviewWriter, video: Path) -> None:
        self._executor, self._previews, self._video = executor, previews, video

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        left = list(tasks)

        def watched(frames: int) -> None:
            step(frames)
            if frames > 0 and self._previews.due:
                self._show(left)

        self._executor.run(tasks, watched)

    def _show(self, left: list[Task]) -> None:
        """Show the last of those that have been done since; they are `left` no more."""
        done = [task for task in left[:MAX_ASKED] if task.workspace.has(task.name)]
        if not done:
            return
        left[:] = [task for task in left if task not in done]
        task = done[-1]
        found = task.workspace.find(task.name)
        try:
            match task:
                case _ if found is None:
                    pass
                case LookTask():
                    self._show_look(task, Timeline.load(found))
                case DrawTask():
                    self._show_segment(task, VideoSegment.load(found))
        except (BystanderError, av.error.FFmpegError) as error:
            # Whoever needs the part says what is wrong with it.
            log.debug("no preview of %s: %s", task.name, error)

    def _show_look(self, task: LookTask, timeline: Timeline) -> None:
        """The frame in the middle, with everyone covered who was found in it."""
        record = next(timeline.frames(timeline.header.video.frames // 2), None)
        if record is None:
            return
        with closing(frames_after(self._video, task.info, 0, record.pts - 1)) as frames:
            frame = next(frames, None)
        if frame is not None and frame.pts == record.pts:
            self._previews.found(frame.rgb(task.grid), [seen.mask for seen in record.sightings])

    def _show_segment(self, task: DrawTask, segment: VideoSegment) -> None:
        """Its first picture, which is encoded by itself."""
        codec = encoding_of(task.info, self._video, task.encoder).codec
        decoder = av.CodecContext.create(codec.value, "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.extradata = segment.extradata
        first = next(segment.packets(), None)
        pictures = [] if first is None else [*decoder.decode(first), *decoder.decode(None)]
        if pictures:
            display = DisplaySize(task.info.display_size)
            self._previews.rendered(display, task.span.start, pictures[0])
