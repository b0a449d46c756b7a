"""`Remote`: a second API server, which spec.kubeConfig leads to, and a team's place on it."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from fleetloop.kube import Connection, Kube, Manifest, ObjectRef, from_kubeconfig
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster
from fleetloop.local.state import ClusterFolder
from tests.kit.workloads import until

ADMIN = "reconciler"  # the service account that tests act as; it is admin of its namespace
DEPLOYER = "deployer"  # the service account whose token is in kubeconfigs: admin of its namespace, and of nothing else
SECRET = "kubeconfig"


@dataclass(frozen=True)
class Remote:
    """`server` is where kubeconfigs lead to."""

    kube: Kube
    server: str

    async def prepare(self, name: str) -> None:
        """The namespace of a team, its accounts and their rights."""
        await self.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for account in (ADMIN, DEPLOYER):
            metadata = {"name": account, "namespace": name}
            await self.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
            await self.kube.create(
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "RoleBinding",
                    "metadata": metadata,
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
                    "subjects": [{"kind": "ServiceAccount", **metadata}],
                }
            )
        await until(self.kube, ObjectRef("v1", "ServiceAccount", name, "default"), bool, 60)

    async def token(self, namespace: str, account: str = DEPLOYER) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        status, answer = await self.kube.raw("POST", path, body)
        assert status == 201, answer
        return str(orjson.loads(answer)["status"]["token"])

    async def revoke(self, namespace: str, token: str) -> None:
        """It is good no longer, nor are others of its account; the server forgets by and by that it was."""
        await self.kube.delete(ObjectRef("v1", "ServiceAccount", namespace, DEPLOYER))
        connection = Connection(server=self.server, ca=self.kube.connection.ca, token=lambda: token)
        async with asyncio.timeout(60), Kube(connection) as kube:
            while (await kube.raw("GET", "/version"))[0] != 401:  # noqa: ASYNC110
                await asyncio.sleep(0.5)  # nothing tells

    def kubeconfig(self, user: Mapping[str, Any], server: str = "", authority: str = "") -> str:
        ca = base64.b64encode((authority or self.kube.connection.ca).encode()).decode()
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": server or self.server, "certificate-authority-data": ca}}],
                "users": [{"name": "x", "user": dict(user)}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            }
        )


@contextlib.asynccontextmanager
async def running_remote(folder: Path) -> AsyncIterator[Remote]:
    place = ClusterFolder(folder / "two")
    place.path.mkdir()
    cluster = EmbeddedCluster(place, ClusterSettings())
    async with cluster.running(), Kube(from_kubeconfig([place.kubeconfig]), field_manager="test") as kube:
        yield Remote(kube, kube.connection.server)


async def write_kubeconfig(
    kube: Kube, namespace: str, kubeconfig: str, key: str = "value", labels: Mapping[str, str] | None = None
) -> None:
    """The Secret that spec.kubeConfig names."""
    await kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace, "labels": dict(labels or {})},
            "data": {key: base64.b64encode(kubeconfig.encode()).decode()},
        }
    )


def by_secret(**more: Any) -> dict[str, Any]:
    return {"secretRef": {"name": SECRET, **more}}


async def changed(kube: Kube, ref: ObjectRef, **data: str) -> Manifest:
    """A foreign write to a ConfigMap."""
    return await kube.patch(ref, {"data": data}, field_manager="kubectl-edit")
