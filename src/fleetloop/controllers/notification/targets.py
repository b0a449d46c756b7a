"""What a verified call asks for: the objects of a Receiver, found, filtered, and asked to reconcile.

Flux: helm-notification-image.md 3.6.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleetloop.api.names import REQUESTED_AT
from fleetloop.api.notification import Receiver, ReceiverResource
from fleetloop.controllers.notification.cel import Cel
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.runtime.log import logger

_SOURCE = "source.toolkit.fluxcd.io/v1"
# HN16: these may leave out apiVersion; no others.
_DEFAULTS = {
    "Bucket": _SOURCE,
    "HelmChart": _SOURCE,
    "HelmRepository": _SOURCE,
    "GitRepository": _SOURCE,
    "OCIRepository": _SOURCE,
    "ImageRepository": "image.toolkit.fluxcd.io/v1",
    "ArtifactGenerator": "source.extensions.fluxcd.io/v1beta1",
}


class BadTarget(Exception):
    """One of the resources cannot be asked; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Targets:
    """`now` as text, in the form of the annotation."""

    kube: Kube
    cel: Cel
    no_cross_namespace: bool
    now: Callable[[], str]

    async def request(self, receiver: Receiver, body: Any, claims: Mapping[str, Any] | None) -> list[str]:
        """Asks all that can be asked; why the others were not."""
        problems = []
        for resource in receiver.spec.resources:
            try:
                for ref in await self._selected(receiver, resource, body, claims):
                    await self._annotate(ref)
            except BadTarget as error:
                problems.append(str(error))
            except (ApiError, Unreachable, ValueError) as error:
                problems.append(f"{resource.kind}/{resource.namespace or receiver.namespace}/{resource.name}: {error}")
        return problems

    async def _selected(
        self, receiver: Receiver, resource: ReceiverResource, body: Any, claims: Mapping[str, Any] | None
    ) -> list[ObjectRef]:
        """Raises BadTarget, ApiError, Unreachable, ValueError."""
        namespace = resource.namespace or receiver.namespace
        if namespace != receiver.namespace and self.no_cross_namespace:
            raise BadTarget(
                f"resource '{resource.kind}/{namespace}/{resource.name}': cross-namespace references have been blocked"
            )
        api_version = resource.api_version or _DEFAULTS.get(resource.kind, "")
        if not api_version:
            raise BadTarget(f"apiVersion must be specified for kind '{resource.kind}'")
        filters = [text for text in (receiver.spec.resource_filter, resource.filter) if text]
        if resource.name != "*":
            ref = ObjectRef(api_version, resource.kind, namespace, resource.name)
            found = [_identity(await self.kube.get(ref))] if filters else []
            return [ref] if not filters or await self._admitted(receiver, found[0], filters, body, claims) else []
        if not resource.match_labels:
            raise BadTarget(f"matchLabels field not set when using wildcard '*' as name, kind '{resource.kind}'")
        selector = ",".join(f"{key}={value}" for key, value in sorted(resource.match_labels.items()))
        listed = await self.kube.metadata_only().list(api_version, resource.kind, namespace, selector)
        if not listed:
            logger().info("no objects found for the labels", kind=resource.kind, namespace=namespace, selector=selector)
        kept = [_identity({**item, "apiVersion": api_version, "kind": resource.kind}) for item in listed]
        return [ref_of(item) for item in kept if await self._admitted(receiver, item, filters, body, claims)]

    async def _admitted(
        self, receiver: Receiver, item: Manifest, filters: list[str], body: Any, claims: Mapping[str, Any] | None
    ) -> bool:
        variables: dict[str, Any] = {"res": item, "req": body}
        if claims is not None:
            variables["claims"] = dict(claims)
        cel = self.cel.of(receiver.namespace)
        for text in filters:
            if not await cel.holds(text, variables):
                return False
        return True

    async def _annotate(self, ref: ObjectRef) -> None:
        await self.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: self.now()}}})


def go_time(now: datetime.datetime, since_start: float) -> str:
    """As Go prints a moment of a running process. `since_start` in seconds."""
    return f"{now.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+{since_start:.9f}"


def _identity(manifest: Manifest) -> Manifest:
    """What filters may read."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}
