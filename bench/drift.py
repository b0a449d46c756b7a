"""Foreign writes to applied objects: how they are done, and how a repair shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.fleet import KINDS, NAMESPACE, Revision, application_name
from fleetloop.kube import Kube, Manifest, ObjectRef, version_of

STRANGER = "kubectl-edit"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A merge patch, or with none a deletion; `wanted` is what a repaired object has at `path`."""

    ref: ObjectRef
    patch: Mapping[str, Any] | None = None
    path: tuple[str | int, ...] = ()
    wanted: object = None

    async def commit(self, kube: Kube) -> int:
        """The version that the repaired object must be newer than."""
        if self.patch is not None:
            return version_of(await kube.patch(self.ref, self.patch, field_manager=STRANGER))
        version = version_of(await kube.get(self.ref))
        await kube.delete(self.ref)
        return version

    def is_repaired(self, found: Manifest | None, version: int) -> bool:
        if found is None or version_of(found) <= version or found["metadata"].get("deletionTimestamp"):
            return False
        value: Any = found
        for step in self.path:
            value = value[step]
        return self.patch is None or value == self.wanted


def disturbances(count: int, revision: Revision) -> list[Disturbance]:
    """Each application once, eight kinds of mischief in turn."""
    return [_mischief(application_name(number), revision)[number % 8] for number in range(count)]


def _mischief(name: str, revision: Revision) -> list[Disturbance]:
    account, service, deployment, ingress = (ObjectRef(api, kind, NAMESPACE, name) for api, kind in KINDS)
    image, host = f"registry.example.com/app:{revision.tag}", f"{name}.example.com"
    image_path = ("spec", "template", "spec", "containers", 0, "image")
    hotfix = {"containers": [{"name": "app", "image": "registry.example.com/app:hotfix"}]}
    return [
        Disturbance(deployment, {"spec": {"template": {"spec": hotfix}}}, image_path, image),
        Disturbance(service),
        Disturbance(ingress, {"spec": {"rules": [{"host": "elsewhere.example.com"}]}}, ("spec", "rules", 0, "host"), host),
        Disturbance(account),
        Disturbance(deployment, {"spec": {"replicas": 3}}, ("spec", "replicas"), 0),
        Disturbance(deployment),
        Disturbance(service, {"spec": {"selector": {"app": "other"}}}, ("spec", "selector", "app"), name),
        Disturbance(ingress),
    ]
