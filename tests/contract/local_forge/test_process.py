"""The forge as a process: what survives a restart, how it ends, what it does under injected faults and limits."""

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from fleetloop.local.forge import AdminRefused, ForgeAdmin
from tests.contract.local_forge.conftest import Scene
from tests.kit.forge import GitError, running_forge

pytestmark = pytest.mark.asyncio(loop_scope="package")
END_TIMEOUT = 20.0  # seconds
REPO = "/repos/{owner}/{repo}"


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    async with running_forge(tmp_path) as forge:
        await forge.admin.create_user("ann")
        token = await forge.admin.create_token("ann", {"contents": "write"})
        await forge.admin.create_repository("ann", "fleet")
        sha = await forge.push_files("ann", "fleet", {"a": "1\n"}, token=token, folder=tmp_path / "work")
        known, admin_token = forge.ca_file.read_bytes(), forge.admin_token
    async with running_forge(tmp_path) as forge:
        assert (forge.ca_file.read_bytes(), forge.admin_token) == (known, admin_token)
        assert (await forge.admin.repository("ann", "fleet"))["branches"] == {"main": sha}
        await forge.git("ls-remote", forge.clone_url("ann", "fleet"), cwd=tmp_path, token=token)


async def test_folders_of_no_repository_are_swept(tmp_path: Path) -> None:
    """Left by a crash between the two steps of making or deleting a repository."""
    async with running_forge(tmp_path) as forge:
        await forge.admin.create_user("ann")
        await forge.admin.create_repository("ann", "fleet")
    repositories = tmp_path / "forge" / "repositories"
    (held,) = repositories.iterdir()
    (repositories / "99.git" / "objects").mkdir(parents=True)
    async with running_forge(tmp_path):
        assert list(repositories.iterdir()) == [held]


async def test_state_survives_a_kill(tmp_path: Path) -> None:
    """What was answered is on disk: the process is killed right after the answer."""
    command = [sys.executable, "-m", "fleetloop.local.forge", "--dir", str(tmp_path / "forge")]
    command += ["--ca-cert", str(tmp_path / "ca.pem"), "--ca-key", str(tmp_path / "ca.key")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    ready = json.loads(await process.stdout.readline())
    async with ForgeAdmin(ready["url"], ready["adminToken"], ready["caFile"]) as admin:
        await admin.create_user("ann")
        await admin.create_repository("ann", "fleet")
    process.kill()
    await process.wait()
    async with running_forge(tmp_path) as forge:
        assert (await forge.admin.repository("ann", "fleet"))["default_branch"] == "main"


async def test_forge_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "sys.stdout.write(child.stdout.readline().decode() + str(child.pid) + '\\n'); sys.stdout.flush()\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-m", "fleetloop.local.forge", "--dir", str(tmp_path / "forge")]
    command += ["--ca-cert", str(tmp_path / "ca.pem"), "--ca-key", str(tmp_path / "ca.key")]
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    json.loads(await parent.stdout.readline())
    watched = os.pidfd_open(int(await parent.stdout.readline()))
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(watched, ended.set)
    try:
        parent.send_signal(signal.SIGKILL)
        async with asyncio.timeout(END_TIMEOUT):
            await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
        await parent.wait()


async def test_start_that_cannot_succeed_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fleetloop.local.forge", "--dir", str(tmp_path / "forge")]
    command += ["--ca-cert", str(tmp_path / "ca.pem"), "--ca-key", str(tmp_path / "ca.key")]
    async with running_forge(tmp_path):
        assert await _complaint(command) == f"forge: folder {tmp_path / 'forge'} is in use by another forge"
    state = tmp_path / "forge" / "state.json"
    state.write_text("{")
    assert (await _complaint(command)).startswith(f"forge: state file {state} cannot be read: ")
    (tmp_path / "ca.key").unlink()
    assert (await _complaint(command)).startswith("forge: certificate authority: only one of ")


async def test_secrets_are_for_the_owner_only(scene: Scene) -> None:
    forge, token = scene.forge, await scene.token()
    for kept in (forge.folder / "ca.key", forge.folder / "forge", forge.folder / "forge" / "tls" / "server.key"):
        assert kept.stat().st_mode & 0o077 == 0, kept.name
    assert token.encode() not in (forge.folder / "forge" / "state.json").read_bytes()


