"""image-automation-controller against a real API server and a real Git forge."""

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.images.automation import IMAGES, Automation, Tenant, pushed_to
from tests.kit.conditions import condition, ready
from tests.kit.gpg import gpg_key

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


async def test_hn19_an_existing_push_branch_is_built_upon_and_overwritten_only_where_it_was(tenant: Tenant) -> None:
    """HN19: commits of others there stay, and a branch that moved meanwhile is not overwritten."""
    await tenant.push({"app.yaml": deployment(tenant)})
    policy = await tenant.policy("app", "example.com/app:1.0.1")
    automation = await tenant.automation(git={"push": {"branch": "updates"}})
    found = await automation.until(lambda obj: "lastPushCommit" in obj["status"] and ready("True")(obj))
    [main] = await tenant.log("main", "%H")
    assert found["status"]["observedSourceRevision"] == f"main@sha1:{main}"
    assert b"app:1.0.1" in await tenant.content("app.yaml", "updates")
    assert b"app:1.0.0" in await tenant.content("app.yaml")

    rival = await tenant.push({"more.yaml": "a: 1\n"}, "updates")
    await tenant.push({"main.yaml": "a: 1\n"})
    await tenant.select(policy, "example.com/app:1.0.2")
    await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.2")
    log = await tenant.log("updates", "%H")
    assert log[1] == rival
    assert len(log) == 4
    assert not (await tenant.fetched("updates") / "main.yaml").exists()


