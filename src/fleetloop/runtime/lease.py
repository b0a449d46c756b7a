"""One process at a time leads: a coordination.k8s.io Lease, taken and renewed as client-go's leader election does.

Flux: helm-notification-image.md 1.2. Losing the lease ends the process: it must not go on beside its successor.
"""

import asyncio
import datetime
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, Unreachable
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.log import logger
from fleetloop.task_group import TaskGroup


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Seconds."""

    duration: float = 35.0
    renew_deadline: float = 30.0
    retry_period: float = 5.0
    release_on_cancel: bool = True


class LeaseLost(Exception):
    """Another process leads now, or the API server could not be told in time."""


class LeaderLease:
    """`identity` names this process; a restarted one with the same identity takes its own lease back at once."""

    def __init__(self, kube: Kube, ref: ObjectRef, identity: str, settings: LeaseSettings) -> None:
        self._kube = kube
        self._ref = ref
        self._identity = identity
        self._settings = settings
        self._leads = False
        self._seen: tuple[str, float] = ("", 0.0)  # renewTime as last read, and when we read it by our own clock

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Waits until we lead, then renews while the body runs. Raises LeaseLost into it."""
        acquired = await self._until_taken()
        self._leads = True
        logger().info(f"successfully acquired lease {self._ref.namespace}/{self._ref.name}")
        try:
            async with TaskGroup() as group:
                renewal = group.create_task(self._renew(acquired))
                yield
                renewal.cancel()
        finally:
            if self._settings.release_on_cancel:
                await asyncio.shield(self._release())  # a successor need not wait for the lease to expire

    async def _until_taken(self) -> float:
        """Gives the time, by the loop's clock, from which the lease counts: before the request was sent, as the others may see it
        stored at once."""
        while True:
            asked = asyncio.get_running_loop().time()
            if await self._try_once():
                return asked
            await asyncio.sleep(self._settings.retry_period)

    async def _renew(self, renewed: float) -> None:
        """A server that does not answer must not keep us leading: the deadline holds for requests under way too."""
        deadline = self._settings.renew_deadline
        while True:
            try:
                async with asyncio.timeout_at(renewed + deadline):
                    await asyncio.sleep(self._settings.retry_period)
                    renewed = await self._until_taken()
            except TimeoutError as error:
                raise LeaseLost(f"lease {self._ref.name} was not renewed for {deadline:g}s") from error

    async def _try_once(self) -> bool:
        try:
            lease = await self._kube.find(self._ref)
            if lease is None:
                await self._kube.create(self._manifest({}, None))
                return True
            spec = lease.get("spec") or {}
            if self._leads and spec.get("holderIdentity") not in {None, "", self._identity}:  # as after a night's sleep
                raise LeaseLost(f"lease {self._ref.name} was taken by {spec['holderIdentity']}")
            if not self._may_take(spec):
                return False
            await self._kube.replace(self._manifest(spec, lease["metadata"]["resourceVersion"]))
        except (AlreadyExists, Conflict):
            return False
        except (ApiError, Unreachable) as error:
            logger().error("lease request failed", error=str(error))
            return False
        return True

    def _may_take(self, spec: dict[str, Any]) -> bool:
        """Expiry is judged by our own clock since the lease last changed, never by comparing two machines' clocks."""
        if spec.get("holderIdentity") in {None, "", self._identity}:
            return True
        now = asyncio.get_running_loop().time()
        stamp = str(spec.get("renewTime"))
        if stamp != self._seen[0]:
            self._seen = (stamp, now)
        return now - self._seen[1] > float(spec.get("leaseDurationSeconds") or self._settings.duration)

    def _manifest(self, old: dict[str, Any], version: str | None) -> Manifest:
        now = _micro(utc_now())
        ours = old.get("holderIdentity") == self._identity
        return {
            "apiVersion": self._ref.api_version,
            "kind": "Lease",
            "metadata": {"name": self._ref.name, "namespace": self._ref.namespace, "resourceVersion": version},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(self._settings.duration),
                "acquireTime": old.get("acquireTime") if ours else now,
                "renewTime": now,
                "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours or not old else 1),
            },
        }

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._settings.retry_period):
                lease = await self._kube.get(self._ref)
                if lease["spec"].get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "renewTime": _micro(utc_now()), "leaseDurationSeconds": 1}
                    await self._kube.replace(lease)
        except (NotFound, ApiError, Unreachable, TimeoutError) as error:
            logger().error("lease not released", error=str(error))


def lease_name(component: str, label_selector: str) -> str:
    """Shards have a lease each: the selector's digest is part of the name."""
    suffix = f"-{hashlib.sha256(label_selector.encode()).hexdigest()[:8]}" if label_selector else ""
    return f"{component}-leader-election{suffix}"


def _micro(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
