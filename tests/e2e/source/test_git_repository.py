"""GitRepository against a real API server, a real forge and a real source-controller process."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleetloop import git
from fleetloop.storage import ArtifactReader
from tests.e2e.source.conftest import Tenant, condition, ready

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def content(tenant: Tenant, artifact: dict[str, str], folder: Path) -> dict[str, str]:
    """The files of an artifact, downloaded and verified as a consumer does."""
    async with ArtifactReader(folder, tenant.world.http).open(artifact["url"], artifact["digest"]) as tree:
        files = [path for path in tree.rglob("*") if path.is_file()]
        return {str(path.relative_to(tree)): path.read_text() for path in files}


async def test_branch_to_artifact(tenant: Tenant, tmp_path: Path) -> None:
    """Status, conditions and event are the peer's (samples.json)."""
    sha = await tenant.push({"app.yaml": "a: 1\n", "logo.png": "x", "deploy/b.yaml": "b: 1\n"})
    obj = await (await tenant.repository()).until(ready("True"))
    status, revision = obj["status"], f"main@sha1:{sha}"
    assert sorted(status) == ["artifact", "conditions", "observedGeneration"]
    artifact = status["artifact"]
    assert sorted(artifact) == ["digest", "lastUpdateTime", "path", "revision", "size", "url"]
    assert (artifact["path"], artifact["revision"]) == (f"gitrepository/{tenant.name}/app/{sha}.tar.gz", revision)
    assert artifact["url"] == f"http://{tenant.world.controller.address}:9090/{artifact['path']}"
    message = f"stored artifact for revision '{revision}'"
    expected = {"status": "True", "reason": "Succeeded", "message": message, "observedGeneration": 1}
    assert [c["type"] for c in status["conditions"]] == ["Ready", "ArtifactInStorage"]
    for type in ("Ready", "ArtifactInStorage"):
        assert condition(obj, type) == {"type": type} | expected
    assert (status["observedGeneration"], obj["metadata"]["finalizers"]) == (1, ["finalizers.fluxcd.io"])
    managers = {(m["manager"], m["operation"], m.get("subresource", "")) for m in obj["metadata"]["managedFields"]}
    assert managers == {("user", "Apply", ""), ("source-controller", "Update", ""), ("source-controller", "Update", "status")}
    assert await content(tenant, artifact, tmp_path) == {"app.yaml": "a: 1\n", "deploy/b.yaml": "b: 1\n"}
    event = await tenant.until_event("NewArtifact")
    assert event["message"].startswith("stored artifact for commit 'change app.yaml, deploy/b.yaml, logo.png")
    annotations = {"revision": revision, "digest": artifact["digest"]}
    assert event["metadata"]["annotations"] == {f"source.toolkit.fluxcd.io/{k}": v for k, v in annotations.items()}
    assert (event["type"], event["source"]) == ("Normal", {"component": "source-controller"})


