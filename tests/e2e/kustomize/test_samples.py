"""Kustomizations, what they applied, and their events, beside those that Flux 2.9 wrote for the same repository.

tests/cases/kustomizations.json is what Flux wrote. Equal but for times, durations, digests, hashes and temporary paths.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.kustomize.conftest import DEADLINE, KUSTOMIZE_API, Space
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

RECORDED: dict[str, Any] = json.loads(Path(__file__, "../../../cases/kustomizations.json").resolve().read_text())
REVISION = "main@sha1:" + "a" * 40
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %s}}
  progressDeadlineSeconds: 600
  strategy: {}
  template:
    metadata: {labels: {app: %s}}
    spec: {containers: [{name: c, image: example.com/app:1.0, resources: {}}]}
"""
NOWHERE = "spec: {nodeSelector: {no: where}, containers:"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dup}\n"
FILES = {
    "healthy/web.yaml": DEPLOYMENT % ("fine2", 0, "fine2", "fine2"),
    "dup/a.yaml": CONFIG_MAP,
    "dup/b.yaml": CONFIG_MAP,
    "unhealthy/web.yaml": (DEPLOYMENT % ("never", 1, "never", "never")).replace("spec: {containers:", NOWHERE),
}
SCRUBBED = [
    (r"main@sha1:[0-9a-f]{40}", "REVISION"),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r'(finished in|passed in|failed after|"lastReconciledDuration": ")( ?)[0-9.hmsµn]+', r"\1\2DURATION"),
    (r"'(\.|/[^' ]+)/dup/", "'TEMPORARY/dup/"),  # ours from the artifact's root (docs/differences.md)
]


def scrubbed(found: Any, namespace: str = "demo") -> Any:
    text = json.dumps(found, ensure_ascii=False, sort_keys=True).replace(namespace, "demo")
    for pattern, word in SCRUBBED:
        text = re.sub(pattern, word, text)
    return json.loads(text)


def shape(live: dict[str, Any]) -> dict[str, Any]:
    """What the controller wrote."""
    metadata = live["metadata"]
    written = [entry for entry in metadata["managedFields"] if entry["manager"] == "gotk-kustomize-controller"]
    return {"finalizers": metadata["finalizers"], "managedFields": written, "status": live["status"]}


def told(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    fields = ("type", "reason", "message", "source", "reportingComponent", "count")
    found = [
        {field: event[field] for field in fields} | {"annotations": event["metadata"].get("annotations")}
        for event in events
        if event["involvedObject"]["name"] == name
    ]
    return sorted(found, key=lambda event: str(event["message"]))


async def events_of(space: Space, name: str, number: int) -> list[dict[str, Any]]:
    """Waits for so many."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE):
        async for event in space.kube.watch("v1", "Event", space.name):
            if event.type == "ADDED" and event.object["involvedObject"]["name"] == name:
                found.append(event.object)
                if len(found) == number:
                    break
    return found


async def test_written_as_flux_writes(space: Space) -> None:
    await space.publish(FILES, REVISION, source="repo")
    for recorded in RECORDED["kustomizations"]:
        await space.kustomization(recorded["metadata"]["name"], **recorded["spec"] | {"targetNamespace": space.name})
    for recorded in RECORDED["kustomizations"]:
        name, reason = recorded["metadata"]["name"], condition(recorded, "Ready")["reason"]
        ref = ObjectRef(KUSTOMIZE_API, "Kustomization", space.name, name)
        live = await space.failed(ref, reason)  # or is ready
        assert scrubbed(shape(live), space.name) == scrubbed(shape(recorded))
        expected = told(scrubbed(RECORDED["events"]), name)
        assert told(scrubbed(await events_of(space, name, len(expected)), space.name), name) == expected
    applied = await space.kube.get(ObjectRef("apps/v1", "Deployment", space.name, "fine2"))
    metadata, recorded = applied["metadata"], RECORDED["applied"]["metadata"]
    ours = [entry for entry in metadata["managedFields"] if entry["manager"] == "kustomize-controller"]
    assert scrubbed([metadata["labels"], ours], space.name) == scrubbed([recorded["labels"], recorded["managedFields"]])
