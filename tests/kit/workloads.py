"""Workloads to create in a real cluster, and a wait for what becomes of them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fleetloop.kube import Kube, Manifest, ObjectRef


def deployment(
    name: str, namespace: str, *, replicas: int = 1, annotations: Mapping[str, str] | None = None, **container: Any
) -> Manifest:
    """One container `manager`; `container` adds to it or replaces (image, args, env, …)."""
    template = {
        "metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})},
        "spec": {"containers": [{"name": "manager", "image": "registry.example.com/web:1"} | container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def job(name: str, namespace: str, *, annotations: Mapping[str, str] | None = None) -> Manifest:
    """Tried once."""
    template = {
        "metadata": {"annotations": dict(annotations or {})},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "registry.example.com/job:1"}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": template},
    }


def is_available(manifest: Manifest) -> bool:
    """A Deployment of the present generation with all its replicas available."""
    status = manifest.get("status") or {}
    seen = status.get("observedGeneration") == manifest["metadata"]["generation"]
    return bool(seen and status.get("availableReplicas") == manifest["spec"]["replicas"] == status.get("updatedReplicas"))


def job_ended(manifest: Manifest) -> bool:
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)


async def until(kube: Kube, ref: ObjectRef, holds: Callable[[Manifest], bool], seconds: float) -> Manifest:
    """The object once `holds` is true of it, awaited on a watch. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:  # the server may end a watch
            watch = kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}")
            async for event in watch:
                if event.type in {"ADDED", "MODIFIED"} and holds(event.object):
                    return event.object
