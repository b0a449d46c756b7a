"""Waiting for the cluster to follow: one watch an object, a verdict on each version of it, a deadline around it all.

Where the peer gives up at the first Ready=False (⚠ 34), which may be yesterday's or last only until the Secret is seen,
a failure here is what is still so at the end, or what the controller itself calls final (Stalled).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleetloop.bootstrap.files import KUSTOMIZE_API, SOURCE_API
from fleetloop.bootstrap.say import Say
from fleetloop.kube import ApiError, Expired, Kube, Manifest, ObjectRef, Unreachable
from fleetloop.kube.kstatus import condition, health_of
from fleetloop.task_group import TaskGroup

T = TypeVar("T")
AGAIN_AFTER = 1.0  # seconds, when the API server cannot be reached
NO_TIME = "context deadline exceeded"


class NeverReady(Exception):
    """Waiting longer will not help; the message says why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The revision that must arrive. `follows` tells of another commit whether it is built upon ours (⚠ 36)."""

    revision: str
    follows: Callable[[str], Awaitable[bool]]

    async def is_met_by(self, revision: str) -> bool:
        return bool(revision) and (revision == self.revision or await self.follows(revision.rpartition(":")[2]))


async def until(kube: Kube, ref: ObjectRef, judge: Callable[[Manifest | None], Awaitable[T | None]]) -> T:
    """Shows `judge` every version of one object (None: it does not exist) until it gives a value."""
    selector = f"metadata.name={ref.name}"
    while True:
        try:
            found, version = await kube.list_with_version(ref.api_version, ref.kind, ref.namespace, field_selector=selector)
            if (verdict := await judge(found[0] if found else None)) is not None:
                return verdict
            async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
                if event.type == "BOOKMARK":
                    continue
                live = None if event.type == "DELETED" else event.object
                if (verdict := await judge(live)) is not None:
                    return verdict
        except Expired:
            continue
        except Unreachable:
            await asyncio.sleep(AGAIN_AFTER)


class ReadyJudge:
    """Reads a sync object's conditions; remembers the last reason why it was not ready."""

    def __init__(self, ref: ObjectRef, expected: Expected, revision_of: Callable[[Manifest], str]) -> None:
        self._ref, self._expected, self._revision_of = ref, expected, revision_of
        self.complaint = ""

    async def __call__(self, live: Manifest | None) -> str | None:
        """The revision that is ready. Raises NeverReady."""
        if live is None:
            raise NeverReady(f'{self._ref.kind} "{self._ref.namespace}/{self._ref.name}" not found')
        name = f"{self._ref.namespace}/{self._ref.name}"
        if (live.get("spec") or {}).get("suspend"):
            raise NeverReady(f"{self._ref.kind} '{name}' is suspended")
        if (live.get("status") or {}).get("observedGeneration") != live["metadata"].get("generation"):
            return None
        if (stalled := condition(live, "Stalled")) and stalled["status"] == "True":
            raise NeverReady(f"{self._ref.kind.lower()} '{name}' not ready: '{stalled.get('message', '')}'")
        ready = condition(live, "Ready")
        if ready is None:
            return None
        if ready["status"] != "True":
            self.complaint = f"{self._ref.kind.lower()} '{name}' not ready: '{ready.get('message', '')}'"
            return None
        self.complaint = ""
        revision = self._revision_of(live)
        return revision if await self._expected.is_met_by(revision) else None


def artifact_revision(live: Manifest) -> str:
    return str(((live.get("status") or {}).get("artifact") or {}).get("revision") or "")


def attempted_revision(live: Manifest) -> str:
    return str((live.get("status") or {}).get("lastAttemptedRevision") or "")


def git_repository(namespace: str) -> ObjectRef:
    return ObjectRef(SOURCE_API, "GitRepository", namespace, namespace)


def kustomization(namespace: str) -> ObjectRef:
    return ObjectRef(KUSTOMIZE_API, "Kustomization", namespace, namespace)


async def wait_for_sync(kube: Kube, namespace: str, expected: Expected, deadline: float, say: Say) -> list[str]:
    """Both sync objects, one after the other and both always. Gives the failures. `deadline`: on the loop's clock."""
    failures = []
    for ref, revision_of in ((git_repository(namespace), artifact_revision), (kustomization(namespace), attempted_revision)):
        say.waiting(f'waiting for {ref.kind} "{ref.namespace}/{ref.name}" to be reconciled')
        judge = ReadyJudge(ref, expected, revision_of)
        try:
            async with asyncio.timeout_at(deadline):
                await until(kube, ref, judge)
        except (TimeoutError, NeverReady, ApiError) as error:
            cause = (judge.complaint or NO_TIME) if isinstance(error, TimeoutError) else str(error)
            say.failure(cause)
            failures.append(f"error while waiting for {ref.kind} to be ready: '{cause}'")
        else:
            say.success(f"{ref.kind} reconciled successfully")
    return failures


async def wait_for_deployments(kube: Kube, namespace: str, names: Sequence[str], seconds: float, say: Say) -> bool:
    """One line each, sorted by name, when all are ready or the time is over."""
    healths = await follow_deployments(kube, namespace, names, seconds)
    for name, health in healths.items():
        (say.success if health == "ready" else say.failure)(f"{name}: deployment {health}")
    return set(healths.values()) <= {"ready"}


async def follow_deployments(kube: Kube, namespace: str, names: Sequence[str], seconds: float) -> dict[str, str]:
    """Name, in order -> `ready`, `not ready`, `not found`. All are followed at once, for `seconds` at most."""
    healths = dict.fromkeys(sorted(names), "not found")
    try:
        async with asyncio.timeout(seconds), TaskGroup() as group:
            for name in healths:
                group.create_task(_deployment(kube, ObjectRef("apps/v1", "Deployment", namespace, name), healths))
    except TimeoutError:
        pass
    return healths


async def _deployment(kube: Kube, ref: ObjectRef, healths: dict[str, str]) -> None:
    async def judge(live: Manifest | None) -> bool | None:
        if live is None:
            healths[ref.name] = "not found"
            return None
        status = health_of(live).status
        healths[ref.name] = "ready" if status == "Current" else "not ready"
        return True if status in ("Current", "Failed") else None

    await until(kube, ref, judge)
