"""image-automation-controller against a real API server and a real Git forge."""

import pytest

from tests.e2e.images.automation import Tenant, condition, pushed_to, ready

pytestmark = pytest.mark.asyncio(loop_scope="package")

DEPLOYMENT = """\
# who reads this: the app team
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {namespace}}}
spec:
    template:
        spec:
            containers:
            -   name: app     # two names
                image:   "example.com/app:1.0.0"   # {{"$imagepolicy": "{namespace}:app"}}
"""


def deployment(tenant: Tenant) -> str:
    return DEPLOYMENT.format(namespace=tenant.name)


async def test_a_policy_s_image_becomes_a_commit_on_main(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    policy = await tenant.policy("app", "example.com/app:1.0.1")
    automation = await tenant.automation()
    found = await automation.until(ready("True"))
    assert condition(found)["message"] == "repository up-to-date"
    assert condition(found)["reason"] == "Succeeded"
    expected = deployment(tenant).replace("app:1.0.0", "app:1.0.1")
    assert (await tenant.content("app.yaml")).decode() == expected
    assert (await tenant.log())[0] == "Update from image update automation"
    assert (await tenant.log(form="%an <%ae> %cn"))[0] == "bot <bot@example.com> bot"
    [sha, *_] = await tenant.log(form="%H")
    status = found["status"]
    assert status["lastPushCommit"] == sha
    assert status["observedSourceRevision"] == f"main@sha1:{sha}"
    assert status["observedPolicies"] == {"app": {"name": "example.com/app", "tag": "1.0.1"}}
    event = await tenant.until_event(pushed_to("main"))
    assert event["message"] == f"pushed commit '{sha[:7]}' to branch 'main'\nUpdate from image update automation"

    await tenant.select(policy, "example.com/app:1.0.2")  # wakes it
    found = await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.2")
    assert b"app:1.0.2" in await tenant.content("app.yaml")
    assert len(await tenant.log()) == 3
