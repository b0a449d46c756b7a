"""Git over HTTPS with the real git program, and with raw requests where git hides what is sent."""

import asyncio
import base64
import gzip
import secrets
import ssl
from pathlib import Path

import aiohttp
import pytest

from tests.contract.local_forge.conftest import Scene
from tests.kit.forge import GitError

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_empty_repository_takes_the_first_branch_pushed(scene: Scene) -> None:
    sha = await scene.push({"clusters/a.yaml": "a: 1\n"}, branch="trunk")
    state = await scene.forge.admin.repository(scene.org, scene.repo)
    assert state["branches"] == {"trunk": sha}
    assert state["default_branch"] == "trunk"
    assert await scene.forge.admin.files(scene.org, scene.repo) == ["clusters/a.yaml"]
    assert await scene.forge.admin.file(scene.org, scene.repo, "clusters/a.yaml") == b"a: 1\n"
    newest = (await scene.forge.admin.commits(scene.org, scene.repo))[0]
    assert (newest.sha, newest.author_email, newest.message) == (sha, "tester@example.com", "change clusters/a.yaml")


async def test_clone_and_fetch_see_later_pushes(scene: Scene) -> None:
    first = await scene.push({"a": "1\n"})
    token = await scene.token(contents="read")
    url = scene.forge.clone_url(scene.org, scene.repo)
    await scene.forge.git("clone", "--quiet", "--depth=1", url, "copy", cwd=scene.folder, token=token)
    copy = scene.folder / "copy"
    assert (await scene.forge.git("rev-parse", "HEAD", cwd=copy)).strip() == first
    second = await scene.push({"a": "2\n"})
    await scene.forge.git("fetch", "--quiet", "origin", cwd=copy, token=token)
    assert (await scene.forge.git("rev-parse", "origin/main", cwd=copy)).strip() == second


async def test_large_push_streams_in_chunks(scene: Scene) -> None:
    """Beyond http.postBuffer (1 MiB) git sends the pack chunked, with no length."""
    noise = base64.b64encode(secrets.token_bytes(6 * 1024 * 1024)).decode()
    await scene.push({"noise": noise})
    stored = await scene.forge.admin.file(scene.org, scene.repo, "noise")
    assert stored.decode() == noise


