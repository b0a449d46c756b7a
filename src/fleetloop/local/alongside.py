"""Runs one thing beside another and ends it with the other: the shape of every start and stop here."""

import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fleetloop.task_group import TaskGroup


@contextlib.asynccontextmanager
async def alongside(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The coroutine runs while the body does. When the body ends, the coroutine is cancelled and awaited; when the
    coroutine fails, the body is cancelled and the failure raised. A single failure is raised as it is, not as a group.
    """
    try:
        async with TaskGroup() as tasks:
            task = tasks.create_task(coroutine)
            yield
            task.cancel()
    except ExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from group.exceptions[0].__cause__
