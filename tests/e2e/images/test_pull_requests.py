"""One pull request for a push branch, beyond Flux: opened, kept up to date, closed when obsolete; nothing wedges it."""

from typing import Any

import pytest

from tests.e2e.images.automation import Automation, Tenant
from tests.kit.conditions import condition, ready

pytestmark = pytest.mark.asyncio(loop_scope="package")
ASKED = {"image.fleetloop.dev/pull-request": "github"}
TEMPLATE = "Update images\n\n{{ range .Changed.Changes }}{{ .OldValue }} -> {{ .NewValue }}{{ end }}"
COMMIT = {"author": {"name": "bot", "email": "bot@example.com"}, "messageTemplate": TEMPLATE}


def marked(tenant: Tenant, tag: str = "1.0.0") -> str:
    return f'image: example.com/app:{tag} # {{"$imagepolicy": "{tenant.name}:app"}}\n'


async def proposing(tenant: Tenant) -> Automation:
    git = {"commit": COMMIT, "push": {"branch": "updates"}}
    return await tenant.automation(git=git, annotations=ASKED)


async def pulls(tenant: Tenant) -> list[dict[str, Any]]:
    state = await tenant.world.forge.admin.repository("acme", tenant.name)
    return [{key: pull[key] for key in ("number", "state", "title", "body", "head", "base")} for pull in state["pulls"]]


async def test_a_pull_request_is_kept_until_there_is_nothing_to_merge(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    policy = await tenant.policy("app", "example.com/app:1.0.1")
    automation = await proposing(tenant)
    await automation.until(ready("True"))
    body = "example.com/app:1.0.0 -> example.com/app:1.0.1"
    pull = {"number": 1, "state": "open", "title": "Update images", "body": body, "head": "updates", "base": "main"}
    assert await pulls(tenant) == [pull]

    await tenant.push({"README.md": "main moves on\n"})
    await tenant.select(policy, "example.com/app:1.0.2")
    await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.2")
    assert await pulls(tenant) == [pull | {"body": body.replace("1.0.1", "1.0.2")}]
    log = await tenant.log("updates", "%H")
    assert log[1:] == await tenant.log("main", "%H"), "made anew on what main is now"

    assert (await automation.requested("nothing new"))["status"]["lastPushCommit"] == log[0]
    assert await tenant.log("updates", "%H") == log, "what is there already is not pushed again"

    await tenant.push({"app.yaml": marked(tenant, "1.0.2")})  # somebody else did it, as a squashed merge does
    await automation.requested("obsolete")
    assert [pull["state"] for pull in await pulls(tenant)] == ["closed"]

    await tenant.select(policy, "example.com/app:1.0.3")  # the old branch, which could not be merged, does not wedge it
    await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.3")
    assert [pull["state"] for pull in await pulls(tenant)] == ["closed", "open"]
    assert (await tenant.log("updates", "%H"))[1:] == await tenant.log("main", "%H")


async def test_somebody_else_s_commits_on_the_branch_stay(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    policy = await tenant.policy("app", "example.com/app:1.0.1")
    automation = await proposing(tenant)
    await automation.until(ready("True"))
    theirs = await tenant.push({"fix.yaml": "a: 1\n"}, "updates")
    await tenant.select(policy, "example.com/app:1.0.2")
    await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.2")
    assert (await tenant.log("updates", "%H"))[1] == theirs
    assert len(await pulls(tenant)) == 1


async def test_one_that_was_closed_is_not_opened_again_for_the_same_commit(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    automation = await proposing(tenant)
    await automation.until(ready("True"))
    api, headers = tenant.world.forge.api_url, {"Authorization": f"Bearer {tenant.world.token}"}
    async with tenant.http() as http:
        url = f"{api}repos/acme/{tenant.name}/pulls/1"
        async with http.patch(url, json={"state": "closed"}, headers=headers) as answer:
            assert answer.status == 200
    await automation.requested("again")
    assert [pull["state"] for pull in await pulls(tenant)] == ["closed"]


async def test_an_annotation_that_cannot_be_followed_is_told(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": marked(tenant)})
    automation = await tenant.automation(annotations=ASKED)
    found = await automation.until(ready("False", "InvalidSourceConfiguration"))
    assert "annotation image.fleetloop.dev/pull-request: it needs a checked out branch" in condition(found)["message"]
