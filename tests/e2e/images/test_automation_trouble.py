"""A forge that refuses, hangs or moves on meanwhile; a controller that is killed: nothing is lost, nothing is overwritten."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.images.automation import DEADLINE, SOURCES, Tenant
from tests.kit.conditions import condition, ready
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import FaultPlan
from tests.kit.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="package")


def marked(tenant: Tenant, tag: str = "1.0.0") -> str:
    return f'# one line\nimage: example.com/app:{tag} # {{"$imagepolicy": "{tenant.name}:app"}}\n'


async def is_at(tenant: Tenant, tag: str) -> None:
    assert (await tenant.content("app.yaml")).decode() == marked(tenant, tag)


async def test_a_refused_push_is_told_and_tried_again(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    admin = tenant.world.forge.admin
    await admin.protect_branches("acme", tenant.name, ["main"])
    automation = await tenant.automation()
    found = await automation.until(ready("False", "GitOperationFailed"))
    assert condition(found)["message"].startswith("failed to update source: failed to push to remote")
    assert condition(found, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert "observedPolicies" not in found["status"]
    await admin.protect_branches("acme", tenant.name, [])
    await automation.until(ready("True"))
    await is_at(tenant, "1.0.1")
    assert len(await tenant.log()) == 2


@pytest.mark.parametrize("path", ["info/refs", "git-upload-pack", "git-receive-pack"])
async def test_a_forge_that_hangs_costs_its_timeout(tenant: Tenant, path: str) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    spec = {"interval": "1h", "url": tenant.url, "secretRef": {"name": "git"}, "ref": {"branch": "main"}, "timeout": "4s"}
    await tenant.apply(SOURCES, "GitRepository", "app", spec=spec)
    await tenant.policy("app", "example.com/app:1.0.1")
    admin = tenant.world.forge.admin
    await admin.hang(f"/acme/{tenant.name}.git/{path}", count=100)
    automation = await tenant.automation()
    found = await automation.until(ready("False", "GitOperationFailed"))
    assert "no answer within 4s" in condition(found)["message"]
    await admin.lift_faults()
    await automation.until(ready("True"))
    await is_at(tenant, "1.0.1")


async def test_a_branch_that_moves_meanwhile_loses_nothing(tenant: Tenant) -> None:
    """Somebody pushes to the same branch all the time; every commit of both sides stays."""
    first = await tenant.push({"app.yaml": marked(tenant), "rival.yaml": "n: 0\n"})
    policy = await tenant.policy("app", "example.com/app:1.0.0")
    automation = await tenant.automation()
    await automation.until(ready("True"))
    theirs = [first]

    async def rival() -> None:
        for number in range(1, 13):
            theirs.append(await pushed_by_rival(tenant, f"n: {number}\n"))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(rival())
        for number in range(1, 7):
            await tenant.select(policy, f"example.com/app:1.0.{number}")
            tag = f"1.0.{number}"
            await automation.until(lambda obj, tag=tag: obj["status"]["observedPolicies"]["app"]["tag"] == tag)  # type: ignore[misc]
        await running
    await is_at(tenant, "1.0.6")
    log = await tenant.log(form="%H")
    assert set(theirs) <= set(log)
    assert len(log) == len(theirs) + 6


async def pushed_by_rival(tenant: Tenant, content: str) -> str:
    """Somebody who fetches again when the push came too late."""
    while True:
        clone = await tenant.fetched()
        (clone / "rival.yaml").write_text(content)
        await tenant.git("commit", "--quiet", "--all", "--message", "rival", cwd=clone)
        try:
            await tenant.git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
        except AssertionError:
            continue
        return (await tenant.git("rev-parse", "HEAD", cwd=clone)).strip()


async def test_killed_at_any_moment_it_converges(tenant: Tenant) -> None:
    """With -9, at moments spread over a pass: each update is one commit, and nothing is left on the disk."""
    rng = random.Random(5)
    await tenant.push({"app.yaml": marked(tenant)})
    policy = await tenant.policy("app", "example.com/app:1.0.0")
    automation = await tenant.automation()
    await automation.until(ready("True"))
    controller, rounds = tenant.world.controller, 12
    for number in range(1, rounds + 1):
        await tenant.select(policy, f"example.com/app:1.0.{number}")
        await asyncio.sleep(rng.uniform(0.0, 1.2))  # the moment is what is tried
        await controller.kill()
        await controller.start()
    found = await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == f"1.0.{rounds}")
    await is_at(tenant, f"1.0.{rounds}")
    log = await tenant.log(form="%H")
    assert found["status"]["observedSourceRevision"] == f"main@sha1:{log[0]}"
    assert len(log) <= rounds + 1
    await eventually(lambda: not list(work_folders(controller.temp)), 60)


@asynccontextmanager
async def behind_a_proxy(tenant: Tenant, folder: Path) -> AsyncIterator[FaultProxy]:
    """The controller's way to the API server, for a while."""
    controller, kube = tenant.world.controller, tenant.world.kube
    usual = controller.kubeconfig
    async with fault_proxy(kube.connection, FaultPlan()) as proxy:
        proxy.write_kubeconfig(folder / "kubeconfig", await token_of_administrator(kube))
        await controller.stop()
        controller.kubeconfig = folder / "kubeconfig"
        await controller.start()
        try:
            yield proxy
        finally:
            await controller.kill()
            controller.kubeconfig = usual
            await controller.start()


# In the order of a pass: the request that it is stopped at, of the API server or of the forge.
STEPS = {
    "the source is read": "gitrepositories/app$",
    "its Secret is read": "secrets/git$",
    "references are listed": "/info/refs",
    "the tree is fetched": "/git-upload-pack",
    "the commit is pushed": "/git-receive-pack",
    "the status is written": "imageupdateautomations/update/status",
    "the event is written": r"/events(\?|$)",
}


async def test_killed_at_every_step_it_converges(tenant: Tenant, tmp_path: Path) -> None:
    """With -9, while a request of the step hangs, and somebody moves the branch before it is back: an update is one commit."""
    first = await tenant.push({"app.yaml": marked(tenant), "rival.yaml": "n: 0\n"})
    policy, theirs = await tenant.policy("app", "example.com/app:1.0.0"), [first]
    automation = await tenant.automation()
    controller, admin = tenant.world.controller, tenant.world.forge.admin
    async with behind_a_proxy(tenant, tmp_path) as proxy:
        await automation.until(ready("True"))
        for number, (step, path) in enumerate(STEPS.items(), 1):
            tag = f"1.0.{number}"
            if path.startswith("/git-") or path == "/info/refs":
                await admin.hang(f"/acme/{tenant.name}.git{path}")
                reached = admin.until_hanging()
            else:
                proxy.hold(re.compile(path))
                reached = proxy.until_holding()
            await tenant.select(policy, f"example.com/app:{tag}")
            async with asyncio.timeout(DEADLINE):
                await reached
            await controller.kill()
            await admin.lift_faults()
            proxy.hold(None)
            theirs.append(await pushed_by_rival(tenant, f"n: {step}\n"))
            await controller.start()
            await automation.until(lambda obj, tag=tag: obj["status"]["observedPolicies"]["app"]["tag"] == tag)  # type: ignore[misc]
            await is_at(tenant, tag)
    log = await tenant.log(form="%H")
    assert set(theirs) <= set(log)
    assert len(log) == len(theirs) + len(STEPS)


def work_folders(temp: Path) -> list[Path]:
    return [path for path in temp.rglob("*") if path.name.startswith(("image-update-", "fleetloop-git-"))]
