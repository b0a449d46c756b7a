"""Waits for what the demo shows, on watches, and says what changes meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from fleetloop.api.kinds import kind_named
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.local.demo.place import DemoFailed
from fleetloop.task_group import TaskGroup

KINDS = ("GitRepository", "OCIRepository", "HelmChart", "HelmRelease", "Receiver", "Kustomization")
APPS_SOURCE = ObjectRef("source.toolkit.fluxcd.io/v1", "GitRepository", "apps", "apps")
LAST = ("Kustomization", "apps", "apps")  # what is ready last: it depends on everything else


class Say(Protocol):
    def action(self, text: str) -> None: ...
    def waiting(self, text: str) -> None: ...
    def success(self, text: str) -> None: ...
    def failure(self, text: str) -> None: ...


async def until_ready(cluster: str, kube: Kube, say: Say, timeout: float) -> None:
    """Until every source, release and Kustomization of the cluster is Ready, the apps included. Raises DemoFailed."""
    seen: dict[tuple[str, str, str], str] = {}
    done = asyncio.Event()

    def tell(manifest: Manifest) -> None:
        key = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        status, message = ready_of(manifest)
        if status == "True" and seen.get(key) != "True":
            say.success(f"{cluster}: {key[0]} {key[1]}/{key[2]}: {message}")
        elif status == "False" and seen.get(key) != message:
            say.waiting(f"{cluster}: {key[0]} {key[1]}/{key[2]}: {message}")
        seen[key] = message if status == "False" else status
        if seen.get(LAST) == "True" and all(state == "True" for state in seen.values()):
            done.set()

    await _watched(kube, tell, done, timeout, f"{cluster}: not everything is Ready")


async def until_object(kube: Kube, ref: ObjectRef, holds: Callable[[Manifest | None], bool], timeout: float) -> Manifest | None:
    """The first version for which `holds` is true; None stands for its absence. Raises DemoFailed."""
    current = await kube.find(ref)
    if holds(current):
        return current
    try:
        async with asyncio.timeout(timeout):
            while True:
                selector = f"metadata.name={ref.name}"
                async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=selector):
                    live = None if event.type == "DELETED" else event.object
                    if event.type != "BOOKMARK" and holds(live):
                        return live
    except TimeoutError:
        raise DemoFailed(f"{ref} did not become what was expected within {timeout:g}s") from None


def condition_of(manifest: Manifest | None, type: str) -> dict[str, Any]:
    """Empty when it is not there."""
    conditions: list[dict[str, Any]] = ((manifest or {}).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == type), {})


def ready_of(manifest: Manifest | None) -> tuple[str, str]:
    """Status and message of the Ready condition."""
    ready = condition_of(manifest, "Ready")
    return ready.get("status", "Unknown"), ready.get("message", "")


def is_ready(manifest: Manifest | None) -> bool:
    """As its present generation asks for it."""
    seen = ((manifest or {}).get("status") or {}).get("observedGeneration")
    return manifest is not None and ready_of(manifest)[0] == "True" and seen == manifest["metadata"]["generation"]


async def until_fetched(kube: Kube, sha: str, timeout: float) -> None:
    """Until the cluster has this commit of apps."""

    def has_it(live: Manifest | None) -> bool:
        artifact = ((live or {}).get("status") or {}).get("artifact") or {}
        return str(artifact.get("revision", "")).endswith(sha)

    await until_object(kube, APPS_SOURCE, has_it, timeout)


async def _watched(kube: Kube, tell: Callable[[Manifest], None], done: asyncio.Event, timeout: float, problem: str) -> None:
    async def follow(name: str) -> None:
        kind = kind_named(name)
        while True:
            async for event in kube.watch(kind.api_version, name):
                if event.type in {"ADDED", "MODIFIED"}:
                    tell(event.object)

    try:
        async with asyncio.timeout(timeout), TaskGroup() as group:
            watches = [group.create_task(follow(name)) for name in KINDS]
            await done.wait()
            for watch in watches:
                watch.cancel()
    except TimeoutError:
        raise DemoFailed(f"{problem} after {timeout:g}s") from None
