"""The forge itself: its state, its bare repositories, who a credential stands for, and what follows a push.

No HTTP and no SSH here; `api`, `smart_http`, `ssh` and `admin` are the doors.
"""

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from . import names
from .access import Caller
from .bare_git import BareRepository
from .model import Account, AccountType, Hook, PublicKey, Pull, Repository, Team, Token
from .store import Store, replace_file

NOTHING = "0" * 40  # how git writes "no object"
STATUSES_KEPT = 2000  # a repository; the oldest go first


class Exists(Exception):
    """The name or key is taken."""


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref moved from `before` to `after`; NOTHING stands for absence."""

    ref: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DeployKey:
    """What an SSH key attached to a repository may reach."""

    repository: Repository
    key: PublicKey


class Listener(Protocol):
    """Hears of what happened in a repository; webhooks are one."""

    async def pushed(self, repository: Repository, actor: str, change: RefChange) -> None: ...

    async def pinged(self, repository: Repository, actor: str, hook: Hook) -> None: ...

    async def pull_changed(self, repository: Repository, actor: str, pull: Pull, action: str) -> None: ...


class Forge:
    """One forge in one folder. `url` and `ssh_url` have no slash at the end."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self.clock = clock
        self.store = Store(folder / "state.json")
        self.state = self.store.state
        self.admin_token = _kept_secret(folder / "admin-token")
        self.url = self.ssh_url = ""  # known once the ports are bound
        self.listener: Listener | None = None
        self._refs: dict[int, dict[str, str]] = {}  # repository id -> refs already told to the listener
        self._ref_locks: dict[int, asyncio.Lock] = {}

    def now(self) -> str:
        """The time as GitHub writes it."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def save(self) -> None:
        await self.store.save()

    # -- accounts and credentials

    def ensure_account(self, login: str, kind: AccountType, name: str = "", email: str = "") -> Account:
        """The account called `login`, made if absent; raises Exists when it is of the other kind."""
        names.owner_name(login)
        if found := self.state.account(login):
            if found.type != kind:
                raise Exists(f"account {login} is a {found.type}")
            return found
        email = email or f"{login}@users.noreply.localhost"
        account = Account(self.state.new_id(), login, kind, name or login, email, self.now())
        self.state.accounts[login.lower()] = account
        return account

    def ensure_team(self, organization: Account, name: str, permission: str, description: str = "") -> Team:
        slug = names.slug_of(name)
        found = self.state.team(organization.login, slug)
        if found:
            return found
        team = Team(self.state.new_id(), organization.login, slug, name, description, permission, self.now())
        self.state.teams[f"{organization.login}/{slug}".lower()] = team
        return team

    def issue_token(self, token: Token) -> str:
        """Register `token` under a new random secret and return the secret; it is not kept."""
        secret = ("github_pat_" if token.owner else "ghp_") + secrets.token_urlsafe(30).replace("-", "0").replace("_", "1")
        self.state.tokens[_digest(secret)] = token
        return secret

    def revoke_token(self, secret: str) -> None:
        self.state.tokens.pop(_digest(secret), None)

    def caller_of_token(self, secret: str) -> Caller | None:
        """Whom a token stands for; None for an unknown or expired one."""
        token = self.state.tokens.get(_digest(secret))
        if token is None or (token.expires_at and token.expires_at <= self.now()):
            return None
        account = self.state.account(token.user)
        return Caller(account, token) if account else None

    def expiry(self, seconds: float | None) -> str | None:
        if seconds is None:
            return None
        return (self.clock().astimezone(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def owner_of_key(self, key: str) -> Caller | DeployKey | None:
        """Whom an SSH key (`type base64`) stands for."""
        for account in self.state.accounts.values():
            if any(held.key == key for held in account.keys):
                return Caller(account, None)
        for repository in self.state.repositories.values():
            for held in repository.keys:
                if held.key == key:
                    return DeployKey(repository, held)
        return None

    # -- repositories

    def git(self, repository: Repository) -> BareRepository:
        """The bare repository; its folder is named by id, so no name from outside becomes a path."""
        return BareRepository(self.folder / "repositories" / f"{repository.id}.git")

    async def create_repository(
        self, owner: Account, name: str, private: bool, description: str | None = None, default_branch: str = "main"
    ) -> Repository:
        """An empty repository; raises Exists, BadName. Not saved yet."""
        names.repository_name(name)
        names.ref_name(default_branch)
        if self.state.repository(owner.login, name):
            raise Exists(f"repository {owner.login}/{name} exists")
        now = self.now()
        repository = Repository(self.state.new_id(), owner.login, name, private, description, default_branch, now, now, now)
        name_key, path = repository.full_name.lower(), self.git(repository).path
        with ExitStack() as undo:
            self.state.repositories[name_key] = repository
            undo.callback(self.state.repositories.pop, name_key, None)
            await BareRepository.create(path, default_branch)
            undo.pop_all()
        return repository

    async def delete_repository(self, repository: Repository) -> None:
        del self.state.repositories[repository.full_name.lower()]
        self._refs.pop(repository.id, None)
        self._ref_locks.pop(repository.id, None)
        await self.save()
        await asyncio.to_thread(shutil.rmtree, self.git(repository).path, ignore_errors=True)

    async def rename_repository(self, repository: Repository, name: str) -> None:
        """Raises Exists, BadName. Not saved yet."""
        names.repository_name(name)
        holder = self.state.repository(repository.owner, name)
        if holder is not None and holder is not repository:
            raise Exists(f"repository {repository.owner}/{name} exists")
        del self.state.repositories[repository.full_name.lower()]
        repository.name = name
        self.state.repositories[repository.full_name.lower()] = repository

    # -- what follows a change of refs

    async def recover(self) -> None:
        """To be called once before serving: catches up on what a crash cut off, and notes where all refs stand."""
        await asyncio.to_thread(_sweep, self.folder / "repositories", {one.id for one in self.state.repositories.values()})
        for repository in self.state.repositories.values():
            self._refs[repository.id] = refs = await self.git(repository).refs()
            await self._follow(repository, refs)

    async def refs_changed(self, repository: Repository, actor: str) -> None:
        """Compare refs with what was last told and tell the difference, each change once. Call after every write."""
        if self.state.repositories.get(repository.full_name.lower()) is not repository:
            return  # deleted meanwhile
        async with self._ref_locks.setdefault(repository.id, asyncio.Lock()):
            before = self._refs.get(repository.id, {})
            after = await self.git(repository).refs()
            self._refs[repository.id] = after
        changes = [
            RefChange(ref, before.get(ref, NOTHING), after.get(ref, NOTHING))
            for ref in sorted(before.keys() | after.keys())
            if before.get(ref) != after.get(ref)
        ]
        if not changes:
            return
        repository.pushed_at = repository.updated_at = self.now()
        await self._follow(repository, after)
        await self.save()
        for change in changes:
            if self.listener:
                await self.listener.pushed(repository, actor, change)

    async def _follow(self, repository: Repository, refs: dict[str, str]) -> None:
        """What depends on refs: open pull requests, and the default branch of a repository that was empty (GitHub does so)."""
        for pull in repository.pulls:
            sha = refs.get(f"refs/heads/{pull.head}", pull.head_sha)
            if pull.state == "open" and sha != pull.head_sha:
                pull.head_sha, pull.updated_at = sha, self.now()
        branches = [ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")]
        if branches and repository.default_branch not in branches:
            repository.default_branch = branches[0]
            await self.git(repository).set_default_branch(branches[0])


def _sweep(folder: Path, ids: set[int]) -> None:
    """Remove folders that belong to no repository. Blocking."""
    for path in folder.glob("*.git"):
        if path.stem not in {str(number) for number in ids}:
            shutil.rmtree(path, ignore_errors=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kept_secret(file: Path) -> str:
    if not file.exists():
        replace_file(file, secrets.token_urlsafe(30).encode())
    return file.read_text().strip()
