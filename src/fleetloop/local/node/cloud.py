"""What a cloud would give: volumes for claims, addresses for load balancers. Without them, such objects never get ready.

A volume is a folder of the cluster's state; only pods that really run use it. A load balancer's address is the node's.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from fleetloop.kube import AlreadyExists, ApiError, Kube, Manifest, NotFound, ObjectRef, Unreachable, labels_of, ref_of
from fleetloop.task_group import TaskGroup

CLAIM_LABEL = "local.fleetloop.dev/claim"


def claim_folder(claims: Path, namespace: str, name: str) -> Path:
    return claims / f"{namespace}_{name}"


class Cloud:
    """Listens to claims, volumes and services. `tasks` is where its requests live."""

    def __init__(self, kube: Kube, tasks: TaskGroup, claims: Path, address: str) -> None:
        self._kube = kube
        self._tasks = tasks
        self._claims = claims
        self._address = address

    def claim_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new and not new["spec"].get("volumeName") and not new["metadata"].get("deletionTimestamp"):
            self._start(self._kube.create(volume_for(new, self._claims)), new)

    def volume_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new and CLAIM_LABEL in labels_of(new) and (new.get("status") or {}).get("phase") == "Released":
            self._start(self._drop(new), new)

    def service_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new and new["spec"].get("type") == "LoadBalancer" and not (new.get("status") or {}).get("loadBalancer"):
            status = {"loadBalancer": {"ingress": [{"ip": self._address}]}}
            self._start(self._kube.patch(ref_of(new), {"status": status}, subresource="status"), new)

    async def _drop(self, volume: Manifest) -> None:
        await self._kube.delete(ObjectRef("v1", "PersistentVolume", "", volume["metadata"]["name"]))
        await asyncio.to_thread(shutil.rmtree, volume["spec"]["hostPath"]["path"], True)

    def _start(self, request: Coroutine[Any, Any, Any], cause: Manifest) -> None:
        self._tasks.create_task(_attempted(request, cause))


def volume_for(claim: Manifest, claims: Path) -> Manifest:
    """A volume that this claim alone can bind."""
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"local-{metadata['uid']}", "labels": {CLAIM_LABEL: metadata["uid"]}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "storageClassName": spec.get("storageClassName") or "",
            "persistentVolumeReclaimPolicy": "Retain",  # the node removes it: Kubernetes would not know how
            "hostPath": {"path": str(claim_folder(claims, metadata["namespace"], metadata["name"]))},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


async def _attempted(request: Coroutine[Any, Any, Any], cause: Manifest) -> None:
    """A request that fails is made again with the next change of the object, or the next list of all."""
    try:
        await request
    except (AlreadyExists, NotFound):
        return
    except (ApiError, Unreachable) as error:
        structlog.get_logger().warning("not provided", object=str(ref_of(cause)), error=str(error))
