"""A forge that refuses, hangs or moves on meanwhile; a controller that is killed: nothing is lost, nothing is overwritten."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.e2e.images.automation import SOURCES, Tenant, condition, ready
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
    await eventually(lambda: not list(work_folders(controller.temp)), 10)


def work_folders(temp: Path) -> list[Path]:
    return [path for path in temp.rglob("*") if path.name.startswith(("image-update-", "fleetloop-git-"))]
