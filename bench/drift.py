"""A hundred foreign writes to objects of ten kinds, one after the other, each timed until the object is as it was applied."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.applications import NAMESPACE, is_ready, kustomization, source_ref
from bench.drift_targets import CRD, FILES, TARGETS, Target
from bench.following import Follower
from bench.phases import LONG, PATIENCE, Phase, measured, until_quiet
from bench.place import ControllerProcess, Place
from bench.revisions import Revision
from fleetloop.kube import Kube, Manifest, ObjectRef, version_of

STRANGER, TAKER = "kubectl-edit", "another-applier"
OWNERS = 10  # Kustomizations with an object of each kind
MISCHIEF = ("changed", "removed", "deleted", "label", "taken")
LABEL = ("metadata", "labels", "kustomize.toolkit.fluxcd.io/namespace")
REVISION = Revision("kinds", FILES)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """`what` is one of MISCHIEF: an update of a field, its removal, a deletion, an edit of a label that was applied, or a
    server-side apply by another manager that forces its value."""

    ref: ObjectRef
    target: Target
    what: str

    @property
    def path(self) -> tuple[str, ...]:
        return LABEL if self.what == "label" else self.target.path

    async def commit(self, kube: Kube) -> int:
        """The version that the repaired object must be newer than."""
        if self.what == "deleted":
            version = version_of(await kube.get(self.ref))
            await kube.delete(self.ref)
            return version
        if self.what == "taken":
            about = {"apiVersion": self.ref.api_version, "kind": self.ref.kind}
            fields = merged(nested(("metadata", "name"), self.ref.name), nested(("metadata", "namespace"), NAMESPACE))
            manifest = merged(about | fields, nested(self.path, self.target.foreign))
            return version_of(await kube.apply(manifest, field_manager=TAKER))
        foreign = {"changed": self.target.foreign, "removed": None, "label": "other"}[self.what]
        return version_of(await kube.patch(self.ref, nested(self.path, foreign), field_manager=STRANGER))

    def is_repaired(self, found: Manifest | None, version: int, wanted: object) -> bool:
        """`wanted`: what was at `path` before."""
        if found is None or version_of(found) <= version or found["metadata"].get("deletionTimestamp"):
            return False
        return value_at(found, self.path) == wanted


def disturbances() -> list[Disturbance]:
    """Each object once: every kind is met by every kind of mischief twice."""
    return [
        Disturbance(target.ref(owner_name(owner)), target, MISCHIEF[(owner + number) % len(MISCHIEF)])
        for owner in range(OWNERS)
        for number, target in enumerate(TARGETS)
    ]


def owner_name(number: int) -> str:
    return f"owner-{number}"


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for step in reversed(path):
        value = {step: value}
    found: dict[str, Any] = value
    return found


def merged(some: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(some)
    for key, value in other.items():
        found[key] = merged(found[key], value) if isinstance(found.get(key), dict) else value
    return found


def value_at(manifest: Manifest, path: Sequence[str]) -> object:
    value: Any = manifest
    for step in path:
        value = (value or {}).get(step)
    return value


async def measure(place: Place, controller: ControllerProcess) -> Phase:
    await place.define(CRD)
    await place.publish(source_ref("kinds"), REVISION)
    async with place.kustomizations() as owners:
        for number in range(OWNERS):
            substitute = {"substitute": {"name": owner_name(number), "namespace": NAMESPACE}}
            await place.kube.create(kustomization(owner_name(number), "kinds", "./kinds", LONG, postBuild=substitute))
        await owners.until_all(OWNERS, lambda found: is_ready(found, REVISION.name), PATIENCE)
    await until_quiet(place)
    done = disturbances()
    async with contextlib.AsyncExitStack() as stack:
        kinds = [(target.api_version, target.kind) for target in TARGETS]
        live = {kind: await stack.enter_async_context(Follower(place.kube, *kind).running()) for kind in kinds}
        phase = await stack.enter_async_context(measured("repaired", len(done), place, controller))
        for disturbance in done:
            follower = live[disturbance.ref.api_version, disturbance.ref.kind]
            phase.latencies.append(await _repaired(place.kube, follower, disturbance))
        phase.seconds = sum(phase.latencies)
        await until_quiet(place)
    return phase


async def _repaired(kube: Kube, live: Follower, disturbance: Disturbance) -> float:
    wanted = value_at(await kube.get(disturbance.ref), disturbance.path)
    started = time.monotonic()
    version = await disturbance.commit(kube)
    await live.until(disturbance.ref, lambda found: disturbance.is_repaired(found, version, wanted), PATIENCE)
    return time.monotonic() - started
