"""Whether the cluster holds exactly what a fleet is to be at a revision. Every difference is a line."""

from collections.abc import Iterator
from typing import Any

from fleetloop.kube import Kube, Manifest, ref_of
from fleetloop.kube.inventory import id_of
from tests.e2e.faults.fleet import FLEET, KINDS, KUSTOMIZE_API, SOURCE_API, WORK, App, Fleet

NOT_OURS = {"kube-root-ca.crt"}


async def differences(kube: Kube, fleet: Fleet, revision: int, name: str) -> list[str]:
    """`revision` in the fleet's numbers, `name` as Git and statuses call it. Empty when all is as it must be."""
    wanted = {(m["kind"], m["metadata"]["name"]): (app, m) for app in fleet.remaining for m in fleet.desired(app, revision)}
    live: dict[tuple[str, str], Manifest] = {}
    for api_version, kind in KINDS:
        for manifest in await kube.list(api_version, kind, WORK):
            if manifest["metadata"]["name"] not in NOT_OURS:
                live[kind, manifest["metadata"]["name"]] = manifest
    found = [f"orphan {kind}/{name}" for kind, name in live.keys() - wanted.keys()]
    found += [f"missing {kind}/{name}" for kind, name in wanted.keys() - live.keys()]
    for key in wanted.keys() & live.keys():
        app, manifest = wanted[key]
        found += [f"{'/'.join(key)}: {problem}" for problem in _object_problems(app, manifest, live[key])]
    by_name = {m["metadata"]["name"]: m for m in await kube.list(KUSTOMIZE_API, "Kustomization", FLEET)}
    apps = {app.name: app for app in fleet.remaining}
    found += [f"Kustomization/{one} is there or not, wrongly" for one in by_name.keys() ^ apps.keys()]
    for one in by_name.keys() & apps.keys():
        problems = _status_problems(fleet, apps[one], revision, name, by_name[one])
        found += [f"Kustomization/{one}: {problem}" for problem in problems]
    for source in await kube.list(SOURCE_API, "GitRepository", FLEET):
        found += [f"GitRepository/{source['metadata']['name']}: {problem}" for problem in _source_problems(source, name)]
    return sorted(found)


def is_ready(live: Manifest, revision: str) -> bool:
    """At this revision, of this generation, with nothing going on."""
    status = live.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    current = status.get("observedGeneration") == live["metadata"]["generation"]
    return conditions.get("Ready") == "True" and current and status.get("lastAppliedRevision") == revision


def _object_problems(app: App, wanted: Manifest, live: Manifest) -> Iterator[str]:
    for field in ("data", "immutable"):
        if wanted.get(field) != live.get(field):
            yield f"{field} is {live.get(field)}, not {wanted.get(field)}"
    if wanted["kind"] == "Deployment":
        image, found = (m["spec"]["template"]["spec"]["containers"][0]["image"] for m in (wanted, live))
        if image != found:
            yield f"image is {found}"
    labels = live["metadata"].get("labels") or {}
    owner = (labels.get("kustomize.toolkit.fluxcd.io/namespace"), labels.get("kustomize.toolkit.fluxcd.io/name"))
    if owner != (FLEET, app.name):
        yield f"owned by {owner}"
    if live["metadata"].get("deletionTimestamp"):
        yield "is being deleted"
    managers = {e["manager"] for e in live["metadata"]["managedFields"] if not e.get("subresource")}
    if managers != {"kustomize-controller"}:
        yield f"written by {managers}"


def _status_problems(fleet: Fleet, app: App, revision: int, name: str, live: Manifest) -> Iterator[str]:
    status: dict[str, Any] = live.get("status") or {}
    if not is_ready(live, name):
        yield f"not Ready at {name}: {status.get('conditions')}"
    wanted_types = {"Ready", "Healthy"} if live["spec"].get("wait") else {"Ready"}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    if conditions != dict.fromkeys(wanted_types, "True"):
        yield f"conditions are {conditions}"
    ids = [entry["id"] for entry in (status.get("inventory") or {}).get("entries") or []]
    wanted = {id_of(ref_of(manifest)) for manifest in fleet.desired(app, revision)}
    if len(ids) != len(set(ids)) or set(ids) != wanted:
        yield f"inventory: too many {sorted(set(ids) - wanted)}, missing {sorted(wanted - set(ids))}, {len(ids)} entries"
    if live["metadata"].get("finalizers") != ["finalizers.fluxcd.io"]:
        yield f"finalizers are {live['metadata'].get('finalizers')}"
    if status.get("lastAttemptedRevision") != name:
        yield f"attempted {status.get('lastAttemptedRevision')}"


def _source_problems(live: Manifest, name: str) -> Iterator[str]:
    status = live.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    if conditions != {"Ready": "True", "ArtifactInStorage": "True"}:
        yield f"conditions are {conditions}"
    if (status.get("artifact") or {}).get("revision") != name:
        yield f"artifact is {status.get('artifact')}"
