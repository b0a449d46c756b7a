"""`TaskGroup`: asyncio's, which keeps count of cancellations on every Python that we support.

Before 3.13 a child that fails while the group waits for its children leaves a request to cancel behind in the parent task. Who
catches the failure goes on; but when a timeout around it expires later, it cannot tell its cancellation from a stranger's, and
CancelledError comes out instead of TimeoutError: whoever supervises the task takes it for ended by itself.
"""

import asyncio
import sys
from types import TracebackType

if sys.version_info >= (3, 13):
    TaskGroup = asyncio.TaskGroup
else:

    class TaskGroup(asyncio.TaskGroup):
        """The parent's own cancellations stay; what the group asked for is taken back."""

        _parent_cancel_requested: bool
        _parent_task: asyncio.Task[object]

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            taken_back = self._parent_cancel_requested  # the library does so for a child that failed before the group was left
            try:
                await super().__aexit__(kind, error, trace)
            finally:
                if self._parent_cancel_requested and not taken_back:
                    self._parent_task.uncancel()
