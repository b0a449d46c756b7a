"""An API server that cannot answer says nothing about Secrets and includes: the pass is done again, and no condition lies."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleetloop.kube import Manifest
from tests.e2e.source.conftest import Tenant, condition, ready
from tests.kit.fault_proxy import fault_proxy, token_of_administrator
from tests.kit.faults import Fault, FaultPlan, Request, Rule

pytestmark = pytest.mark.asyncio(loop_scope="package")

TIMES = 3  # more often than the client asks again by itself


@asynccontextmanager
async def behind(tenant: Tenant, plan: FaultPlan, folder: Path) -> AsyncIterator[None]:
    """The controller, for a while, behind a proxy that carries out the plan."""
    controller, kube = tenant.world.controller, tenant.world.kube
    usual = controller.kubeconfig
    async with fault_proxy(kube.connection, plan) as proxy:
        proxy.write_kubeconfig(folder / "kubeconfig", await token_of_administrator(kube))
        await controller.kill()
        controller.kubeconfig = folder / "kubeconfig"
        await controller.start()
        try:
            yield
        finally:
            await controller.kill()
            controller.kubeconfig = usual
            await controller.start()


@pytest.mark.parametrize("fault", [Fault.INTERNAL, Fault.UNAVAILABLE, Fault.CUT_BEFORE])
async def test_no_condition_tells_of_it(tenant: Tenant, tmp_path: Path, fault: Fault) -> None:
    await tenant.push({"a": "1"})
    plan = FaultPlan()
    async with behind(tenant, plan, tmp_path):
        await (await tenant.repository("other")).until(ready("True"))
        repo = await tenant.repository(include=[{"repository": {"name": "other"}, "toPath": "other"}])
        await repo.until(ready("True"))
        seen: list[Manifest] = []
        for path in ("/secrets/git", "/gitrepositories/other"):
            rule = Rule(fault, functools.partial(_reads, path), TIMES)
            plan.rules.append(rule)
            await repo.request(path)
            await repo.until(functools.partial(_handled, path, seen))
            assert rule.times == 0, "it came to this"
    assert {condition(obj, "Ready").get("status") for obj in seen} <= {"True", "Unknown"}
    assert not [c for obj in seen for c in (condition(obj, "FetchFailed"), condition(obj, "IncludeUnavailable")) if c]


def _reads(path: str, asked: Request) -> bool:
    return asked.method == "GET" and asked.path.endswith(path)


def _handled(token: str, seen: list[Manifest], obj: Manifest) -> bool:
    """Keeps what it was asked about."""
    seen.append(obj)
    return bool(obj["status"].get("lastHandledReconcileAt") == token)