async def test_admin_api_needs_the_admin_token(scene: Scene) -> None:
    for token in (await scene.token(), "", "wrong"):
        async with ForgeAdmin(scene.forge.url, token, scene.forge.ca_file) as admin:
            with pytest.raises(AdminRefused, match="401"):
                await admin.create_user("mallory")


@pytest.mark.parametrize("login", ["", "-a", "a-", "a--b", "a/b", "..", "x" * 40, "ä"])
async def test_admin_api_checks_names(scene: Scene, login: str) -> None:
    with pytest.raises(AdminRefused, match="422"):
        await scene.forge.admin.create_user(login)


async def test_admin_api_refuses_what_makes_no_sense(scene: Scene) -> None:
    admin = scene.forge.admin
    with pytest.raises(AdminRefused, match="unknown permissions"):
        await admin.create_token(scene.owner, {"everything": "write"})
    with pytest.raises(AdminRefused, match="404"):
        await admin.create_token("nobody", {"contents": "read"})
    with pytest.raises(AdminRefused, match="409"):
        await admin.create_user(scene.org)
    with pytest.raises(AdminRefused, match="404"):
        await admin.file(scene.org, scene.repo, "absent")
    with pytest.raises(AdminRefused, match="422"):
        await admin.commits(scene.org, scene.repo, ref="--output=/tmp/x")


async def test_requests_are_remembered(scene: Scene) -> None:
    api = await scene.full_api()
    await scene.forge.admin.forget_requests()
    await api("GET", REPO, **scene.target)
    (entry,) = await scene.forge.admin.requests()
    assert (entry["path"], entry["status"], entry["user"]) == (f"/api/v3/repos/{scene.org}/fleet", 200, scene.owner)


async def test_injected_refusal_lasts_for_its_count(scene: Scene) -> None:
    api = await scene.full_api()
    await scene.forge.admin.refuse(503, f"/api/v3/repos/{scene.org}/", count=2, message="maintenance")
    url = f"{scene.forge.api_url}repos/{scene.org}/fleet"
    for status in (503, 503, 404):
        async with scene.session.get(url) as response:
            assert response.status == status
    assert (await api("GET", REPO, **scene.target)).status == 200


async def test_injected_cut_breaks_the_connection(scene: Scene) -> None:
    await scene.forge.admin.cut(f"/{scene.org}/", method="GET")
    token = await scene.token()
    with pytest.raises(GitError):
        url = scene.forge.clone_url(scene.org, scene.repo)
        await scene.forge.git("ls-remote", url, cwd=scene.folder, token=token)
    await scene.forge.git("ls-remote", url, cwd=scene.folder, token=token)


async def test_injected_hang_ends_when_lifted(scene: Scene) -> None:
    await scene.forge.admin.hang(f"/api/v3/repos/{scene.org}/")
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(_fails(scene, f"{scene.forge.api_url}repos/{scene.org}/fleet"))
        await scene.forge.admin.until_hanging()
        assert not hanging.done()
        await scene.forge.admin.lift_faults()
    assert hanging.result()


async def test_rate_limit_is_counted_and_held(tmp_path: Path) -> None:
    async with running_forge(tmp_path, options=["--rate-limit", "3"]) as forge:
        trust = ssl.create_default_context(cafile=forge.ca_file)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            seen = []
            for _ in range(4):
                async with session.get(forge.api_url + "meta") as response:
                    seen.append((response.status, response.headers["X-RateLimit-Remaining"]))
            assert seen == [(200, "2"), (200, "1"), (200, "0"), (403, "0")]
            async with session.get(forge.api_url + "rate_limit") as response:
                assert (await response.json())["rate"]["remaining"] == 0


async def test_large_bodies_are_refused(scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {await scene.token()}"}
    url = f"{scene.forge.api_url}repos/{scene.org}/fleet/keys"
    async with scene.session.post(url, data=b" " * (17 * 1024 * 1024), headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize("path", ["absent", "repos/a", "repos/%2e%2e/%2e%2e", "repos/a/b/c/d", "%00", "repos/a%2fb/c"])
async def test_unknown_paths_are_github_errors(scene: Scene, path: str) -> None:
    async with scene.session.get(URL(scene.forge.api_url + path, encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["message"] == "Not Found"


async def _fails(scene: Scene, url: str) -> bool:
    """Whether the connection breaks; a POST, since the client tries a GET again by itself."""
    try:
        async with scene.session.post(url):
            return False
    except aiohttp.ClientError:
        return True


async def _complaint(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 1
    return errors.decode().strip()
