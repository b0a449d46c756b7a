"""What opens a Git server, tried on real ones: bearer tokens, client certificates, proxies of both kinds, SSH algorithms."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from fleetloop import git
from tests.kit.forge import LocalForge, running_forge
from tests.kit.git_server import git as by_hand
from tests.kit.proxies import http_proxy, socks5_proxy
from tests.kit.tls import Authority

pytestmark = pytest.mark.asyncio(loop_scope="module")
GIT = git.Git.inheriting({"PATH": os.environ["PATH"]})


@dataclass(frozen=True)
class Scene:
    forge: LocalForge
    https: git.GitUrl
    ssh: git.GitUrl
    by_token: git.Credentials
    by_key: git.Credentials


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
        await forge.push_files("acme", "fleet", {"a.yaml": "a: 1\n"}, token=token, folder=folder / "work")
        https, ssh = (git.GitUrl.parse(url) for url in (forge.clone_url("acme", "fleet"), forge.ssh_clone_url("acme", "fleet")))
        known_hosts = await git.scan_host_key(ssh.host, ssh.port or 22)
        by_token = git.Credentials("x", token, ca=forge.ca_file.read_bytes())
        yield Scene(forge, https, ssh, by_token, git.Credentials(identity=key.identity, known_hosts=known_hosts))


@pytest.mark.parametrize("login", [("", ""), ("ada", "pröxy:p@ss/1")])
async def test_https_through_an_http_proxy(scene: Scene, login: tuple[str, str]) -> None:
    async with http_proxy(*login) as proxy:
        credentials = replace(scene.by_token, proxy=git.Proxy(proxy.address, *login))
        assert "refs/heads/main" in await git.list_refs(scene.https, credentials, git=GIT)
        assert set(proxy.targets) == {f"{scene.https.host}:{scene.https.port}"}
        if login[0]:
            wrong = replace(scene.by_token, proxy=git.Proxy(proxy.address, "ada", "wr0ng"))
            with pytest.raises(git.GitUnreachable) as caught:
                await git.list_refs(scene.https, wrong, git=GIT)
            assert "407" in str(caught.value) and "wr0ng" not in str(caught.value)


@pytest.mark.parametrize("over", ["https", "ssh"])
@pytest.mark.parametrize("login", [("", ""), ("ada", "p@ss $(touch /tmp/pwned) '\"")])
async def test_through_a_socks5_proxy(scene: Scene, tmp_path: Path, over: str, login: tuple[str, str]) -> None:
    """CVE-2026-55797: what a user writes of a proxy reaches no shell. The tree arrives whole, no byte of the stream is lost."""
    url, credentials = (scene.https, scene.by_token) if over == "https" else (scene.ssh, scene.by_key)
    async with socks5_proxy(*login) as proxy:
        through = replace(credentials, proxy=git.Proxy(proxy.address, *login))
        await git.fetch(url, git.branch("main"), tmp_path / "tree", through, git=GIT)
        assert (tmp_path / "tree" / "a.yaml").read_text() == "a: 1\n"
        assert proxy.targets and set(proxy.targets) == {f"{url.host}:{url.port}"}
        if login[0]:
            wrong = replace(credentials, proxy=git.Proxy(proxy.address, "ada", "wr0ng"))
            with pytest.raises(git.GitUnreachable) as caught:
                await git.list_refs(url, wrong, git=GIT)
            assert "wr0ng" not in str(caught.value) and proxy.refused
    with pytest.raises(git.GitUnreachable):
        await git.list_refs(url, through, git=GIT)


async def test_names_are_resolved_by_the_socks5_proxy(scene: Scene) -> None:
    async with socks5_proxy() as proxy:
        proxy.names["git.internal"] = scene.ssh.host
        url = replace(scene.ssh, host="git.internal")
        known = scene.by_key.known_hosts.replace(scene.ssh.host.encode(), b"git.internal")
        credentials = replace(scene.by_key, known_hosts=known, proxy=git.Proxy(proxy.address))
        assert "refs/heads/main" in await git.list_refs(url, credentials, git=GIT)
        assert set(proxy.targets) == {f"git.internal:{url.port}"}


async def test_the_socks5_proxys_word_is_told(scene: Scene) -> None:
    async with socks5_proxy("ada", "secret") as proxy:
        credentials = replace(scene.by_key, proxy=git.Proxy(proxy.address))
        with pytest.raises(git.GitUnreachable, match="socks5 proxy: it wants a user name and password"):
            await git.list_refs(scene.ssh, credentials, git=GIT)


async def test_ssh_takes_no_http_proxy(scene: Scene) -> None:
    with pytest.raises(git.AuthenticationFailed, match="socks5:// proxy alone"):
        await git.list_refs(scene.ssh, replace(scene.by_key, proxy=git.Proxy("http://127.0.0.1:1")), git=GIT)


async def test_a_proxied_submodule_elsewhere_is_not_reached_past_the_proxy(scene: Scene, tmp_path: Path) -> None:
    """A host that a repository names is neither a word for a shell nor reached directly."""
    work = scene.forge.folder / "work"
    hostile = "ssh://git@$(touch${IFS}pwned)/x.git"
    elsewhere = str(replace(scene.ssh, host="localhost"))
    for number, url in enumerate((elsewhere, hostile)):
        sha = by_hand(work, "rev-parse", "HEAD")
        (work / ".gitmodules").write_text(f'[submodule "s"]\n\tpath = s\n\turl = "{url}"\n')
        by_hand(work, "add", ".gitmodules")
        by_hand(work, "update-index", "--add", "--cacheinfo", f"160000,{sha},s")
        by_hand(work, "commit", "--quiet", "-m", "submodule")
        await scene.forge.git(
            "push", "--quiet", "origin", f"HEAD:refs/heads/sub{number}", cwd=work, token=scene.by_token.password
        )
        async with socks5_proxy() as proxy:
            known = scene.by_key.known_hosts + b"\n" + scene.by_key.known_hosts.replace(scene.ssh.host.encode(), b"localhost")
            credentials = replace(scene.by_key, known_hosts=known, proxy=git.Proxy(proxy.address))
            with pytest.raises(git.GitError, match="submodules"):
                options = git.FetchOptions(submodules=True)
                tree = tmp_path / f"tree{number}"
                await git.fetch(scene.ssh, git.branch(f"sub{number}"), tree, credentials, options=options, git=GIT)
            assert set(proxy.targets) == {f"{scene.ssh.host}:{scene.ssh.port}"}
        by_hand(work, "reset", "--hard", "--quiet", "HEAD^")
    assert not list(tmp_path.rglob("pwned")) and not Path("pwned").exists()


@pytest.mark.parametrize(
    ("algorithms", "fits"),
    [
        (git.SshAlgorithms("curve25519-sha256", "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512"), True),
        (git.SshAlgorithms("diffie-hellman-group1-sha1"), False),
        (git.SshAlgorithms("", "ssh-dss"), False),
        (git.SshAlgorithms("nonsense"), False),
    ],
)
async def test_ssh_algorithms(scene: Scene, algorithms: git.SshAlgorithms, fits: bool) -> None:
    """--ssh-kex-algos and --ssh-hostkey-algos."""
    chosen = replace(GIT, ssh=algorithms)
    if fits:
        assert "refs/heads/main" in await git.list_refs(scene.ssh, scene.by_key, git=chosen)
    else:
        with pytest.raises(git.GitError):
            await git.list_refs(scene.ssh, scene.by_key, git=chosen)


async def test_bearer_token_and_client_certificate(tmp_path: Path) -> None:
    """A server that lets nobody in without a certificate of its own authority."""
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=401)

    clients = Authority("clients")
    async with tls_server(refuse, tmp_path, clients) as (url, ca):
        credentials = git.Credentials(bearer_token="t0ken", ca=ca)
        with pytest.raises(git.GitError):
            await git.list_refs(url, credentials, git=GIT)
        assert seen == []
        pair = clients.pair("team")
        with pytest.raises(git.AuthenticationFailed):
            await git.list_refs(url, replace(credentials, client_cert=pair.cert, client_key=pair.key), git=GIT)
        assert seen == ["Bearer t0ken"]
        basic = replace(credentials, bearer_token="", username="ada", client_cert=pair.cert, client_key=pair.key)
        with pytest.raises(git.AuthenticationFailed):
            await git.list_refs(url, basic, git=GIT)
        assert seen[1] == "Basic " + base64.b64encode(b"ada:").decode()


async def test_a_move_is_found_with_a_certificate_and_through_a_proxy(tmp_path: Path) -> None:
    async def move(request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently(request.path_qs.replace("old", "new"))

    clients = Authority("clients")
    pair = clients.pair("team")
    async with tls_server(move, tmp_path, clients) as (url, ca):
        credentials = git.Credentials("x", "y", ca=ca, client_cert=pair.cert, client_key=pair.key)
        async with http_proxy("a", "b") as web_proxy, socks5_proxy("a", "b") as socks:
            for proxy in (None, git.Proxy(web_proxy.address, "a", "b"), git.Proxy(socks.address, "a", "b")):
                moved = await git.moved_to(url, replace(credentials, proxy=proxy), git=GIT)
                assert moved and moved.path == "/new.git"
                assert await git.moved_to(url, replace(credentials, ca=b"", proxy=proxy), git=GIT) is None
            assert len(web_proxy.targets) == len(socks.targets) == 2
            lost = git.Proxy(socks.address, "a", "wrong")
            assert await git.moved_to(url, replace(credentials, proxy=lost), git=GIT) is None


@asynccontextmanager
async def tls_server(answer: object, folder: Path, clients: Authority) -> AsyncIterator[tuple[git.GitUrl, bytes]]:
    app = web.Application()
    app.router.add_route("*", "/{_:.*}", answer)  # type: ignore[arg-type]
    runner = web.AppRunner(app)
    await runner.setup()
    server = Authority("server")
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server.server_context(folder, clients=clients.ca)).start()
        yield git.GitUrl.parse(f"https://127.0.0.1:{runner.addresses[0][1]}/old.git"), server.ca
    finally:
        await runner.cleanup()


async def test_an_encrypted_key_is_opened_beside_the_loop(scene: Scene) -> None:
    """A passphrase is made slow on purpose; others go on meanwhile."""
    from cryptography.hazmat.primitives import serialization as pem

    from fleetloop.git.keys import read_private_key

    private = read_private_key(scene.by_key.identity)
    slow = pem.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(200).build(b"open")
    locked = replace(
        scene.by_key, identity=private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.OpenSSH, slow), passphrase="open"
    )
    loop, longest = asyncio.get_running_loop(), 0.0
    work = asyncio.create_task(git.list_refs(scene.ssh, locked, git=GIT))
    while not work.done():
        before = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - before)
    assert "refs/heads/main" in await work
    assert longest < 0.5
    opened = await asyncio.to_thread(git.unlocked, scene.ssh, locked)
    assert opened.passphrase == "" and b"OPENSSH PRIVATE KEY" in opened.identity
