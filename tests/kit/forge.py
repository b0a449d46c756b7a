"""`LocalForge`: a real forge process for one test session or one test, with what is needed to talk to it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.local.forge import ForgeAdmin

START_TIMEOUT = 30.0  # seconds
GIT_TIMEOUT = 60.0


class GitError(AssertionError):
    """A git command of the test ended with an error; the message holds what git said."""


@dataclass(frozen=True, slots=True)
class LocalForge:
    """A running forge. `url` is `https://host:port`, `api_url` ends in a slash, `ssh_url` is `ssh://git@host:port`."""

    folder: Path
    url: str
    api_url: str
    ssh_url: str
    ca_file: Path
    admin_token: str
    admin: ForgeAdmin

    def clone_url(self, owner: str, name: str) -> str:
        return f"{self.url}/{owner}/{name}.git"

    def ssh_clone_url(self, owner: str, name: str) -> str:
        return f"{self.ssh_url}/{owner}/{name}.git"

    async def git(self, *arguments: str, cwd: Path, token: str = "", ssh_key: Path | None = None) -> str:
        """Run the system's git as a user would; returns stdout, raises GitError. The token travels as basic auth."""
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=cwd,
            env=self._environment(token, ssh_key),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(GIT_TIMEOUT):
            output, errors = await process.communicate()
        if process.returncode:
            raise GitError(f"git {' '.join(arguments)}: {errors.decode(errors='replace')}")
        return output.decode()

    async def push_files(
        self, owner: str, name: str, files: dict[str, str], *, token: str, folder: Path, branch: str = "main"
    ) -> str:
        """Commit `files` on top of the branch (or as its first commit), push, and return the commit id.

        `folder` is a clone kept between calls; it is made when absent.
        """
        if _is_new(folder):
            await self.git("clone", "--quiet", self.clone_url(owner, name), ".", cwd=folder, token=token)
            if not await self.git("ls-remote", "origin", f"refs/heads/{branch}", cwd=folder, token=token):
                await self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=folder)
            else:
                await self.git("checkout", "--quiet", branch, cwd=folder)
        _write(folder, files)
        await self.git("add", "--all", cwd=folder)
        await self.git("commit", "--quiet", "--message", f"change {', '.join(sorted(files))}", cwd=folder)
        await self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}", cwd=folder, token=token)
        return (await self.git("rev-parse", "HEAD", cwd=folder)).strip()

    def _environment(self, token: str, ssh_key: Path | None) -> dict[str, str]:
        settings = {
            "http.sslCAInfo": str(self.ca_file),
            "user.name": "A Tester",
            "user.email": "tester@example.com",
            "credential.helper": "",
        }
        if token:
            settings["credential.helper"] = '!f() { echo username=x-access-token; echo "password=$FORGE_TOKEN"; }; f'
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "FORGE_TOKEN": token,
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (key, value) in enumerate(settings.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        if ssh_key:
            environment["GIT_SSH_COMMAND"] = (
                f"ssh -F none -i {ssh_key} -o IdentitiesOnly=yes -o BatchMode=yes "
                f"-o UserKnownHostsFile={self.folder / 'known_hosts'} -o StrictHostKeyChecking=accept-new"
            )
        return environment


@asynccontextmanager
async def running_forge(folder: Path, *, options: Sequence[str] = ()) -> AsyncIterator[LocalForge]:
    """Start `python -m fleetloop.local.forge` with its state in `folder` on free ports; stop it at the end.

    Starting again with the same folder finds the state again.
    """
    _is_new(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fleetloop.local.forge", "--dir", str(folder / "forge")),
        *("--ca-cert", str(folder / "ca.pem"), "--ca-key", str(folder / "ca.key")),
        *options,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(START_TIMEOUT):
            line = await process.stdout.readline()
        assert line, "the forge ended before it was ready"
        ready = json.loads(line)
        async with ForgeAdmin(ready["url"], ready["adminToken"], ready["caFile"]) as admin:
            ca_file = Path(ready["caFile"])
            yield LocalForge(folder, ready["url"], ready["apiUrl"], ready["sshUrl"], ca_file, ready["adminToken"], admin)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _is_new(folder: Path) -> bool:
    """Whether `folder` had to be made."""
    if folder.exists():
        return False
    folder.mkdir(parents=True)
    return True


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
