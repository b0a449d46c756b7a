"""GitRepository beside the straight path: the peer's recorded objects, progress, requests, verification, trouble."""

import asyncio
import json
import re
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fleetloop import git
from fleetloop.kube.objects import Manifest, ObjectRef
from tests.e2e.source.conftest import API, Repository, Tenant, condition, flags, ready
from tests.kit.controller import Controller

pytestmark = pytest.mark.asyncio(loop_scope="package")
SAMPLES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "cases" / "samples-git-repository.json").read_text())
VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"[0-9a-f]{40}", "SHA"),
    (r"'https?://[^']*'", "'URL'"),
    (r"https?://[^/ ]*/", "URL/"),
    (r'"size": \d+', '"size": 0'),
)


def shape(value: Any, namespace: str, name: str) -> Any:
    """What must be equal of two objects from two clusters."""
    text = json.dumps(value, sort_keys=True)
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    text = text.replace(f'"{namespace}"', '"NAMESPACE"').replace(f"/{namespace}/{name}/", "/NAMESPACE/NAME/")
    return json.loads(text.replace(f'"{name}"', '"NAME"'))


@pytest.mark.parametrize(
    ("sample", "branch", "reason"), [("repo", "main", "NewArtifact"), ("missing-branch", "nope", "GitOperationFailed")]
)
async def test_the_peers_shape(tenant: Tenant, sample: str, branch: str, reason: str) -> None:
    """Conditions in their order, who owns which fields, and the event: as recorded from the peer (samples)."""
    work = tenant.world.folder / f"work-{tenant.name}-main"
    await tenant.push({"a": "1"})
    await tenant.world.forge.git("commit", "--quiet", "--allow-empty", "-m", "second", cwd=work)
    await tenant.world.forge.git("push", "--quiet", "origin", "HEAD:refs/heads/main", cwd=work, token=tenant.world.token)
    repo = await tenant.repository(ref={"branch": branch})
    obj = await repo.until(ready("True" if sample == "repo" else "False"))
    recorded = SAMPLES[sample]
    ours = {
        "metadata": {key: obj["metadata"][key] for key in ("finalizers", "generation", "managedFields")},
        "status": obj["status"],
    }
    mine = [entry for entry in ours["metadata"]["managedFields"] if entry["manager"] == "user"]
    mine[0]["fieldsV1"]["f:spec"].pop("f:secretRef")  # the recorded server was open to all
    assert shape(ours, tenant.name, "app") == shape(recorded["object"], "demo", sample)
    event = await tenant.until_event(reason)
    keys = ("type", "reason", "message", "source", "reportingComponent")
    seen = {key: event.get(key) for key in keys}
    seen["annotations"] = event["metadata"].get("annotations")
    (wanted,) = recorded["events"]
    expected = {key: wanted[key] for key in keys} | {"annotations": wanted["metadata"]["annotations"]}
    assert shape(seen, tenant.name, "app") == shape(expected, "demo", sample)


async def test_progress_is_seen_while_it_happens(tenant: Tenant) -> None:
    """1.1: what is told before the work starts, and that an old Ready stays unless what is served is outdated."""
    sha = await tenant.push({"a": "1"})
    repo = await tenant.repository()
    obj = await repo.until(ready("True"))
    async with watched(repo, obj) as seen:
        await repo.change(ignore="x")
        await repo.until(lambda o: o["status"]["observedGeneration"] == 2)
        assert ("processing object: new generation 1 -> 2", "True") in seen
        await repo.requested("now")
        assert ("reconciliation in progress", "True") in seen
        sha = await tenant.push({"a": "2"})
        await repo.requested("pushed")
        message = f"building artifact: new upstream revision 'main@sha1:{sha}'"
        assert (message, "Unknown") in seen
        file = tenant.world.controller.data / (await repo.until(ready("True")))["status"]["artifact"]["path"]
        file.unlink()
        await repo.requested("lost")
        assert ("building artifact: disappeared from storage", "Unknown") in seen


@pytest.mark.parametrize("kind", ["branch", "tag", "name", "semver", "commit"])
async def test_nothing_is_cloned_when_nothing_changed(tenant: Tenant, kind: str) -> None:
    """SK8: one listing of refs a pass; for a commit nothing at all. semver and commit too, where the peer clones."""
    sha = await tenant.push({"a": "1"})
    await tenant.tag("1.0.0")
    ref = {"branch": "main", "tag": "1.0.0", "name": "refs/heads/main", "semver": ">=1.0.0", "commit": sha}[kind]
    repo = await tenant.repository(ref={kind: ref})
    obj = await repo.until(ready("True"))
    await tenant.world.forge.admin.forget_requests()
    after = await repo.requested("again")
    posts = [r for r in await tenant.world.forge.admin.requests() if tenant.name in r["path"] and r["method"] == "POST"]
    assert len(posts) == (0 if kind == "commit" else 1)
    assert after["status"]["artifact"] == obj["status"]["artifact"] and after["status"]["observedGeneration"] == 1


