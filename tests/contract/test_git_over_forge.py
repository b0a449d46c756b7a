"""Our git tool against a forge as teams use it: HTTPS with tokens, SSH with keys, and what must not leak."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives import serialization as pem

from fleetloop import git
from fleetloop.git.keys import read_private_key
from tests.kit.forge import LocalForge, running_forge

pytestmark = pytest.mark.asyncio(loop_scope="module")
GIT = git.Git.inheriting({"PATH": os.environ["PATH"]})
ADA = git.Person("Ada", "ada@example.com")
SECRETS = "fleetloop-git-*"


@dataclass(frozen=True)
class Scene:
    """Repository acme/fleet with one commit, Ada its owner with a token and an SSH key."""

    forge: LocalForge
    sha: str
    token: str
    key: git.KeyPair
    known_hosts: bytes

    @property
    def https(self) -> git.GitUrl:
        return git.GitUrl.parse(self.forge.clone_url("acme", "fleet"))

    @property
    def ssh(self) -> git.GitUrl:
        return git.GitUrl.parse(self.forge.ssh_clone_url("acme", "fleet"))

    @property
    def with_token(self) -> git.Credentials:
        return git.Credentials("x-access-token", self.token, ca=self.forge.ca_file.read_bytes())

    @property
    def with_key(self) -> git.Credentials:
        return git.Credentials(identity=self.key.identity, known_hosts=self.known_hosts)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("forge")
    async with running_forge(folder) as forge:
        await forge.admin.create_user("ada")
        await forge.admin.create_org("acme", owners=["ada"])
        await forge.admin.create_repository("acme", "fleet")
        token = await forge.admin.create_token("ada", {"contents": "write"}, "acme")
        key = git.generate_key("ecdsa")
        await forge.admin.add_user_key("ada", key.identity_pub.decode())
        sha = await forge.push_files("acme", "fleet", {"a.yaml": "a: 1\n"}, token=token, folder=folder / "work")
        ssh = git.GitUrl.parse(forge.ssh_url + "/x")
        yield Scene(forge, sha, token, key, await git.scan_host_key(ssh.host, ssh.port or 22))


async def test_https_with_a_token(scene: Scene, tmp_path: Path) -> None:
    refs = await git.list_refs(scene.https, scene.with_token, git=GIT)
    assert refs["refs/heads/main"] == scene.sha
    commit = await git.fetch(scene.https, git.branch("main"), tmp_path / "tree", scene.with_token, git=GIT)
    assert commit.revision == f"main@sha1:{scene.sha}" and (tmp_path / "tree" / "a.yaml").read_text() == "a: 1\n"
    by_commit = await git.fetch(scene.https, git.commit(scene.sha), tmp_path / "two", scene.with_token, git=GIT)
    assert by_commit.revision == f"sha1:{scene.sha}"


@pytest.mark.parametrize("over", ["https", "ssh"])
async def test_clone_commit_push(scene: Scene, tmp_path: Path, over: str) -> None:
    url, credentials = (scene.https, scene.with_token) if over == "https" else (scene.ssh, scene.with_key)
    tree = tmp_path / "tree"
    await git.clone(url, "main", tree, credentials, git=GIT)
    assert scene.token not in (tree / ".git" / "config").read_text()
    (tree / f"{over}.yaml").write_text("b: 1\n")
    sha = await git.commit_all(tree, "Add b", ADA, git.SshSigner(scene.key.identity), git=GIT)
    await git.push(tree, url, f"by-{over}", credentials, git=GIT)
    assert sha == (await git.list_refs(url, credentials, git=GIT))[f"refs/heads/by-{over}"]
    raw = await scene.forge.admin.raw_commit("acme", "fleet", f"by-{over}")
    assert b"gpgsig -----BEGIN SSH SIGNATURE-----\n " in raw


async def test_wrong_token(scene: Scene) -> None:
    wrong = replace(scene.with_token, password="gho_s3cret")
    with pytest.raises(git.AuthenticationFailed, match=f"unable to list remote for '{scene.https}'") as caught:
        await git.list_refs(scene.https, wrong, git=GIT)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(git.AuthenticationFailed):
        await git.list_refs(scene.https, replace(wrong, username="", password=""), git=GIT)


async def test_missing_repository(scene: Scene) -> None:
    url = git.GitUrl.parse(scene.forge.clone_url("acme", "none"))
    with pytest.raises(git.RepositoryNotFound, match="repository not found"):
        await git.list_refs(url, scene.with_token, git=GIT)


async def test_certificate_is_verified(scene: Scene) -> None:
    with pytest.raises(git.GitUnreachable, match="certificate"):
        await git.list_refs(scene.https, replace(scene.with_token, ca=b""), git=GIT)


async def test_ssh_with_an_encrypted_key(scene: Scene) -> None:
    private = read_private_key(scene.key.identity)
    locked = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.OpenSSH, pem.BestAvailableEncryption(b"open"))
    credentials = replace(scene.with_key, identity=locked, passphrase="open")
    assert "refs/heads/main" in await git.list_refs(scene.ssh, credentials, git=GIT)
    with pytest.raises(git.AuthenticationFailed, match="encrypted, a correct passphrase"):
        await git.list_refs(scene.ssh, replace(credentials, passphrase=""), git=GIT)


async def test_ssh_refuses_another_host_key(scene: Scene) -> None:
    name, kind, _ = scene.known_hosts.split()
    other = git.generate_key("ed25519").identity_pub.split()[1]
    with pytest.raises(git.AuthenticationFailed, match="known_hosts"):
        await git.list_refs(scene.ssh, replace(scene.with_key, known_hosts=b" ".join([name, kind, other])), git=GIT)
    with pytest.raises(git.AuthenticationFailed, match="known_hosts"):
        await git.list_refs(scene.ssh, replace(scene.with_key, known_hosts=b"other.example ssh-ed25519 AAAA"), git=GIT)


async def test_ssh_key_that_nobody_knows(scene: Scene) -> None:
    stranger = replace(scene.with_key, identity=git.generate_key("ed25519").identity)
    with pytest.raises(git.AuthenticationFailed, match="permission denied"):
        await git.list_refs(scene.ssh, stranger, git=GIT)


async def test_no_secret_in_arguments_and_none_left_behind(scene: Scene, tmp_path: Path) -> None:
    """While the server hangs, the secret is in no command line; afterwards process and files are gone."""
    await scene.forge.admin.hang("/acme/fleet.git", 1)
    private = replace(GIT, temp=tmp_path)
    task = asyncio.create_task(git.list_refs(scene.https, scene.with_token, timeout=60, git=private))
    await until(lambda: any("git-remote-https" in line or "remote-https" in line for line in children_of(tmp_path)))
    lines = command_lines()
    assert not any(scene.token in line for line in lines)
    assert [file.stat().st_mode & 0o777 for file in tmp_path.glob(f"{SECRETS}/ca.pem")] == [0o600]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await scene.forge.admin.lift_faults()
    assert list(tmp_path.iterdir()) == [] and children_of(tmp_path) == []


async def test_hanging_server_times_out(scene: Scene) -> None:
    await scene.forge.admin.hang("/acme/fleet.git", 1)
    with pytest.raises(git.GitTimeout):
        await git.list_refs(scene.https, scene.with_token, timeout=0.5, git=GIT)
    await scene.forge.admin.lift_faults()


async def test_credentials_do_not_follow_a_redirect() -> None:
    """CVE-2021-32690 and alike: another host gets no header, by no detour."""
    seen: list[str] = []

    async def listen(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=404)

    async with served(listen) as other:

        async def redirect(request: web.Request) -> web.Response:
            raise web.HTTPMovedPermanently(other + request.path_qs)

        async with served(redirect) as first:
            url = git.GitUrl.parse(first + "/r.git")
            with pytest.raises(git.RepositoryNotFound, match="redirects"):
                await git.list_refs(url, git.Credentials("ada", "s3cret"), git=GIT)
            with pytest.raises(git.RepositoryNotFound):
                await git.list_refs(url, git=GIT)
    assert seen == [""]  # the second time, without credentials


async def test_a_move_on_the_same_server_is_found(scene: Scene) -> None:
    async def redirect(request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("Basic ")
        host = "http://other.example" if request.path.startswith("/away") else ""
        raise web.HTTPMovedPermanently(host + request.path_qs.replace("/old.git", "/new.git"))

    async with served(redirect) as first:
        moved = await git.moved_to(git.GitUrl.parse(first + "/old.git"), git.Credentials("ada", "s3cret"))
        assert str(moved) == first + "/new.git"
        away = git.GitUrl.parse(first + "/away/old.git")
        assert await git.moved_to(away, git.Credentials("ada", "s3cret")) is None


@asynccontextmanager
async def served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{_:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # /proc has no watch


def command_lines() -> list[str]:
    return [text for _, text in _processes()]


def children_of(folder: Path) -> list[str]:
    """Command lines of processes whose home is below `folder`."""
    found = []
    for number, text in _processes():
        try:
            if f"HOME={folder}".encode() in Path("/proc", number, "environ").read_bytes():
                found.append(text)
        except OSError:
            continue
    return found


def _processes() -> list[tuple[str, str]]:
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append((number, Path("/proc", number, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            continue
    return found
