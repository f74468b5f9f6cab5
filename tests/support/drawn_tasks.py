"""An executor's tasks with drawn networks instead of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from bystander.pipeline.chunks import LookTask
from bystander.pipeline.tasks import Executor, Step, Task
from tests.support.drawn import drawn_models


class DrawnLookTask(LookTask):
    """A look at drawn people; its result is called as that of the real one."""

    def run(self, step: Step) -> None:
        self.look(drawn_models(), step)


class Drawn:
    """`executor`, given drawn networks."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        self._executor.run([_drawn(task) for task in tasks], step)


def _drawn(task: Task) -> Task:
    if not isinstance(task, LookTask):
        return task
    return DrawnLookTask(**{field.name: getattr(task, field.name) for field in fields(task)})
