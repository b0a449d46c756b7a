"""Deletes an object whose change the server refuses, so that it can be made anew: only where Git or the object asks for it.

Flux: source-kustomize.md 8.7. It recreates after any validation error, an object that can never be valid included, which is then
gone; here the server is asked first whether it would take the new one.
"""

import asyncio

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import AlreadyExists, ApiError, Conflict, Invalid, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.kube.switches import says

TAKEN = ("already allocated", "already in use")  # by the very object that is to be replaced


def may_help(error: ApiError) -> bool:
    """Whether the object might be accepted as a new one."""
    if "field not declared in schema" in error.message:
        return False
    return isinstance(error, Conflict | Invalid) or "is immutable" in error.message or "immutable field" in error.message


def is_asked_for(desired: Manifest, live: Manifest | None, force: bool) -> bool:
    return force or says(desired, "force", "enabled") or says(live, "force", "enabled")


async def recreate_room(kube: Kube, desired: Manifest, live: Manifest, patience: float) -> None:
    """Until the object is gone: a finalizer may hold it. Raises ApiError when the new one would be refused too, or the deletion
    is; TimeoutError when it is still there after `patience` seconds."""
    ref, uid = ref_of(desired), live["metadata"]["uid"]
    try:
        await kube.create(desired, dry_run=True)
    except AlreadyExists:
        pass
    except Invalid as error:
        if not any(words in error.message for words in TAKEN):
            raise
    try:
        async with asyncio.timeout(patience):
            await kube.delete(ref, uid=uid)
            await until_gone(kube, ref, uid)
    except NotFound:
        return


async def until_gone(kube: Kube, ref: ObjectRef, uid: str) -> None:
    """On a watch; the timeout is the caller's."""
    selector = f"metadata.name={ref.name}"
    while True:
        _, version = await kube.list_with_version(ref.api_version, ref.kind, ref.namespace, field_selector=selector)
        live = await kube.find(ref)
        if live is None or live["metadata"]["uid"] != uid:
            return
        async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
            if event.type == "DELETED":
                return
