"""Deliveries in order: those of one provider about one object one after the other, everything else side by side.

A provider that is away holds up its own lanes alone, each with one delivery in flight.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from fleetloop.task_group import TaskGroup

Job = Callable[[], Awaitable[None]]  # raises nothing


class Lanes:
    """`group` is whose tasks the lanes are; a lane that is empty ends."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._lanes: dict[Hashable, deque[Job]] = {}

    def add(self, lane: Hashable, job: Job) -> None:
        if waiting := self._lanes.get(lane):
            waiting.append(job)
            return
        self._lanes[lane] = deque([job])
        self._group.create_task(self._serve(lane))

    async def _serve(self, lane: Hashable) -> None:
        jobs = self._lanes[lane]
        while jobs:
            await jobs[0]()
            jobs.popleft()
        del self._lanes[lane]
