"""Hostile Git: URLs and refs that are arguments, servers that lie, trees that lead out, submodules that reach further."""

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleetloop import git
from fleetloop.git.credentials import OPENSSH_CHOICE, access_of
from fleetloop.storage import unpack, write_tarball
from tests.kit.git_server import GitServer, WorkingCopy, git_server
from tests.kit.git_server import git as run_git

GIT = git.Git(inherited={"PATH": os.environ["PATH"]}, protocols=("git", "http"))
SECRET = "hunter2-very-secret"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path) as started:
        yield started


@contextlib.asynccontextmanager
async def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch /tmp/pwned",
        "ext::sh -c touch% /tmp/pwned",
        "file:///etc",
        "/etc",
        "fd::17",
        "ssh://-oProxyCommand=touch${IFS}pwned/x",
        "ssh://git@-oProxyCommand=x/x",
        "ssh://-x@host/x",
        "https://host/x\nexample",
        "https://ho st/x",
        "https://[::1/x",
        "https:///x",
        "http://host:99999/x",
        "https://exаmple.com/x",  # a Cyrillic letter
        "https://host\\@other/x",
        "https://host/x#fragment",
    ],
)
def test_a_url_is_no_argument_and_no_command(url: str) -> None:
    """GO-2025-3368, CVE-2026-71557: URL arguments, remote helpers, local files, look-alike hosts."""
    with pytest.raises(git.InvalidUrl) as refused:
        git.GitUrl.parse(url.replace("/x", f"/{SECRET}"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["../../config", "-x", "--upload-pack=x", "a..b", "a b", "a\nb", "a:b", "a~1", "x.lock", "/x", "a//b", "@{x}", "\x00"]
)
def test_a_reference_leads_nowhere(name: str) -> None:
    """CVE-2026-71556: a ref name with `../` names a file outside of refs."""
    for reference in (git.branch, git.tag, git.named, git.commit):
        with pytest.raises(git.InvalidReference):
            reference(name)


def hash_object(copy: WorkingCopy, kind: str, content: bytes) -> str:
    command = ["git", "hash-object", "-w", "--literally", "-t", kind, "--stdin"]
    done = subprocess.run(command, cwd=copy.bare, input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


def tree_entry(mode: str, name: str, sha: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(sha)


def publish_tree(copy: WorkingCopy, entries: bytes) -> None:
    """A commit with this very tree, past all that git itself would refuse to write."""
    tree = hash_object(copy, "tree", entries)
    person = "A <a@example.com> 1700000000 +0000"
    commit = hash_object(copy, "commit", f"tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n".encode())
    run_git(copy.bare, "update-ref", "refs/heads/main", commit)


def hostile_trees(copy: WorkingCopy) -> dict[str, bytes]:
    blob, link = hash_object(copy, "blob", b"[core]\n\tfsmonitor = touch /tmp/pwned\n"), hash_object(copy, "blob", b".git")
    inner = hash_object(copy, "tree", tree_entry("100644", "config", blob))
    outside = hash_object(copy, "blob", b"../../../../..")
    return {
        "parent": tree_entry("40000", "..", inner),
        "parent in a name": tree_entry("100644", "../config", blob),
        "dot git": tree_entry("40000", ".git", inner),
        "dot git in other letters": tree_entry("40000", ".GIT", inner),
        "a link and a file through it": tree_entry("120000", "a", outside) + tree_entry("40000", "a", inner),
        "a link to dot git": tree_entry("120000", "a", link) + tree_entry("40000", "a", inner),
        "an absolute name": tree_entry("100644", "/tmp/pwned", blob),
    }


@pytest.mark.parametrize(
    "case",
    [
        "parent",
        "parent in a name",
        "dot git",
        "dot git in other letters",
        "a link and a file through it",
        "a link to dot git",
        "an absolute name",
    ],
)
async def test_no_tree_is_written_outside(server: GitServer, tmp_path: Path, case: str) -> None:
    """CVE-2023-49569, GO-2025-3367, CVE-2026-71556: trees with `..`, `.git`, or a file below a link."""
    copy = server.create("hostile")
    publish_tree(copy, hostile_trees(copy)[case])
    jail = tmp_path / "jail"
    jail.mkdir()
    before = sorted(path for path in tmp_path.rglob("*") if "served" not in path.parts)
    try:
        await git.fetch(git.GitUrl.parse(server.url("hostile"), GIT.protocols), git.branch("main"), jail / "into", git=GIT)
    except git.GitError as refused:
        assert "127.0.0.1" in str(refused) or "git" in str(refused)
    after = sorted(path for path in tmp_path.rglob("*") if "served" not in path.parts and (jail / "into") not in path.parents)
    assert [path for path in after if path not in before and path != jail / "into"] == []
    assert not Path("/tmp/pwned").exists()
    assert not (jail / "into" / ".git").exists()


async def test_links_out_of_the_tree_do_not_come_into_an_artifact(server: GitServer, tmp_path: Path) -> None:
    """CVE-2022-31036: a link to another place of the disk is no content."""
    copy = server.create("links")
    copy.folder.joinpath("passwd").symlink_to("/etc/passwd")
    copy.folder.joinpath("up").symlink_to("../../..")
    copy.commit("links", {"a.yaml": "a: 1"})
    into = tmp_path / "into"
    await git.fetch(git.GitUrl.parse(server.url("links"), GIT.protocols), git.branch("main"), into, git=GIT)
    with (tmp_path / "x.tar.gz").open("wb") as out:
        write_tarball(into, out)
    back = tmp_path / "back"
    back.mkdir()
    unpack(tmp_path / "x.tar.gz", back)
    assert [path.name for path in back.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/pwned", "file:///etc", "-u./pwn", "../../../../etc"])
async def test_submodules_reach_no_further(server: GitServer, tmp_path: Path, url: str) -> None:
    """GO-2025-3368: the URL of a submodule is as foreign as the tenant's own."""
    copy = server.create("parent")
    copy.write({".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {url}\n'})
    run_git(copy.folder, "add", "--all")
    run_git(copy.folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    copy_head = run_git(copy.folder, "commit", "--quiet", "--message", "x")
    copy.push()
    options = git.FetchOptions(submodules=True)
    with pytest.raises(git.GitError, match="submodules"):
        await git.fetch(
            git.GitUrl.parse(server.url("parent"), GIT.protocols), git.branch("main"), tmp_path / "into", options=options, git=GIT
        )
    assert copy_head == "" and not Path("/tmp/pwned").exists()


async def test_a_submodule_name_leads_nowhere(server: GitServer, tmp_path: Path) -> None:
    """CVE-2023-49569's like: the name of a submodule is a path below the repository's folder."""
    copy = server.create("names")
    copy.write({".gitmodules": f'[submodule "../../../pwned"]\n\tpath = x\n\turl = {server.url("names")}\n'})
    run_git(copy.folder, "add", "--all")
    run_git(copy.folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    run_git(copy.folder, "commit", "--quiet", "--message", "x")
    copy.push()
    url = git.GitUrl.parse(server.url("names"), GIT.protocols)
    with contextlib.suppress(git.GitError):
        await git.fetch(url, git.branch("main"), tmp_path / "into", options=git.FetchOptions(submodules=True), git=GIT)
    assert not list(tmp_path.rglob("pwned"))


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
    await response.prepare(request)
    line = b"001e# service=git-upload-pack\n0000" + b"003f" + b"1" * 40 + b" refs/heads/abcdefghi\n" * 1
    while True:
        await response.write(line * 1000)


async def _drop_by_drop(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
    await response.prepare(request)
    while True:
        await response.write(b"0")
        await asyncio.sleep(0.05)


async def _zipped_bomb(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/x-git-upload-pack-advertisement", "Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(b"001e# service=git-upload-pack\n0000" + bytes(100 << 20)), headers=headers)


async def _nonsense(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x00\xff" * 1000, headers={"Content-Type": "application/x-git-upload-pack-advertisement"})


async def _many_refs(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/x-git-upload-pack-advertisement"}
    lines = [b"001e# service=git-upload-pack\n", b"0000"]
    for number in range(1_000_000):
        body = b"%040x refs/heads/branch-number-%d%s\n" % (number + 1, number, b"\0" if not number else b"")
        lines.append(b"%04x" % (len(body) + 4) + body)
    return web.Response(body=b"".join(lines) + b"0000", headers=headers)


@pytest.mark.parametrize("answer", [_endless, _drop_by_drop, _zipped_bomb, _nonsense, _many_refs])
async def test_a_lying_server_ends_with_a_clear_error(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
    """GO-2025-3367, CVE-2023-49568's like: endless, slow, unpacking and senseless answers."""
    async with served(answer) as url:
        with pytest.raises(git.GitError) as refused:
            await git.list_refs(git.GitUrl.parse(f"{url}/x.git"), git.Credentials("ada", SECRET), timeout=5, git=GIT)
    assert "127.0.0.1" in str(refused.value) or "more refs" in str(refused.value)
    assert SECRET not in str(refused.value)


async def test_credentials_stay_with_their_host() -> None:
    """CVE-2021-32690: a redirect to another host, by a first answer and by a later one, brings it no header."""
    seen: list[str] = []

    async def listen(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    async with served(listen) as other:

        async def redirect(request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(other + request.path_qs)

        async with served(redirect) as first:
            for credentials in (git.Credentials("ada", SECRET), git.Credentials(bearer_token=SECRET)):
                with pytest.raises(git.GitError) as refused:
                    await git.list_refs(git.GitUrl.parse(first + "/r.git"), credentials, git=GIT)
                assert SECRET not in str(refused.value)
                assert await git.moved_to(git.GitUrl.parse(first + "/r.git"), credentials, git=GIT) is None
            with pytest.raises(git.GitError):
                await git.list_refs(git.GitUrl.parse(first.replace("http://", f"http://ada:{SECRET}@") + "/r.git"), git=GIT)
    assert [header for header in seen if header] == []


def test_a_proxy_is_no_command() -> None:
    """CVE-2026-55797: what a proxy's Secret says never becomes a line that a shell reads."""
    url = git.GitUrl.parse("ssh://git@example.com/x.git")
    place = "127.0.0.1:1; touch /tmp/pwned #"
    proxy = git.Proxy(f"socks5://{place}", "$(touch /tmp/pwned)", f"`{SECRET}`")
    credentials = git.Credentials(identity=git.generate_key("ecdsa").identity, known_hosts=b"x", proxy=proxy)
    access = access_of(url, credentials, Path("/home/x"), OPENSSH_CHOICE)
    config = dict(access.files)["ssh_config"].decode()
    assert "pwned" not in config and SECRET not in config and "pwned" not in dict(access.variables)["GIT_SSH_COMMAND"]


async def test_an_expired_authority_is_an_error_of_the_certificate(tmp_path: Path) -> None:
    """Expired CA, clock skew: the connection fails, whatever else is right, and says why."""
    certificate, key = expired_certificate()
    (tmp_path / "pair").write_bytes(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        await web.SockSite(runner, listening, ssl_context=context).start()
        url = git.GitUrl.parse(f"https://127.0.0.1:{listening.getsockname()[1]}/x.git")
        with pytest.raises(git.GitUnreachable, match="certificate"):
            await git.list_refs(url, git.Credentials(ca=certificate), git=git.Git(inherited=GIT.inherited))
        await runner.cleanup()


def expired_certificate() -> tuple[bytes, bytes]:
    """Of 127.0.0.1, its own authority, good in 2020 alone: PEM of certificate and key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2021, 1, 1))
    made = builder.add_extension(address, False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), plain