async def test_an_interval_without_news_writes_nothing(tenant: Tenant) -> None:
    """SK8: the pass of a plain tick owes no status."""
    await tenant.push({"a": "1"})
    repo = await tenant.repository(interval="1s")
    obj = await repo.until(ready("True"))
    await tenant.world.forge.admin.forget_requests()
    async with asyncio.timeout(30):
        for _ in range(3):
            await tenant.world.forge.admin.until_requested(f"/acme/{tenant.name}.git")
            await tenant.world.forge.admin.forget_requests()
    assert (await repo.kube.get(repo.ref))["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]


async def test_verification_matrix(tenant: Tenant, tmp_path: Path) -> None:
    """SK10: verified when something is fetched or more is asked for, not when the keys change. 3.3: HEAD, Tag, TagAndHEAD."""
    await tenant.push({"a": "1"})
    key, url = tenant.world.key, git.GitUrl.parse(tenant.url)
    credentials = git.Credentials("x", tenant.world.token, ca=tenant.world.forge.ca_file.read_bytes())
    tree, identity = tmp_path / "tree", tmp_path / "key"
    identity.write_bytes(
        await asyncio.to_thread(lambda: git.unlocked(git.GitUrl.parse("ssh://h/p"), unlocked_form(key)).identity)
    )
    identity.chmod(0o600)
    await git.clone(url, "main", tree, credentials)
    (tree / "b").write_text("2")
    sha = await git.commit_all(tree, "signed", git.Person("Ada"), git.SshSigner(key.identity))
    await git.push(tree, url, "main", credentials)
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={identity}")
    forge = tenant.world.forge
    await forge.git(*signing, "tag", "-s", "-m", "signed", "1.0.0", cwd=tree)
    await forge.git("tag", "light", cwd=tree)
    await forge.git("push", "--quiet", tenant.url, "1.0.0", "light", cwd=tree, token=tenant.world.token)
    await tenant.secret("keys", {"ada.sshpub": key.identity_pub, "not-a-key.txt": "hello"})
    verify: dict[str, Any] = {"mode": "HEAD", "secretRef": {"name": "keys"}}
    repo = await tenant.repository(ref={"tag": "1.0.0"}, verify=verify)
    line = {"HEAD": f"\n\t- commit '{sha}' with key 'SHA256:", "Tag": "\n\t- tag '1.0.0' with key 'SHA256:"}
    for generation, mode in enumerate(("HEAD", "Tag", "TagAndHEAD"), start=1):
        await repo.change(verify=verify | {"mode": mode})
        obj = await repo.until(at(generation, ready("True")))
        message = condition(obj, "SourceVerified")["message"]
        assert message.startswith("verified signature of\n\t- ") and obj["status"]["sourceVerificationMode"] == mode
        assert [part in message for part in (line["Tag"], line["HEAD"])] == ["Tag" in mode, "HEAD" in mode]
    await tenant.secret("keys", {"ada.sshpub": git.generate_key("ed25519").identity_pub})
    assert condition(await repo.requested("other keys"), "SourceVerified")["status"] == "True"
    await repo.change(ref={"tag": "light"}, verify=verify | {"mode": "Tag"})
    obj = await repo.until(at(4, ready("False")))
    assert condition(obj, "SourceVerified")["reason"] == condition(obj, "Stalled")["reason"] == "InvalidGitObject"
    assert condition(obj, "Ready")["message"] == "cannot verify signature of tag 'light' since it is not signed"
    await repo.change(ref={"branch": "main", "tag": None})
    obj = await repo.until(at(5, ready("False")))
    assert condition(obj, "Stalled")["reason"] == condition(obj, "SourceVerified")["reason"] == "InvalidVerificationMode"


def unlocked_form(key: git.KeyPair) -> git.Credentials:
    return git.Credentials(identity=key.identity, known_hosts=b"h")


def at(generation: int, wanted: Callable[[Manifest], bool]) -> Callable[[Manifest], bool]:
    def reached(obj: Manifest) -> bool:
        return obj["metadata"]["generation"] >= generation == obj["status"]["observedGeneration"] and wanted(obj)

    return reached


async def test_includes_that_cannot_be(tenant: Tenant) -> None:
    """3.1: no artifact yet, a place that is taken, a place outside; then a change of the include alone."""
    await tenant.push({"a/file": "1"})
    await tenant.world.forge.admin.create_repository("acme", f"{tenant.name}-lib")
    library = await tenant.repository("library", url=tenant.world.forge.clone_url("acme", f"{tenant.name}-lib"))
    await library.until(ready("False", "EmptyGitRepository"))

    def include(to: str) -> list[dict[str, Any]]:
        return [{"repository": {"name": "library"}, "toPath": to}]

    repo = await tenant.repository(include=include("a"), secretRef={"name": "late"})
    await repo.until(ready("False", "AuthenticationFailed"))
    ca = tenant.world.forge.ca_file.read_bytes()
    await tenant.secret("late", {"username": "x", "password": tenant.world.token, "ca.crt": ca})
    obj = await repo.until(ready("False", "NoArtifact"))  # not what is over
    assert condition(obj, "FetchFailed") == {}
    unavailable = condition(obj, "IncludeUnavailable")
    assert (unavailable["status"], unavailable["message"]) == ("True", "no artifact available for include 'library'")
    assert obj["status"]["observedGeneration"] == -1  # waiting, not done
    event = await tenant.until_event("NoArtifact")
    assert event["type"] == "Normal"
    await tenant.push({"x": "x"}, repository=f"{tenant.name}-lib")
    await library.until(ready("True"))
    obj = await repo.requested("there")
    assert condition(obj, "StorageOperationFailed")["reason"] == "CopyFailure"
    assert condition(obj, "Ready")["message"].startswith("failed to copy 'library' include from . to a: ")
    await repo.change(include=include("../../out"))
    obj = await repo.until(ready("False", "IllegalPath"))
    await repo.change(include=include("lib"))
    before = (await repo.until(ready("True")))["status"]
    assert before["observedInclude"][0]["toPath"] == "lib" and len(before["includedArtifacts"]) == 1
    await tenant.push({"x": "y"}, repository=f"{tenant.name}-lib")
    await library.requested("again")
    async with watched(repo, await repo.kube.get(repo.ref)):
        after = (await repo.requested("again"))["status"]
    assert (after["artifact"]["revision"], after["artifact"]["path"]) == (
        before["artifact"]["revision"],
        before["artifact"]["path"],
    )
    assert after["artifact"]["digest"] != before["artifact"]["digest"]


async def test_pull_request_refs(tenant: Tenant) -> None:
    """A head that is on no branch: the ref itself is fetched."""
    await tenant.push({"a": "1"})
    work = tenant.world.folder / f"work-{tenant.name}-main"
    await tenant.world.forge.git("commit", "--quiet", "--allow-empty", "-m", "proposed", cwd=work)
    sha = (await tenant.world.forge.git("rev-parse", "HEAD", cwd=work)).strip()
    await tenant.world.forge.git("push", "--quiet", "origin", "HEAD:refs/pull/1/head", cwd=work, token=tenant.world.token)
    obj = await (await tenant.repository(ref={"name": "refs/pull/1/head"})).until(ready("True"))
    assert obj["status"]["artifact"]["revision"] == f"refs/pull/1/head@sha1:{sha}"
    assert obj["status"]["artifact"]["path"].endswith(f"/{sha}.tar.gz")
    assert (await tenant.until_event("NewArtifact"))["message"] == "stored artifact for commit 'proposed'"


async def test_submodules_and_sparse_directories(tenant: Tenant) -> None:
    """3.1, 3.4: what an artifact was made with is in the status."""
    await tenant.push({"lib": "1"}, repository=await second(tenant))
    await tenant.push({"deploy/a": "1", "docs/b": "2"})
    work = tenant.world.folder / f"work-{tenant.name}-main"
    address = f"../{tenant.name}-lib.git"
    await tenant.world.forge.git("config", "-f", ".gitmodules", "submodule.lib.path", "deploy/lib", cwd=work)
    await tenant.world.forge.git("config", "-f", ".gitmodules", "submodule.lib.url", address, cwd=work)
    library = tenant.world.folder / f"work-{tenant.name}-lib-main"
    sha = (await tenant.world.forge.git("rev-parse", "HEAD", cwd=library)).strip()
    await tenant.world.forge.git("add", ".gitmodules", cwd=work)
    await tenant.world.forge.git("update-index", "--add", "--cacheinfo", f"160000,{sha},deploy/lib", cwd=work)
    await tenant.world.forge.git("commit", "--quiet", "-m", "submodule", cwd=work)
    await tenant.world.forge.git("push", "--quiet", "origin", "HEAD:refs/heads/main", cwd=work, token=tenant.world.token)
    repo = await tenant.repository(recurseSubmodules=True)
    obj = await repo.until(ready("True"))
    assert obj["status"]["observedRecurseSubmodules"] is True
    whole = obj["status"]["artifact"]["size"]
    await repo.change(recurseSubmodules=False, sparseCheckout=["./docs"])
    obj = await repo.until(at(2, ready("True")))
    assert "observedRecurseSubmodules" not in obj["status"] and obj["status"]["observedSparseCheckout"] == ["./docs"]
    assert obj["status"]["artifact"]["size"] < whole


async def second(tenant: Tenant) -> str:
    await tenant.world.forge.admin.create_repository("acme", f"{tenant.name}-lib")
    return f"{tenant.name}-lib"


async def test_a_full_disk(tenant: Tenant) -> None:
    """A condition says so, nothing half-written stays, and room again is enough."""
    controller = tenant.world.controller
    assert controller.process
    blob = "".join(f"{number * 2654435761 % (1 << 64):016x}" for number in range(200_000))  # 3 MB that hardly compress
    await tenant.push({f"copy-{number}": blob for number in range(6)})
    limits = resource.prlimit(controller.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(controller.process.pid, resource.RLIMIT_FSIZE, (4 << 20, limits[1]))
    repo = await tenant.repository()
    try:
        obj = await repo.until(ready("False", "ArchiveOperationFailed"))
        assert condition(obj, "StorageOperationFailed")["status"] == "True"
        assert condition(obj, "Ready")["message"] == "unable to archive artifact to storage: File too large"
        folder = controller.data / "gitrepository" / tenant.name / "app"
        assert list(folder.iterdir()) == [] and not list(controller.temp.glob("*/*/source-*"))
    finally:
        resource.prlimit(controller.process.pid, resource.RLIMIT_FSIZE, limits)
    await repo.until(ready("True"))
    assert (await tenant.until_event("NewArtifact"))["message"].startswith("stored artifact for commit 'change copy-0")


async def test_another_address_and_another_digest_algorithm(tenant: Tenant) -> None:
    """SK3, 2.1, 2.4: the URL follows the flag without an event; stored digests still verify, new ones are of the new kind."""
    await tenant.push({"a": "1"})
    repo = await tenant.repository()
    old = (await repo.until(ready("True")))["status"]["artifact"]
    told = await tenant.until_event("NewArtifact")
    changed = ("--storage-adv-addr=https://artifacts.example.com/", "--artifact-digest-algo=blake3")
    async with flags(tenant, *tenant.world.controller.flags, *changed):
        moved = (await repo.requested("moved"))["status"]["artifact"]
        assert moved == old | {"url": f"https://artifacts.example.com/{old['path']}"}
        assert await repo.kube.get(event_of(tenant, told)) == told
        await tenant.push({"a": "2"})
        new = (await repo.requested("pushed"))["status"]["artifact"]
        assert new["digest"].startswith("blake3:") and len(new["digest"]) == len("blake3:") + 64
    assert (await repo.requested("back"))["status"]["artifact"]["digest"] == new["digest"]


def event_of(tenant: Tenant, event: Manifest) -> ObjectRef:
    return ObjectRef("v1", "Event", tenant.name, event["metadata"]["name"])


async def test_artifacts_are_served_by_the_leader_alone(tenant: Tenant, tmp_path: Path) -> None:
    """1 of the contract: a standby is alive, not serving; `/` answers 200 on the leader; a release hands over at once."""
    kubeconfig = tenant.world.controller.kubeconfig
    options = (
        "--enable-leader-election",
        f"--watch-label-selector=shard={tenant.name}",
        "--storage-adv-addr=artifacts.example.com",
    )
    first, standby = (Controller("source-controller", kubeconfig, tmp_path / name, options) for name in ("one", "two"))
    try:
        await first.start()
        assert await answers(tenant.world.http, f"http://{first.address}:9090/") == 200
        await standby.start()
        assert await answers(tenant.world.http, f"http://{standby.address}:9440/readyz") == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await tenant.world.http.get(f"http://{standby.address}:9090/")
        await first.stop()
        assert await answers(tenant.world.http, f"http://{standby.address}:9090/") == 200
    finally:
        for controller in (first, standby):
            if controller.process and controller.process.returncode is None:
                await controller.kill()


async def answers(http: aiohttp.ClientSession, url: str) -> int:
    """The status, once something listens there."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with http.get(url) as response:
                    return response.status
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)  # a process tells nobody when it listens


@asynccontextmanager
async def watched(repo: Repository, since: Manifest) -> AsyncIterator[list[tuple[str, str]]]:
    """(message of Reconciling, status of Ready) of everything that is written meanwhile."""
    seen: list[tuple[str, str]] = []
    version, selector = since["metadata"]["resourceVersion"], f"metadata.name={repo.ref.name}"

    async def listen() -> None:
        events = repo.kube.watch(API, "GitRepository", repo.ref.namespace, field_selector=selector, resource_version=version)
        async for event in events:
            seen.append((condition(event.object, "Reconciling").get("message", ""), condition(event.object, "Ready")["status"]))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(listen())
        try:
            yield seen
        finally:
            task.cancel()
