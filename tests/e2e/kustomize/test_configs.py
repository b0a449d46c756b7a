"""ConfigMaps and Secrets as the controller reads and watches them, against a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec
import orjson
import pytest

from fleetloop.access.cluster_configs import ClusterConfigs
from fleetloop.api.kustomize import Kustomization
from fleetloop.auth import TokenCache
from fleetloop.controllers.kustomize.settings import register, settings_of
from fleetloop.kube import ApiError, Forbidden, Kube, NotFound, ObjectRef
from fleetloop.runtime.config_watches import CachedReader, ConfigWatches
from fleetloop.runtime.settings import common_flags
from tests.e2e.kustomize.conftest import KUSTOMIZE_API, Space
from tests.kit.remote import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="package")
LABELS = {"team.example/watch": "yes"}


@contextlib.asynccontextmanager
async def running(jobs: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        yield
        for task in tasks:
            task.cancel()


async def test_a_cluster_that_trusts_our_tokens(space: Space) -> None:
    """The generic ConfigMap form: a token of the team's service account is asked for, and no secret is stored anywhere. Here the
    cluster is this one, which takes tokens for its own audience."""
    path = f"/api/v1/namespaces/{space.name}/serviceaccounts/{ADMIN}/token"
    _, answer = await space.kube.raw("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    server, audiences = space.kube.connection, "\n".join(orjson.loads(answer)["spec"]["audiences"])
    data = {"provider": "generic", "address": server.server, "ca.crt": server.ca, "serviceAccountName": ADMIN}
    known = common_flags("kustomize-controller", 4)
    register(known)
    settings = settings_of(known.read(["--feature-gates=ObjectLevelWorkloadIdentity=true"]), {})
    ks = msgspec.convert(
        space.manifest(
            KUSTOMIZE_API, "Kustomization", "app", interval="1h", prune=True, sourceRef={"kind": "Bucket", "name": "x"}
        ),
        Kustomization,
    )
    configs = ClusterConfigs(space.kube, settings.kubeconfigs, TokenCache(10, 3600))
    access = await configs.describe(ks.key, "ConfigMap/x", data | {"audiences": audiences}).connect()
    assert access.credential
    await access.credential.ensure()
    async with Kube(access.connection) as kube:
        await kube.create(secret(space, "written", a="1"))
        with pytest.raises(Forbidden, match=f"system:serviceaccount:{space.name}:{ADMIN}"):
            await kube.list("v1", "Secret", "kube-system")
    refused = await configs.describe(ks.key, "ConfigMap/x", data | {"audiences": "https://other.example"}).connect()
    assert refused.credential
    await refused.credential.ensure()
    async with Kube(refused.connection) as kube:
        with pytest.raises(ApiError, match="Unauthorized"):
            await kube.list("v1", "Secret", space.name)


def secret(space: Space, name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": space.name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


async def test_watches_bring_metadata_of_labelled_objects_alone(space: Space) -> None:
    told: asyncio.Queue[ObjectRef] = asyncio.Queue()
    watches = ConfigWatches(space.kube, "team.example/watch=yes", told.put_nowait, lambda *_: None, space.name)
    await space.kube.apply(secret(space, "before", LABELS, a="1"))
    await space.kube.apply(secret(space, "unlabelled", a="1"))
    async with asyncio.timeout(20), running(watches.jobs()):
        assert (await told.get()).name == "before"
        await space.kube.apply(secret(space, "unlabelled", a="2"))
        await space.kube.apply(secret(space, "before", LABELS, a="2"))
        assert (await told.get()) == ObjectRef("v1", "Secret", space.name, "before")
        await space.kube.delete(ObjectRef("v1", "Secret", space.name, "before"))
        assert (await told.get()).name == "before"
    metadata = space.kube.metadata_only()
    assert all("data" not in item for item in await metadata.list("v1", "Secret", space.name))
    async for event in metadata.watch("v1", "Secret", space.name):
        assert "data" not in event.object and event.object["metadata"]["name"]
        break


async def test_reads_from_memory_follow_the_server(space: Space) -> None:
    """The gate CacheSecretsAndConfigMaps."""
    await space.kube.apply(secret(space, "known", a="1"))
    reader = CachedReader(space.kube, lambda *_: None)
    ref = ObjectRef("v1", "Secret", space.name, "known")
    assert (await reader.get(ref))["data"] == {"a": "MQ=="}  # not synced yet: it is asked for
    async with asyncio.timeout(20), running(reader.jobs()):
        await reader.synced()
        await space.kube.apply(secret(space, "known", a="2"))
        while (await reader.get(ref))["data"] != {"a": "Mg=="}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the reader tells nobody
        with pytest.raises(NotFound, match='secrets "other" not found'):
            await reader.get(ObjectRef("v1", "Secret", space.name, "other"))