async def test_a_deleted_push_branch_is_made_again(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    automation = await tenant.automation(git={"push": {"branch": "updates"}})
    first = await automation.until(lambda obj: "lastPushCommit" in obj["status"])
    clone = await tenant.fetched("updates")
    await tenant.git("push", "--quiet", "origin", ":refs/heads/updates", cwd=clone)
    await automation.requested("again")
    assert b"app:1.0.1" in await tenant.content("app.yaml", "updates")
    assert first["status"]["lastPushCommit"]


async def test_templates_old_and_new(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    template = (
        "{{ .AutomationObject }} on {{ .Values.cluster }}\n\n"
        "{{ range $file, $objects := .Changed.FileChanges }}{{ range $object, $changes := $objects }}"
        "{{ $file }} {{ $object.Kind }}/{{ $object.Name }}{{ range $changes }} {{ .OldValue }} -> {{ .NewValue }}{{ end }}\n"
        "{{ end }}{{ end }}{{ range .Updated.Images }}{{ . | toString | upper }}{{ end }}"
    )
    commit = {"messageTemplate": template, "messageTemplateValues": {"cluster": "staging"}}
    commit |= {"author": {"name": "bot", "email": "bot@example.com"}}
    automation = await tenant.automation(git={"commit": commit})
    await automation.until(lambda obj: "lastPushCommit" in obj["status"])
    assert (await tenant.log())[0] == (
        f"{tenant.name}/update on staging\n\n"
        "app.yaml Deployment/app example.com/app:1.0.0 -> example.com/app:1.0.1\nEXAMPLE.COM/APP:1.0.1"
    )


async def test_a_template_that_cannot_be_rendered_commits_nothing(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    commit = {"messageTemplate": "{{ .Nothing }}", "author": {"name": "bot", "email": "bot@example.com"}}
    found = await (await tenant.automation(git={"commit": commit})).until(ready("False", "GitOperationFailed"))
    assert "failed to update source: failed to run template from spec" in condition(found)["message"]
    assert len(await tenant.log()) == 1


async def test_only_selected_policies_and_only_below_the_path(tenant: Tenant) -> None:
    await tenant.push({"a/app.yaml": deployment(tenant), "b/app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1", labels={"team": "a"})
    selector = {"matchLabels": {"team": "b"}}
    automation = await tenant.automation(update={"strategy": "Setters", "path": "./a"}, policySelector=selector)
    found = await automation.until(ready("True"))
    assert "observedPolicies" not in found["status"]
    await automation.kube.patch(automation.ref, {"spec": {"policySelector": {"matchLabels": {"team": "a"}}}})
    await automation.until(lambda obj: "lastPushCommit" in obj["status"])
    assert b"app:1.0.1" in await tenant.content("a/app.yaml")
    assert b"app:1.0.0" in await tenant.content("b/app.yaml")


async def test_refusals_that_only_a_change_of_the_object_can_end(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    selector = {"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}
    refused = await tenant.automation("selector", policySelector=selector)
    found = await refused.until(ready("False", "InvalidPolicySelector"))
    assert condition(found, "Stalled")["status"] == "True"
    spec = {"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "app"}}
    plain = Automation(tenant.world.kube, await tenant.apply(IMAGES, "ImageUpdateAutomation", "plain", spec=spec))
    found = await plain.until(ready("False", "InvalidSourceConfiguration"))
    assert condition(found, "Stalled")["status"] == "True"


async def test_no_repository_of_another_namespace_when_locked_down(tenant: Tenant) -> None:
    async with tenant.world.controller_with("--no-cross-namespace-refs=true"):
        source = {"kind": "GitRepository", "name": "app", "namespace": "default"}
        found = await (await tenant.automation(sourceRef=source)).until(ready("False", "AccessDenied"))
        message = "can't access 'GitRepository/default/app', cross-namespace references have been blocked"
        assert condition(found, "Stalled")["message"] == message


async def test_names_of_branches_and_refspecs_are_no_options(tenant: Tenant, tmp_path: Path) -> None:
    """What git would run, were it an option, is not run."""
    mark = tmp_path / "run"
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    program = f"--receive-pack=touch {mark};git-receive-pack"
    found = await (await tenant.automation("branch", git={"push": {"branch": program}})).until(ready("False"))
    assert "spec.git.push.branch: " in condition(found)["message"]
    refspec = await tenant.automation("refspec", git={"push": {"branch": "main", "refspec": program}})
    await refspec.until(ready("False", "GitOperationFailed"))
    reference = {"ref": {"name": f"--upload-pack=touch {mark};git-upload-pack"}}
    await (await tenant.automation("checkout", git={"checkout": reference, "push": {"branch": "main"}})).until(ready("False"))
    assert not mark.exists()


async def test_a_repository_or_secret_that_is_missing_is_waited_for(tenant: Tenant) -> None:
    missing = await tenant.automation("missing", sourceRef={"kind": "GitRepository", "name": "none"})
    found = await missing.until(ready("False", "SourceManagerFailed"))
    assert f"GitRepository/{tenant.name}/none" in condition(found)["message"]
    key = {"secretRef": {"name": "none"}, "type": "ssh"}
    commit = {"author": {"name": "bot", "email": "bot@example.com"}, "signingKey": key}
    await tenant.push({"app.yaml": deployment(tenant)})
    unsigned = await tenant.automation("unsigned", git={"commit": commit})
    found = await unsigned.until(ready("False", "SourceManagerFailed"))
    assert f"could not find signing key secret '{tenant.name}/none'" in condition(found)["message"]


async def test_marked_files_that_are_left_alone_are_told_of(tenant: Tenant) -> None:
    template = '{{- if .Values.on }}\nimage: o:1 # {"$imagepolicy": "' + tenant.name + ':app"}\n{{- end }}\n'
    crlf = f'image: o:1   # {{"$imagepolicy": "{tenant.name}:app"}}\r\n\r\n\tnot: yaml? no, a comment\r\n'.replace("\t", "# ")
    await tenant.push({"chart/templates/app.yaml": template, "app.yaml": deployment(tenant), "windows.yaml": crlf})
    await tenant.policy("app", "example.com/app:1.0.1")
    automation = await tenant.automation()
    await automation.until(lambda obj: "lastPushCommit" in obj["status"])
    assert (await tenant.content("chart/templates/app.yaml")).decode() == template
    assert (await tenant.content("windows.yaml")).decode() == crlf.replace("o:1", "example.com/app:1.0.1")
    event = await tenant.until_event(lambda event: "left as they are" in event.get("message", ""))
    assert "chart/templates/app.yaml: line " in event["message"]


async def test_a_refspec_is_pushed_after_the_branch_with_the_options(tenant: Tenant) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    push = {"branch": "main", "refspec": "refs/heads/main:refs/heads/review/main"}
    automation = await tenant.automation(git={"push": push})
    await automation.until(lambda obj: "lastPushCommit" in obj["status"])
    assert await tenant.log("main", "%H") == await tenant.log("review/main", "%H")
    event = await tenant.until_event(pushed_to("main"))
    assert "to branch 'main' and refspecs 'refs/heads/main:refs/heads/review/main'\n" in event["message"]


@pytest.mark.parametrize("type", ["ssh", "gpg"])
async def test_commits_are_signed(tenant: Tenant, tmp_path: Path, type: str) -> None:
    await tenant.push({"app.yaml": deployment(tenant)})
    await tenant.policy("app", "example.com/app:1.0.1")
    key = {"secretRef": {"name": "signing"}, "type": type}
    commit = {"author": {"name": "bot", "email": "bot@example.com"}, "signingKey": key}
    with signing(type) as (data, config):
        await tenant.secret("signing", data)
        automation = await tenant.automation(git={"commit": commit})
        await automation.until(lambda obj: "lastPushCommit" in obj["status"])
        clone = await tenant.fetched()
        options = [part for setting in config for part in ("-c", setting)]
        await asyncio.to_thread(
            subprocess.run, ["git", *options, "verify-commit", "HEAD"], cwd=clone, check=True, capture_output=True
        )


@contextmanager
def signing(type: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """A Secret's data, and git's settings to verify what was signed with it."""
    with tempfile.TemporaryDirectory(prefix="k") as name:
        folder = Path(name)
        if type == "ssh":
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(folder / "key")]
            subprocess.run(command, check=True)
            public = (folder / "key.pub").read_text()
            (folder / "signers").write_text(f'bot@example.com namespaces="git" {public}')
            data = {"identity": (folder / "key").read_text(), "password": "open sesame"}
            yield data, ["gpg.format=ssh", f"gpg.ssh.allowedSignersFile={folder / 'signers'}"]
            return
        with gpg_key(folder / "gpg") as key:
            program = folder / "gpg.sh"
            program.write_text(f'#!/bin/sh\nexec gpg --homedir {key.home} "$@"\n')
            program.chmod(0o700)
            yield {"git.asc": key.ring}, [f"gpg.program={program}"]


async def test_hn19_without_all_branches_the_push_branch_is_made_anew(tenant: Tenant) -> None:
    """And: a sparse checkout changes nothing, references to other namespaces are refused."""
    gates = "--feature-gates=GitAllBranchReferences=false,GitSparseCheckout=true"
    async with tenant.world.controller_with(gates, "--no-cross-namespace-refs=true"):
        await tenant.push({"apps/app.yaml": deployment(tenant), "other/app.yaml": deployment(tenant)})
        policy = await tenant.policy("app", "example.com/app:1.0.1")
        update = {"strategy": "Setters", "path": "./apps"}
        automation = await tenant.automation(git={"push": {"branch": "updates"}}, update=update)
        await automation.until(lambda obj: "lastPushCommit" in obj["status"])
        main = await tenant.push({"README.md": "main moves on\n"})
        await tenant.select(policy, "example.com/app:1.0.2")
        await automation.until(lambda obj: obj["status"]["observedPolicies"]["app"]["tag"] == "1.0.2")
        assert (await tenant.log("updates", "%H"))[1] == main
        assert b"app:1.0.2" in await tenant.content("apps/app.yaml", "updates")
        assert b"app:1.0.0" in await tenant.content("other/app.yaml", "updates")
        source = {"kind": "GitRepository", "name": "app", "namespace": "elsewhere"}
        found = await (await tenant.automation("foreign", sourceRef=source)).until(ready("False", "AccessDenied"))
        assert condition(found, "Stalled")["status"] == "True"
