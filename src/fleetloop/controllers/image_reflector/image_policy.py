"""ImagePolicy: the tag that is wanted of those that were scanned. Flux: helm-notification-image.md 4.3."""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import aiohttp

from fleetloop import oci
from fleetloop.api.durations import seconds_of
from fleetloop.api.image import ImagePolicy, ImagePolicyStatus, ImageRef, ImageRepository
from fleetloop.api.meta import Key, Status
from fleetloop.controllers.image_reflector.access import ImageAccess, repository_of
from fleetloop.controllers.image_reflector.failures import AccessDenied, DependencyNotReady, DigestUnknown
from fleetloop.controllers.image_reflector.policies import SelectVersions, choose
from fleetloop.controllers.image_reflector.tags import TagStore
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import ObjectRef, labels_of
from fleetloop.runtime import settle as settling
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Done, Failure, Outcome

DIGEST_TIMEOUT = 60.0  # seconds


@dataclass(slots=True)
class ImagePolicyReconciler:
    """`find` gives a repository as last seen. `requeue_dependency` in seconds."""

    kube: Kube
    access: ImageAccess
    session: aiohttp.ClientSession
    store: TagStore
    find: Callable[[Key], ImageRepository | None]
    select: SelectVersions
    no_cross_namespace: bool
    requeue_dependency: float
    owned_conditions: frozenset[str] = frozenset({"Ready", "Reconciling", "Stalled"})

    async def reconcile(self, obj: ImagePolicy, draft: Status, report: Report) -> Outcome:
        """Raises Failure. A policy that fails keeps its choice."""
        status, spec = cast(ImagePolicyStatus, draft), obj.spec
        repository = await self._repository(obj)
        tags = await asyncio.to_thread(self.store.read, str(repository_of(repository.spec.image)))
        if not tags:
            seconds = self.requeue_dependency
            message = f"referenced ImageRepository has no tags yet, retrying in {seconds:g}s error: no tags in database"
            raise DependencyNotReady(message, after=seconds)
        tag = await choose(spec.policy, tags, spec.filter_tags, self.select)
        digest = await self._digest(obj, repository, tag)
        chosen = ImageRef(name=repository.spec.image, tag=tag, digest=digest)
        if status.latest_ref != chosen:
            if status.latest_ref is not None:
                status.observed_previous_ref = status.latest_ref
            status.latest_ref = chosen
        message = _message(status)
        after = seconds_of(spec.interval) if spec.digest_reflection_policy == "Always" and spec.interval else None
        if status.says("Ready", message):
            report.event("Trace", "Succeeded", message)
            return Done(after=after, reason="Succeeded", message=message)
        return Done(after=after, reason="Succeeded", message=message, event=message, is_news=True)

    async def finalize(self, obj: ImagePolicy, report: Report) -> None:
        """It owns nothing."""

    def settle(self, obj: ImagePolicy, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: ImagePolicy, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""

    async def _repository(self, obj: ImagePolicy) -> ImageRepository:
        """Raises DependencyNotReady, AccessDenied."""
        ref = obj.spec.image_repository_ref
        namespace = ref.namespace or obj.namespace
        name = f"{namespace}/{ref.name}"
        if namespace != obj.namespace and self.no_cross_namespace:
            raise AccessDenied(f"cannot access '{name}', cross-namespace references have been blocked")
        found = self.find(Key("ImageRepository", namespace, ref.name))
        if found is None:
            raise DependencyNotReady(f"referenced ImageRepository does not exist: '{name}' not found")
        if namespace != obj.namespace and not await self._is_admitted(obj, found):
            raise AccessDenied(f"access to the namespace '{namespace}' by the policy's namespace '{obj.namespace}' is denied")
        return found

    async def _is_admitted(self, obj: ImagePolicy, repository: ImageRepository) -> bool:
        """By the labels of the policy's namespace; without accessFrom nobody is."""
        allowed = repository.spec.access_from
        if allowed is None:
            return False
        try:
            labels = labels_of(await self.kube.get(ObjectRef("v1", "Namespace", "", obj.namespace)))
        except ApiError:
            return False
        return any(selector.match_labels.items() <= labels.items() for selector in allowed.namespace_selectors)

    async def _digest(self, obj: ImagePolicy, repository: ImageRepository, tag: str) -> str:
        policy, old = obj.spec.digest_reflection_policy, obj.status.latest_ref
        if policy == "Never":
            return ""
        known = old.digest if old and (old.name, old.tag) == (repository.spec.image, tag) else ""
        if policy == "IfNotPresent" and known:
            return known
        try:
            async with asyncio.timeout(DIGEST_TIMEOUT):
                registry = oci.Registry(self.session, await self.access.of(repository))
                return await registry.resolve(repository_of(repository.spec.image).tagged(tag))
        except (oci.OciError, TimeoutError) as error:
            raise DigestUnknown(f"failed fetching digest of {repository.spec.image}:{tag}: {error}") from error


def _message(status: ImagePolicyStatus) -> str:
    latest, previous = status.latest_ref, status.observed_previous_ref
    assert latest is not None  # it was just chosen
    digest = f" with digest {latest.digest}" if latest.digest else ""
    was = f" (previously {previous.name}:{previous.tag}{f'@{previous.digest}' if previous.digest else ''})" if previous else ""
    return f"Latest image tag for {latest.name} resolved to {latest.tag}{digest}{was}"
