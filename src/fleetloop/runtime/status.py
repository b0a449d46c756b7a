"""Writes what changed in an object's status, and nothing else: a merge patch, under optimistic lock when conditions are in it.

Flux: helm-notification-image.md 1.4. Conditions of other writers survive.
"""

from typing import Any

from fleetloop.api.meta import Object, Status, content_of
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import Conflict
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.conditions import merged
from fleetloop.runtime.decode import decoded

TRIES = 5


def merge_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The smallest RFC 7386 patch from one to the other; empty when they are equal."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif old != value:
            patch[key] = value
    return patch


async def save_status(kube: Kube, obj: Object, draft: Status, owned: frozenset[str]) -> Manifest | None:
    """Brings the draft to the server; `obj.status` is what it was made from. None when there was nothing to write.

    `owned`: condition types that are ours. Raises ApiError, Unreachable; NotFound when the object is gone.
    """
    ref = ref_of_object(obj)
    before: Status = obj.status  # type: ignore[attr-defined]  # every kind with a loop has one
    version = obj.metadata.resource_version
    for _ in range(TRIES):
        patch = merge_patch(content_of(before), content_of(draft))
        if not patch:
            return None
        body: dict[str, Any] = {"status": patch}
        if "conditions" in patch:
            body["metadata"] = {"resourceVersion": version}
        try:
            return await kube.patch(ref, body, subresource="status")
        except Conflict:
            live = decoded(type(obj), await kube.get(ref))
            if live.metadata.uid != obj.metadata.uid:
                return None
            before, version = live.status, live.metadata.resource_version  # type: ignore[attr-defined]
            draft.conditions = merged(before, draft, owned)
    raise Conflict(409, "Conflict", f"{ref} status was written by others {TRIES} times in a row")


def ref_of_object(obj: Object) -> ObjectRef:
    return ObjectRef(obj.api_version, obj.kind, obj.metadata.namespace, obj.metadata.name)
