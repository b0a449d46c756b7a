"""Git over SSH with the real git and ssh programs."""

import asyncio

import asyncssh
import pytest

from tests.contract.local_forge.conftest import Scene, new_key
from tests.kit.forge import GitError

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_read_only_deploy_key_fetches_and_cannot_push(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    key = await scene.deploy_key("reader", read_only=True)
    url = scene.forge.ssh_clone_url(scene.org, scene.repo)
    await scene.forge.git("clone", "--quiet", url, "copy", cwd=scene.folder, ssh_key=key)
    assert (await scene.forge.git("rev-parse", "HEAD", cwd=scene.folder / "copy")).strip() == sha
    with pytest.raises(GitError, match="marked as read only"):
        await scene.forge.git("push", "origin", "HEAD:x", cwd=scene.folder / "copy", ssh_key=key)


async def test_writing_deploy_key_pushes(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    key = await scene.deploy_key("writer", read_only=False)
    url = scene.forge.ssh_clone_url(scene.org, scene.repo).removesuffix(".git")
    await scene.forge.git("push", "--quiet", url, "HEAD:refs/heads/x", cwd=scene.folder / "work", ssh_key=key)
    assert "x" in (await scene.forge.admin.repository(scene.org, scene.repo))["branches"]


async def test_deploy_key_reaches_its_own_repository_only(scene: Scene) -> None:
    key = await scene.deploy_key("reader", read_only=True)
    await scene.forge.admin.create_repository(scene.org, "other")
    with pytest.raises(GitError, match="Repository not found"):
        url = scene.forge.ssh_clone_url(scene.org, "other")
        await scene.forge.git("ls-remote", url, cwd=scene.folder, ssh_key=key)


async def test_removed_deploy_key_is_refused(scene: Scene) -> None:
    key = await scene.deploy_key("reader", read_only=True)
    api = await scene.full_api()
    listed = await api("GET", "/repos/{owner}/{repo}/keys", **scene.target)
    gone = await api("DELETE", "/repos/{owner}/{repo}/keys/{key_id}", key_id=listed.body[0]["id"], **scene.target)
    assert gone.status == 204
    with pytest.raises(GitError, match="Permission denied"):
        url = scene.forge.ssh_clone_url(scene.org, scene.repo)
        await scene.forge.git("ls-remote", url, cwd=scene.folder, ssh_key=key)


async def test_key_of_a_user_has_the_rights_of_the_user(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    url = scene.forge.ssh_clone_url(scene.org, scene.repo)
    for login in (scene.owner, scene.member):
        file, public = await asyncio.to_thread(new_key, scene.folder, login)
        await scene.forge.admin.add_user_key(login, public)
        await scene.forge.git("ls-remote", url, cwd=scene.folder, ssh_key=file)
    work = scene.folder / "work"
    await scene.forge.git("push", "--quiet", url, "HEAD:x", cwd=work, ssh_key=scene.folder / scene.owner)
    with pytest.raises(GitError, match=f"denied to {scene.member}"):
        await scene.forge.git("push", url, "HEAD:y", cwd=work, ssh_key=scene.folder / scene.member)


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "",
        "git-upload-archive '/o/r.git'",
        "git-upload-pack '/../../state.json'",
        "git-upload-pack --evil '/o/r.git'",
        "git-upload-pack 'unfinished",
        "sh -c 'git-upload-pack /o/r'",
    ],
)
async def test_no_other_command_runs(scene: Scene, command: str) -> None:
    key = await scene.deploy_key("reader", read_only=True)
    host, port = scene.forge.ssh_url.removeprefix("ssh://git@").split(":")
    async with asyncssh.connect(
        host, int(port), username="git", client_keys=[str(key)], known_hosts=None, agent_path=None
    ) as connection:
        result = await connection.run(command or None, timeout=10)
    assert result.exit_status == 1
    assert "ERROR: " in str(result.stderr)
    assert not result.stdout


async def test_other_users_and_unknown_keys_do_not_log_in(scene: Scene) -> None:
    key = await scene.deploy_key("reader", read_only=True)
    stranger, _ = await asyncio.to_thread(new_key, scene.folder, "stranger")
    host, port = scene.forge.ssh_url.removeprefix("ssh://git@").split(":")
    for login, file in (("root", key), ("git", stranger)):
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(host, int(port), username=login, client_keys=[str(file)], known_hosts=None, agent_path=None)