async def test_new_commit_on_request_and_nothing_without_one(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    first = (await repo.until(ready("True")))["status"]["artifact"]
    unchanged = await repo.requested("one")  # SK8: nothing is cloned
    assert unchanged["status"]["artifact"] == first and condition(unchanged, "Ready")["status"] == "True"
    sha = await tenant.push({"b": "2"})
    second = (await repo.requested("two"))["status"]["artifact"]
    assert (second["revision"], second["digest"] != first["digest"]) == (f"main@sha1:{sha}", True)
    await tenant.until_event("NewArtifact", message="stored artifact for commit 'change b'")


async def test_missing_branch_then_recovery(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    repo = await tenant.repository(ref={"branch": "nope"})
    obj = await repo.until(ready("False"))
    message = f"failed to checkout and determine revision: unable to clone '{tenant.url}': "
    message += 'couldn\'t find remote ref "refs/heads/nope"'
    for type, status in (("Ready", "False"), ("FetchFailed", "True")):
        expected = {"type": type, "status": status, "reason": "GitOperationFailed", "message": message, "observedGeneration": 1}
        assert condition(obj, type) == expected
    reconciling = condition(obj, "Reconciling")
    assert (reconciling["reason"], reconciling["message"]) == ("ProgressingWithRetry", "building artifact")
    assert [c["type"] for c in obj["status"]["conditions"]] == ["Reconciling", "Ready", "FetchFailed"]
    assert obj["status"]["observedGeneration"] == -1
    event = await tenant.until_event("GitOperationFailed")
    assert (event["type"], event["message"], event["metadata"].get("annotations")) == ("Warning", message, None)
    await tenant.push({"a": "2"}, branch="nope")
    obj = await repo.until(ready("True"))  # by back-off alone
    assert [c["type"] for c in obj["status"]["conditions"]] == ["Ready", "ArtifactInStorage"]


async def test_a_failure_keeps_the_old_artifact_and_its_end_is_told(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    artifact = (await repo.until(ready("True")))["status"]["artifact"]
    await tenant.secret("git", {"username": "x", "password": "gho_wrong", "ca.crt": tenant.world.forge.ca_file.read_bytes()})
    obj = await repo.requested("now")
    assert condition(obj, "Ready")["reason"] == "GitOperationFailed" and obj["status"]["artifact"] == artifact
    assert "gho_wrong" not in str(obj) and condition(obj, "ArtifactInStorage")["status"] == "True"
    ca = tenant.world.forge.ca_file.read_bytes()
    await tenant.secret("git", {"username": "x", "password": tenant.world.token, "ca.crt": ca})
    await repo.until(ready("True"))
    event = await tenant.until_event("Succeeded")
    assert event["message"] == f"stored artifact for commit '{artifact['revision']}'"


async def test_empty_repository(tenant: Tenant) -> None:
    obj = await (await tenant.repository()).until(ready("False"))
    assert condition(obj, "FetchFailed")["reason"] == "EmptyGitRepository"
    assert condition(obj, "Ready")["message"] == "git repository is empty"


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"secretRef": {"name": "none"}}, "AuthenticationFailed", "failed to get secret"),
        ({"proxySecretRef": {"name": "git"}}, "AuthenticationFailed", "failed to configure proxy options"),
        ({"provider": "github", "secretRef": {}}, "InvalidProviderConfiguration", "github app data must be specified"),
        ({"provider": "aws"}, "AuthenticationFailed", "is not an AWS CodeCommit URL"),
        ({"ref": {"branch": "-x"}}, "GitOperationFailed", "branch is not a name Git allows"),
        ({"ref": {"commit": "HEAD"}}, "GitOperationFailed", "commit must be a full hash"),
        ({"sparseCheckout": ["../x"]}, "GitOperationFailed", "failed to sparse checkout directories : "),
        (
            {"sparseCheckout": ["gone"]},
            "GitOperationFailed",
            "failed to sparse checkout directories : sparse checkout dir 'gone'",
        ),
    ],
)
async def test_refusals(tenant: Tenant, spec: dict[str, Any], reason: str, message: str) -> None:
    await tenant.push({"a": "1"})
    obj = await (await tenant.repository(**spec)).until(ready("False"))
    assert condition(obj, "FetchFailed")["reason"] == reason
    assert message in condition(obj, "Ready")["message"]


async def test_stalled_objects_wait_for_a_change(tenant: Tenant) -> None:
    obj = await (await tenant.repository(url="https://host\\x/y")).until(ready("False"))
    assert condition(obj, "Stalled")["reason"] == "URLInvalid" and condition(obj, "Reconciling") == {}
    assert obj["status"]["observedGeneration"] == 1


