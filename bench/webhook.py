"""From a push to what it changes in the cluster, through the forge's webhook and three controllers, one push after the other."""

import secrets
import time
from contextlib import AsyncExitStack

from bench.applications import NAMESPACE, SOURCE_API, kustomization, source
from bench.following import Follower
from bench.forge import USER, Clone, Forge, forge_in
from bench.phases import LONG, PATIENCE, measured, until_quiet
from bench.place import Place
from bench.report import Section, percentile
from fleetloop.api import names
from fleetloop.kube import Manifest, ObjectRef

RECEIVER_API = "notification.toolkit.fluxcd.io/v1"
CONTROLLERS = (names.NOTIFICATION_CONTROLLER, names.SOURCE_CONTROLLER, names.KUSTOMIZE_CONTROLLER)
RECEIVER = ObjectRef(RECEIVER_API, "Receiver", NAMESPACE, "push")
CHANGED = ObjectRef("v1", "ConfigMap", NAMESPACE, "app")
PUSHED = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: app, namespace: bench}}
data: {{push: "{0}"}}
"""


async def measure(place: Place, section: Section, pushes: int) -> None:
    async with AsyncExitStack() as stack:
        forge = await stack.enter_async_context(forge_in(place.folder.path / "forge"))
        started = [await stack.enter_async_context(place.controller(name, number)) for number, name in enumerate(CONTROLLERS)]
        objects = await stack.enter_async_context(Follower(place.kube, "v1", "ConfigMap").running())
        clone = await _settled(place, forge, objects, started[0].address)
        phase = await stack.enter_async_context(measured("applied", pushes, place, *started))
        pushes_alone: list[float] = []
        for number in range(pushes):
            await clone.commit({"app/app.yaml": PUSHED.format(number)})
            at = time.monotonic()
            await clone.send()
            pushes_alone.append(time.monotonic() - at)
            await objects.until(CHANGED, lambda live, number=number: has(live, str(number)), PATIENCE)  # type: ignore[misc]
            phase.latencies.append(time.monotonic() - at)
        phase.seconds = sum(phase.latencies)
        await until_quiet(place)
    section.figures["of which the push itself, median, ms"] = percentile(pushes_alone, 50) * 1000
    section.add(phase)


async def _settled(place: Place, forge: Forge, objects: Follower, address: str) -> Clone:
    """Until the first revision is applied and the forge knows whom to call."""
    clone, token = await forge.repository("app"), secrets.token_hex()
    await clone.push({"app/app.yaml": PUSHED.format("first")})
    metadata = {"name": "token", "namespace": NAMESPACE}
    await place.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": token}})
    await place.kube.apply(forge.secret("forge"))
    await place.kube.apply(source("app", clone.url, LONG, secretRef={"name": "forge"}, ref={"branch": "main"}))
    await place.kube.apply(kustomization("app", "app", "./app", LONG))
    await place.kube.apply(_receiver())
    async with Follower(place.kube, RECEIVER_API, "Receiver").running() as receivers:
        await receivers.until(RECEIVER, has_path, PATIENCE)
    path = (await place.kube.get(RECEIVER))["status"]["webhookPath"]
    await objects.until(CHANGED, lambda live: has(live, "first"), PATIENCE)
    await forge.admin.create_hook(USER, "app", f"http://{address}:9292{path}", token)
    await until_quiet(place)
    return clone


def has(live: Manifest | None, push: str) -> bool:
    return bool(live and live["data"].get("push") == push)


def has_path(live: Manifest | None) -> bool:
    return bool(((live or {}).get("status") or {}).get("webhookPath"))


def _receiver() -> Manifest:
    resources = [{"apiVersion": SOURCE_API, "kind": "GitRepository", "name": "app"}]
    spec = {"type": "github", "events": ["push"], "secretRef": {"name": "token"}, "resources": resources}
    metadata = {"name": RECEIVER.name, "namespace": NAMESPACE}
    return {"apiVersion": RECEIVER_API, "kind": "Receiver", "metadata": metadata, "spec": spec}
