"""Waits until what defines other objects is in effect: definitions established and served, namespaces active, classes there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, KindUnknown
from fleetloop.kube.kstatus import health_of
from fleetloop.kube.objects import Manifest, ref_of
from fleetloop.task_group import TaskGroup

DISCOVERY_POLL = 0.1
StageReady = Callable[[Kube, Sequence[Manifest], float], Awaitable[None]]


async def until_current(kube: Kube, objects: Sequence[Manifest], timeout: float) -> None:
    """Waits on one watch an object until each is Current. Raises TimeoutError, ApiError, Unreachable."""
    try:
        async with asyncio.timeout(timeout), TaskGroup() as group:
            for manifest in objects:
                group.create_task(_current(kube, manifest))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first ended the others


async def _current(kube: Kube, manifest: Manifest) -> None:
    async for live in _versions(kube, manifest):
        if health_of(live).status == "Current":
            break
    if manifest["kind"] == "CustomResourceDefinition":
        await _served(kube, manifest)


async def _served(kube: Kube, definition: Manifest) -> None:
    """An established definition shows in discovery a moment later, and until then its objects are of no known kind."""
    spec = definition["spec"]
    for version in spec["versions"]:
        while version["served"]:
            try:
                await kube.resource_for(f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                break
            except KindUnknown:
                await asyncio.sleep(DISCOVERY_POLL)  # discovery cannot be watched


async def _versions(kube: Kube, manifest: Manifest) -> AsyncIterator[Manifest]:
    """A stream that the server ends is opened again, at once or when it says; the timeout is the caller's."""
    ref = ref_of(manifest)
    while True:
        try:
            async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}"):
                if event.type in {"ADDED", "MODIFIED"}:  # a bookmark has no status, and looks healthy
                    yield event.object
        except ApiError as error:
            if error.status not in {410, 504}:  # its caches are behind: "Too large resource version"
                raise
            await asyncio.sleep(float(error.details.get("retryAfterSeconds") or 1))