async def test_ssh(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    url = git.GitUrl.parse(tenant.world.forge.ssh_clone_url("acme", tenant.name))
    repo = await tenant.repository(url=str(url), secretRef={"name": "ssh"})
    await repo.until(ready("False", "AuthenticationFailed"))
    known_hosts = await git.scan_host_key(url.host, url.port or 22)
    await tenant.secret("ssh", {"identity": tenant.world.key.identity, "known_hosts": known_hosts})
    await repo.until(ready("True"))


@pytest.mark.parametrize(
    ("ref", "shown"),
    [
        ({"tag": "1.0.0"}, "1.0.0"),
        ({"semver": "1.x"}, "1.1.0"),
        ({"tag": "1.0.0", "semver": "1.x", "branch": "main"}, "1.0.0"),  # SK7
        ({"name": "refs/heads/main", "tag": "1.0.0"}, "refs/heads/main"),
        ({"name": "refs/tags/1.0.0"}, "refs/tags/1.0.0"),
    ],
)
async def test_references(tenant: Tenant, ref: dict[str, str], shown: str) -> None:
    """SK7: references."""
    shas = {}
    for version in ("1.0.0", "1.1.0"):
        shas[version] = await tenant.push({"version": version})
        await tenant.tag(version)
    await tenant.tag("2.0.0-rc.1")
    obj = await (await tenant.repository(ref=ref)).until(ready("True"))
    sha = shas["1.0.0"] if "1.0.0" in shown else shas["1.1.0"]
    assert obj["status"]["artifact"]["revision"] == f"{shown}@sha1:{sha}"


async def test_commit(tenant: Tenant) -> None:
    sha = await tenant.push({"a": "1"})
    await tenant.push({"a": "2"})
    repo = await tenant.repository(ref={"commit": sha})
    assert (await repo.until(ready("True")))["status"]["artifact"]["revision"] == f"sha1:{sha}"
    await repo.change(ref={"commit": sha, "branch": "main"})
    obj = await repo.until(lambda obj: obj["status"]["observedGeneration"] == 2)
    assert obj["status"]["artifact"]["revision"] == f"main@sha1:{sha}"


async def test_ignore_rebuilds_under_the_same_revision(tenant: Tenant, tmp_path: Path) -> None:
    """SK3: what the spec says of the content counts, not the digest."""
    await tenant.push({"a.md": "1", "b.yaml": "1"})
    repo = await tenant.repository()
    first = (await repo.until(ready("True")))["status"]["artifact"]
    await repo.change(ignore="*.md")
    obj = await repo.until(lambda obj: obj["status"]["observedGeneration"] == 2)
    second = obj["status"]["artifact"]
    assert (second["revision"], obj["status"]["observedIgnore"]) == (first["revision"], "*.md")
    assert await content(tenant, second, tmp_path) == {"b.yaml": "1"}


async def test_include(tenant: Tenant, tmp_path: Path) -> None:
    await tenant.push({"a": "1"})
    await tenant.world.forge.admin.create_repository("acme", f"{tenant.name}-lib")
    await tenant.push({"lib/x": "x", "y": "y"}, repository=f"{tenant.name}-lib")
    include = [{"repository": {"name": "library"}, "fromPath": "lib", "toPath": "vendor/lib"}]
    repo = await tenant.repository(include=include)
    obj = await repo.until(ready("False", "NotFound"))
    assert condition(obj, "IncludeUnavailable")["message"].startswith("could not get resource for include 'library'")
    library = await tenant.repository("library", url=tenant.world.forge.clone_url("acme", f"{tenant.name}-lib"))
    included = (await library.until(ready("True")))["status"]["artifact"]
    obj = await repo.requested("again")
    assert obj["status"]["includedArtifacts"] == [included]
    assert await content(tenant, obj["status"]["artifact"], tmp_path) == {"a": "1", "vendor/lib/x": "x"}
    before = obj["status"]["artifact"]
    await tenant.push({"lib/x": "changed"}, repository=f"{tenant.name}-lib")
    await library.requested("again")
    obj = await repo.requested("once more")
    assert obj["status"]["artifact"]["revision"] == before["revision"]
    assert (await content(tenant, obj["status"]["artifact"], tmp_path))["vendor/lib/x"] == "changed"


async def test_suspended(tenant: Tenant) -> None:
    repo = await tenant.repository(suspend=True)
    obj = await repo.requested("while asleep")
    assert obj["status"]["observedGeneration"] == 1 and "conditions" not in obj["status"]
    await tenant.push({"a": "1"})
    await repo.change(suspend=False)
    await repo.until(ready("True"))


async def test_deletion_removes_the_artifacts(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    await repo.until(ready("True"))
    folder = tenant.world.controller.data / "gitrepository" / tenant.name / "app"
    assert len(list(folder.glob("*.tar.gz"))) == 1
    await repo.kube.delete(repo.ref)
    await repo.until_gone()
    assert not folder.exists()


async def test_lost_and_damaged_files_are_made_again(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    artifact = (await repo.until(ready("True")))["status"]["artifact"]
    file = tenant.world.controller.data / artifact["path"]
    file.unlink()
    again = (await repo.requested("lost"))["status"]["artifact"]
    assert (again["digest"], file.exists()) == (artifact["digest"], True)
    file.write_bytes(b"damaged")
    await repo.requested("damaged")
    event = await tenant.until_event("ArtifactVerificationFailed")
    assert event["message"].startswith("failed to verify integrity of artifact: ") and file.read_bytes() != b"damaged"


async def test_killed_and_emptied(tenant: Tenant) -> None:
    """A restart with an empty volume makes every artifact again under the same revision."""
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    artifact = (await repo.until(ready("True")))["status"]["artifact"]
    controller = tenant.world.controller
    await tenant.world.forge.admin.hang(f"/acme/{tenant.name}.git", 1)
    await repo.request("before")
    async with asyncio.timeout(20):
        while not list(controller.temp.glob("**/fleetloop-git-*/ca.pem")):  # noqa: ASYNC110 - a folder has no watch here
            await asyncio.sleep(0.02)
    await controller.kill()
    left = list(controller.temp.glob("**/fleetloop-git-*/ca.pem"))  # what a killed process cannot clear away
    assert left
    await asyncio.to_thread((controller.data / artifact["path"]).unlink)
    await tenant.world.forge.admin.lift_faults()
    await controller.start()
    await repo.request("after")
    again = (await repo.until(lambda o: o["status"].get("lastHandledReconcileAt") == "after"))["status"]["artifact"]
    assert (again["revision"], again["digest"]) == (artifact["revision"], artifact["digest"])
    assert (controller.data / again["path"]).exists()
    assert not any(file.exists() for file in left)


async def test_old_artifacts_are_collected(tenant: Tenant) -> None:
    """SK6: old artifacts are collected."""
    repo = await tenant.repository()
    for number in range(4):
        await tenant.push({"a": str(number)})
        await repo.requested(str(number))
    await repo.requested("collect")  # one pass late
    folder = tenant.world.controller.data / "gitrepository" / tenant.name / "app"
    assert len(list(folder.glob("*.tar.gz"))) == 2


async def test_verified_commits_only(tenant: Tenant, tmp_path: Path) -> None:
    """SK10: verified commits only."""
    unsigned = await tenant.push({"a": "1"})
    verify = {"mode": "HEAD", "secretRef": {"name": "keys"}}
    repo = await tenant.repository(verify=verify)
    obj = await repo.until(ready("False", "VerificationError"))
    assert condition(obj, "Ready")["message"].startswith("public keys secret error: failed to get secret")
    await tenant.secret("keys", {"ada.sshpub": tenant.world.key.identity_pub})
    obj = await repo.until(ready("False", "InvalidCommitSignature"))
    assert condition(obj, "SourceVerified")["status"] == "False" and "artifact" not in obj["status"]
    failed = f"signature verification of commit '{unsigned}' failed: unsupported signature type: empty"
    assert condition(obj, "Ready")["message"] == failed

    url = git.GitUrl.parse(tenant.url)
    credentials = git.Credentials("x", tenant.world.token, ca=tenant.world.forge.ca_file.read_bytes())
    await git.clone(url, "main", tmp_path / "tree", credentials)
    (tmp_path / "tree" / "b").write_text("2")
    sha = await git.commit_all(tmp_path / "tree", "signed", git.Person("Ada"), git.SshSigner(tenant.world.key.identity))
    await git.push(tmp_path / "tree", url, "main", credentials)
    await repo.request("signed")
    obj = await repo.until(ready("True"))
    verified = condition(obj, "SourceVerified")
    assert verified["message"].startswith(f"verified signature of\n\t- commit '{sha}' with key 'SHA256:")
    assert (obj["status"]["sourceVerificationMode"], verified["reason"]) == ("HEAD", "Succeeded")
    await repo.kube.patch(repo.ref, {"spec": {"verify": None}})
    obj = await repo.until(lambda obj: obj["status"]["observedGeneration"] == 2)
    assert condition(obj, "SourceVerified") == {} and "sourceVerificationMode" not in obj["status"]


async def test_links_and_foreign_names(tenant: Tenant, tmp_path: Path) -> None:
    """SK9: links are not archived, wherever they point; names are bytes."""
    await tenant.push({"ünï/код.yaml": "x", "plain": "y"})
    work = tenant.world.folder / f"work-{tenant.name}-main"
    (work / "link").symlink_to("/etc/passwd")
    (work / "inner").symlink_to("plain")
    await tenant.push({"more": "z"})
    obj = await (await tenant.repository()).until(ready("True"))
    assert await content(tenant, obj["status"]["artifact"], tmp_path) == {"ünï/код.yaml": "x", "plain": "y", "more": "z"}


async def test_a_hanging_server_fails_alone(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    await tenant.world.forge.admin.hang(f"/acme/{tenant.name}.git", 2)
    hanging = await tenant.repository("hanging", timeout="4s")
    obj = await hanging.until(ready("False"))
    message = f"failed to checkout and determine revision: unable to list remote for '{tenant.url}': no answer within 4s"
    assert condition(obj, "Ready")["message"] == message
    await tenant.world.forge.admin.lift_faults()
    await (await tenant.repository()).until(ready("True"))
    await hanging.until(ready("True"))


async def test_no_secret_in_the_log(tenant: Tenant) -> None:
    log = (tenant.world.controller.folder / "log").read_text()
    assert "NewArtifact" in log or "stored artifact" in log
    assert tenant.world.token not in log and "gho_wrong" not in log and "pass ended by a bug" not in log
