"""What applying built objects would do to the cluster, object by object, told by dry runs. Changes nothing.

Values of Secrets leave this file masked only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fleetloop.api.names import KUSTOMIZATION_NAME, KUSTOMIZATION_NAMESPACE, KUSTOMIZE_CONTROLLER
from fleetloop.build.manifest import is_secret
from fleetloop.cli.columns import at
from fleetloop.cli.diff_report import report
from fleetloop.cli.errors import CliError
from fleetloop.cli.secret_mask import mask_pair, scrubbed
from fleetloop.cli.sops_mask import is_masked
from fleetloop.kube.errors import ApiError, Conflict, Invalid, KindUnknown, NotFound
from fleetloop.kube.inventory import ref_from, stale
from fleetloop.kube.objects import Manifest, ObjectRef, labels_of, ref_of
from fleetloop.kube.switches import is_ignored, says
from fleetloop.task_group import TaskGroup

if TYPE_CHECKING:
    from fleetloop.kube import Kube

AT_A_TIME = 8
_SERVERS = {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"}  # of metadata

Action = Literal["created", "drifted", "deleted", "skipped", "unchanged"]
Strip = Callable[[Manifest], Manifest]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one object; `text` is the report of a drift, ready to print."""

    ref: ObjectRef
    action: Action
    text: str = ""

    def __str__(self) -> str:
        return f"► {self.ref} {self.action}\n{self.text}"


@dataclass(frozen=True)
class Comparison:
    """Compares what one Kustomization built; `strip` takes away what its spec.ignore leaves to others. `manager`: who applies."""

    kube: "Kube"
    objects: Sequence[Manifest]
    strip: Strip
    force: bool
    manager: str = KUSTOMIZE_CONTROLLER

    async def verdicts(self) -> list[Verdict | CliError]:
        """In the order of the objects; an object that the server refuses is an error among the others."""
        slots = asyncio.Semaphore(AT_A_TIME)

        async def bounded(manifest: Manifest) -> Verdict | CliError:
            async with slots:
                return await self._judged(manifest)

        async with TaskGroup() as group:
            tasks = [group.create_task(bounded(manifest)) for manifest in self.objects]
        return [task.result() for task in tasks]

    async def _judged(self, desired: Manifest) -> Verdict | CliError:
        ref = ref_of(desired)
        try:
            return await self._verdict(ref, desired)
        except (KindUnknown, NotFound) as error:
            if self._brings_what_it_needs(desired):
                return Verdict(ref, "created")
            return CliError(f"{ref} not found: {error}")
        except ApiError as error:
            return CliError(f"{ref} dry-run failed: {scrubbed(error.message, desired)}")

    async def _verdict(self, ref: ObjectRef, desired: Manifest) -> Verdict:
        if is_ignored(desired) or _is_encrypted(desired):
            return Verdict(ref, "skipped")
        live = await self.kube.find(ref)
        if is_ignored(live) or (live and says(desired, "ssa", "IfNotPresent")):
            return Verdict(ref, "skipped")
        try:
            preview = await self.kube.preview(_with_live_values(desired, live), field_manager=self.manager)
        except (Conflict, Invalid) as error:
            if "immutable" in error.message and (
                self.force or says(desired, "force", "enabled") or says(live, "force", "enabled")
            ):
                return Verdict(ref, "created")
            raise
        if live is None:
            return Verdict(ref, "created")
        before, after = self.strip(_written(live)), self.strip(_written(preview.object))
        if before == after:
            return Verdict(ref, "unchanged")
        return Verdict(ref, "drifted", report(*mask_pair(before, after)))

    def _brings_what_it_needs(self, desired: Manifest) -> bool:
        """Its namespace, or its kind, does not exist yet, but is among the objects."""
        ref = ref_of(desired)
        for other in self.objects:
            if other["kind"] == "Namespace" and other["metadata"]["name"] == ref.namespace:
                return True
            if at(other, "spec", "names", "kind") == ref.kind and at(other, "spec", "group") == ref.group:
                return True
        return False


def inventory_of(owner: Manifest) -> list[ObjectRef]:
    """What a Kustomization or HelmRelease recorded as its own; entries that name nothing are left out."""
    found = []
    for entry in at(owner, "status", "inventory", "entries") or []:
        try:
            found.append(ref_from(entry["id"], entry["v"]))
        except ValueError:
            continue
    return found


async def pruned(kube: "Kube", kustomization: Manifest, objects: Collection[Manifest]) -> AsyncIterator[Verdict]:
    """What is in the inventory and not built any more, and all that goes with it."""
    owner = ref_of(kustomization)
    for ref in stale(inventory_of(kustomization), map(ref_of, objects)):
        async for verdict in _deleted(kube, ref, _owned_by(owner), frozenset({owner})):
            yield verdict


async def _deleted(
    kube: "Kube", ref: ObjectRef, owns: Callable[[Manifest], bool], above: frozenset[ObjectRef]
) -> AsyncIterator[Verdict]:
    """An object, and then what its own deletion takes along. What is gone already is no news."""
    live = await kube.find(ref)
    if live is None or ref in above:
        return
    if not owns(live) or is_ignored(live) or says(live, "prune", "disabled"):
        yield Verdict(ref, "skipped")
        return
    yield Verdict(ref, "deleted")
    if not _cleans_up(live):
        return
    owns_child = _owned_by(ref) if ref.kind == "Kustomization" else _anything
    for child in inventory_of(live):
        async for verdict in _deleted(kube, child, owns_child, above | {ref}):
            yield verdict


def _cleans_up(live: Manifest) -> bool:
    """Whether a controller deletes what the object applied when it is deleted itself."""
    spec = live.get("spec") or {}
    if spec.get("suspend") or spec.get("kubeConfig"):
        return False
    if live["kind"] == "Kustomization":
        policy = spec.get("deletionPolicy") or "MirrorPrune"
        return bool(spec.get("prune")) if policy == "MirrorPrune" else policy != "Orphan"
    return bool(live["kind"] == "HelmRelease")


def _owned_by(owner: ObjectRef) -> Callable[[Manifest], bool]:
    def owns(live: Manifest) -> bool:
        labels = labels_of(live)
        return (labels.get(KUSTOMIZATION_NAME), labels.get(KUSTOMIZATION_NAMESPACE)) == (owner.name, owner.namespace)

    return owns


def _anything(_: Manifest) -> bool:
    return True


def _is_encrypted(manifest: Manifest) -> bool:
    """Not a Secret and encrypted: its values here are no values, and those of the cluster nobody's to see."""
    return not is_secret(manifest) and bool(at(manifest, "sops", "mac"))


def _with_live_values(desired: Manifest, live: Manifest | None) -> Manifest:
    """What SOPS encrypted counts as equal to what the cluster has: only keys that came or went are a change."""
    if live is None or not is_masked(desired):
        return desired
    known: dict[str, Any] = live.get("data") or {}
    data = {key: known.get(key, value) for key, value in (desired.get("data") or {}).items()}
    text = {key: value for key, value in (desired.get("stringData") or {}).items() if key not in known}
    data |= {key: known[key] for key in (desired.get("stringData") or {}) if key in known}
    filled = {"data": data} | ({"stringData": text} if text else {})
    return {key: value for key, value in desired.items() if key not in ("data", "stringData")} | filled


def _written(manifest: Manifest) -> Manifest:
    """Without what the server writes by itself."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _SERVERS}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}
