"""One forge process for this folder's tests; each test gets people, an organisation and a repository of its own."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncssh
import pytest
import pytest_asyncio

from tests.kit.forge import LocalForge, running_forge
from tests.kit.github_api import GitHubApi

EVERYTHING = {
    "administration": "write",
    "contents": "write",
    "issues": "write",
    "members": "read",
    "pull_requests": "write",
    "statuses": "write",
    "webhooks": "write",
}


def new_key(folder: Path, name: str) -> tuple[Path, str]:
    """(private key file, public key line)."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="a test")
    file = folder / name
    file.write_bytes(key.export_private_key())
    file.chmod(0o600)
    return file, key.export_public_key().decode()


@dataclass(frozen=True, slots=True)
class Scene:
    """An organisation with an owner, a member and an outsider, and its private repository `fleet`."""

    forge: LocalForge
    session: aiohttp.ClientSession
    org: str
    owner: str
    member: str
    outsider: str
    folder: Path
    repo: str = "fleet"

    @property
    def target(self) -> dict[str, str]:
        return {"owner": self.org, "repo": self.repo}

    async def token(self, user: str = "", /, **permissions: str) -> str:
        """A fine-grained token for the organisation's repositories, of its owner if nobody else is named."""
        return await self.forge.admin.create_token(user or self.owner, permissions or EVERYTHING, self.org)

    async def limited_token(self, *repositories: str) -> str:
        """A token that may do everything with these repositories."""
        return await self.forge.admin.create_token(self.owner, EVERYTHING, self.org, repositories)

    def api(self, token: str = "") -> GitHubApi:
        return GitHubApi(self.session, self.forge.api_url, token)

    async def full_api(self) -> GitHubApi:
        return self.api(await self.token())

    async def deploy_key(self, title: str, *, read_only: bool) -> Path:
        """Attach a new key to the repository and return the file of its private half."""
        file, public = await asyncio.to_thread(new_key, self.folder, title)
        api = await self.full_api()
        wish = {"title": title, "key": public, "read_only": read_only}
        made = await api("POST", "/repos/{owner}/{repo}/keys", wish, **self.target)
        assert made.status == 201
        return file

    async def push(self, files: dict[str, str], branch: str = "main", work: str = "work") -> str:
        """Commit and push files as the owner; returns the commit id."""
        token = await self.token(contents="write")
        where = self.folder / work
        return await self.forge.push_files(self.org, self.repo, files, token=token, folder=where, branch=branch)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalForge]:
    async with running_forge(tmp_path_factory.mktemp("forge")) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def session(forge: LocalForge) -> AsyncIterator[aiohttp.ClientSession]:
    trust = ssl.create_default_context(cafile=forge.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as opened:
        yield opened


@pytest.fixture(scope="package")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def scene(forge: LocalForge, session: aiohttp.ClientSession, numbers: Iterator[int], tmp_path: Path) -> Scene:
    number = next(numbers)
    made = Scene(forge, session, f"acme{number}", f"ann{number}", f"bob{number}", f"eve{number}", tmp_path)
    for login in (made.owner, made.member, made.outsider):
        await forge.admin.create_user(login, email=f"{login}@example.com")
    await forge.admin.create_org(made.org, owners=[made.owner], members=[made.member])
    await forge.admin.create_repository(made.org, made.repo)
    return made
