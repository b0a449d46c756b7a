"""Beside a real kustomize-controller: what it says of an object reaches people, and a webhook wakes it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.notification.conftest import World
from tests.e2e.notification.test_webhooks import call, ready
from tests.kit.cluster import Cluster
from tests.kit.controller import Controller

API = "kustomize.toolkit.fluxcd.io/v1"


@pytest.fixture
async def applier(world: World, cluster: Cluster, tmp_path: Path) -> AsyncIterator[Controller]:
    flags = (f"--events-addr=http://{world.controller.address}:9090/", "--no-cross-namespace-refs=true")
    found = Controller("kustomize-controller", cluster.kubeconfig, tmp_path / "applier", flags)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


async def test_from_kustomize_controller_to_the_webhook_and_back(world: World, applier: Controller) -> None:
    await world.provider()
    await world.alert(eventSeverity="error")
    await world.known()
    app = ObjectRef(API, "Kustomization", world.namespace, "app")
    spec: dict[str, Any] = {"interval": "1h", "prune": False, "path": "./"}
    spec["sourceRef"] = {"kind": "GitRepository", "name": "x", "namespace": "elsewhere"}  # which is refused
    metadata = {"name": app.name, "namespace": app.namespace}
    await world.kube.apply({"apiVersion": API, "kind": "Kustomization", "metadata": metadata, "spec": spec})
    (request, *_) = await world.inbox.until(1)
    told = request.json()
    assert (told["involvedObject"]["name"], told["severity"], told["reportingController"]) == (
        "app",
        "error",
        "kustomize-controller",
    )
    assert told["reason"] == "AccessDenied" and "elsewhere" in told["message"]
    await world.secret("token", token="t")
    resources = [{"apiVersion": API, "kind": "Kustomization", "name": "app"}]
    receiver = await world.apply("Receiver", "hook", type="generic", secretRef={"name": "token"}, resources=resources)
    path = (await world.until(receiver, ready))["status"]["webhookPath"]
    assert await call(world, path) == 200
    asked = (await world.kube.get(app))["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
    await world.until(app, lambda live: live["status"].get("lastHandledReconcileAt") == asked)