async def test_url_without_dot_git_works(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    token = await scene.token(contents="read")
    url = scene.forge.clone_url(scene.org, scene.repo).removesuffix(".git")
    assert sha in await scene.forge.git("ls-remote", url, cwd=scene.folder, token=token)


async def test_read_only_token_cannot_push(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    token = await scene.token(contents="read")
    with pytest.raises(GitError, match="Write access to repository not granted"):
        await scene.forge.git("push", "origin", "HEAD:x", cwd=scene.folder / "work", token=token)


async def test_reading_member_cannot_push_whatever_the_token_says(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    token = await scene.token(scene.member, contents="write")
    with pytest.raises(GitError, match=f"denied to {scene.member}"):
        await scene.forge.git("push", "origin", "HEAD:x", cwd=scene.folder / "work", token=token)


async def test_metadata_alone_does_not_fetch(scene: Scene) -> None:
    url = scene.forge.clone_url(scene.org, scene.repo)
    token = await scene.token(metadata="read")
    with pytest.raises(GitError, match="403"):
        await scene.forge.git("ls-remote", url, cwd=scene.folder, token=token)


@pytest.mark.parametrize("repository", ["fleet", "absent"])
async def test_invisible_and_absent_repositories_look_alike(scene: Scene, repository: str) -> None:
    """BS12: a private repository invisible to the token is a 404."""
    url = scene.forge.clone_url(scene.org, repository)
    token = await scene.forge.admin.create_token(scene.outsider, {"contents": "write"})
    with pytest.raises(GitError, match=r"[Rr]epository not found|not found"):
        await scene.forge.git("ls-remote", url, cwd=scene.folder, token=token)


async def test_bad_token_is_asked_again(scene: Scene) -> None:
    with pytest.raises(GitError, match=r"Authentication failed|Invalid username or token"):
        url = scene.forge.clone_url(scene.org, scene.repo)
        await scene.forge.git("ls-remote", url, cwd=scene.folder, token="ghp_wrong")


async def test_public_repository_is_read_by_anyone_and_written_by_nobody(scene: Scene) -> None:
    await scene.forge.admin.create_repository(scene.org, "open", private=False)
    url = scene.forge.clone_url(scene.org, "open")
    await scene.forge.git("clone", "--quiet", url, "open", cwd=scene.folder)
    with pytest.raises(GitError, match=r"could not read Username|Authentication required"):
        work = scene.folder / "open"
        await scene.forge.git("commit", "--quiet", "--allow-empty", "-m", "x", cwd=work)
        await scene.forge.git("push", "origin", "HEAD:refs/heads/main", cwd=work)


async def test_protected_branch_refuses_direct_pushes(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    await scene.forge.admin.protect_branches(scene.org, scene.repo, ["main"])
    with pytest.raises(GitError, match="remote rejected"):
        await scene.push({"a": "2\n"})
    await scene.forge.admin.protect_branches(scene.org, scene.repo, [])
    await scene.push({"a": "3\n"})


async def test_archived_repository_is_read_only(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    api = await scene.full_api()
    await api("PATCH", "/repos/{owner}/{repo}", {"archived": True}, **scene.target)
    with pytest.raises(GitError, match="archived"):
        await scene.push({"a": "2\n"})


def basic(token: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth("anyone", token)}


async def test_protocol_version_2_and_gzipped_requests(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    headers = basic(await scene.token(contents="read")) | {"Git-Protocol": "version=2"}
    url = scene.forge.clone_url(scene.org, scene.repo)
    async with scene.session.get(f"{url}/info/refs?service=git-upload-pack", headers=headers) as response:
        assert response.content_type == "application/x-git-upload-pack-advertisement"
        assert b"version 2" in await response.read()
    request = gzip.compress(b"0014command=ls-refs\n00010000")
    headers |= {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}
    async with scene.session.post(f"{url}/git-upload-pack", data=request, headers=headers) as response:
        assert sha.encode() in await response.read()


@pytest.mark.parametrize(
    "path",
    [
        "HEAD",
        "objects/info/packs",
        "info/refs",
        "info/refs?service=git-archive",
        "info/refs?service=git-upload-pack%00",
        "../../state.json",
        "%2e%2e/%2e%2e/state.json",
        "config",
    ],
)
async def test_only_the_smart_protocol_is_served(scene: Scene, path: str) -> None:
    headers = basic(await scene.token(contents="read"))
    async with scene.session.get(scene.forge.clone_url(scene.org, scene.repo) + "/" + path, headers=headers) as response:
        assert response.status in {403, 404}


async def test_garbage_instead_of_a_pack_is_an_error_not_a_hang(scene: Scene, tmp_path: Path) -> None:
    headers = basic(await scene.token(contents="write")) | {"Content-Type": "application/x-git-receive-pack-request"}
    url = scene.forge.clone_url(scene.org, scene.repo)
    async with scene.session.post(f"{url}/git-receive-pack", data=b"\xff" * 70000, headers=headers) as response:
        await response.read()
    assert (await scene.forge.admin.repository(scene.org, scene.repo))["refs"] == {}


async def test_client_that_goes_away_leaves_no_process(scene: Scene) -> None:
    """The backend sees its input end: the answer to the next push does not wait for it, and it is gone."""
    host, port = scene.forge.url.removeprefix("https://").split(":")
    trust = ssl.create_default_context(cafile=scene.forge.ca_file)
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    headers = basic(await scene.token(contents="write")) | {
        "Host": f"{host}:{port}",
        "Content-Type": "application/x-git-receive-pack-request",
        "Content-Length": "1000000",
    }
    lines = [f"POST /{scene.org}/fleet.git/git-receive-pack HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", "0094"]).encode())
    await writer.drain()
    writer.transport.abort()
    await scene.forge.admin.until_requested(f"/{scene.org}/fleet.git/git-receive-pack")
    await scene.push({"a": "1\n"})
