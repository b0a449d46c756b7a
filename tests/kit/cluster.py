"""`Cluster`: a real API server for tests, shared by all tests of a session and all workers of one run.

A supervisor of its own runs it, with a forge and a registry beside it, and ends with the process that runs the tests,
however that ends. Tests keep apart by namespaces; what has no namespace needs a name of its own: `unique_name`.
"""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.kube import Connection, Kube, NotFound, ObjectRef, from_kubeconfig
from fleetloop.local import lifecycle
from fleetloop.local.state import ClusterFolder, StateFolder
from tests.kit.workloads import until

NAME = "test"
START_PATIENCE = 180.0
NAMESPACE_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """`local` is what `fleetloop local status` tells: how to reach the forge and the registry, too."""

    folder: ClusterFolder
    local: dict[str, Any]

    @property
    def kubeconfig(self) -> Path:
        return self.folder.kubeconfig

    @property
    def context(self) -> str:
        return self.folder.context

    @property
    def connection(self) -> Connection:
        """Of an administrator."""
        return from_kubeconfig([self.kubeconfig])

    def kube(self, field_manager: str = "tests") -> Kube:
        """A client to use as a context manager."""
        return Kube(self.connection, field_manager=field_manager)

    @contextlib.asynccontextmanager
    async def namespace(self, prefix: str = "test") -> AsyncIterator[str]:
        """A namespace of its own; its deletion is not waited for."""
        async with self.kube() as kube, new_namespace(kube, prefix) as name:
            yield name


@contextlib.asynccontextmanager
async def new_namespace(kube: Kube, prefix: str) -> AsyncIterator[str]:
    """With its default service account: pods that come sooner are refused, and tried again later and later."""
    name = unique_name(prefix)
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        await until(kube, ObjectRef("v1", "ServiceAccount", name, "default"), bool, NAMESPACE_PATIENCE)
        yield name
    finally:
        with contextlib.suppress(NotFound):
            await kube.delete(ObjectRef("v1", "Namespace", "", name))


def unique_name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def start_shared(folder: Path) -> Cluster:
    """The cluster of this test run; workers that come later find it running. `folder` is common to all workers."""
    state = StateFolder(folder.resolve())
    state.path.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_start(state, owner=_test_run()))


async def _start(state: StateFolder, owner: int) -> Cluster:
    async with asyncio.timeout(START_PATIENCE):
        status = await lifecycle.up(state, [NAME], lambda *_: None, ("--unsafe-no-fsync", "--owner", str(owner)))
    return Cluster(state.cluster(NAME), status)


def _test_run() -> int:
    """The process of the whole run: a worker's parent, else this one."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
