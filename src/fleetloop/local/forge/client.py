"""`ForgeAdmin`: sets a running forge up and looks into it, for the supervisor of `fleetloop local`, the demo and tests."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

TIMEOUT = aiohttp.ClientTimeout(total=60.0)  # seconds


class AdminRefused(Exception):
    """The forge answered a set-up request with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"forge answered {status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit; dates are RFC 3339."""

    sha: str
    parents: tuple[str, ...]
    message: str
    author_name: str
    author_email: str
    author_date: str
    committer_name: str
    committer_email: str


class ForgeAdmin:
    """The admin API of one forge. An async context manager; every method raises AdminRefused.

    Making is repeatable: what exists already is left, and returned.
    """

    def __init__(self, url: str, admin_token: str, ca_file: Path | str) -> None:
        self._base = URL(url)
        self._token = admin_token
        self._ca_file = str(ca_file)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._ca_file)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=TIMEOUT,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    # -- set-up

    async def create_user(self, login: str, name: str = "", email: str = "") -> None:
        await self._send("POST", "users", {"login": login, "name": name, "email": email})

    async def create_org(
        self, login: str, owners: Sequence[str] = (), members: Sequence[str] = (), base_role: str | None = None
    ) -> None:
        """`base_role`: what members may do with every repository: none, pull (at first), push, admin."""
        body = {"login": login, "owners": list(owners), "members": list(members), "base_role": base_role}
        await self._send("POST", "orgs", body)

    async def create_team(self, org: str, name: str, members: Sequence[str] = ()) -> str:
        """Returns the slug."""
        made = await self._send("POST", f"orgs/{org}/teams", {"name": name, "members": list(members)})
        return str(made["slug"])

    async def create_token(
        self,
        user: str,
        permissions: Mapping[str, str],
        owner: str = "",
        repositories: Sequence[str] | None = None,
        expires_in: float | None = None,
    ) -> str:
        """A fine-grained token for `owner`'s repositories (default: the user's own); None means all of them.

        `permissions`: administration, contents, issues, metadata, pull_requests, statuses, webhooks, members -> read or
        write. `expires_in` is seconds.
        """
        named = None if repositories is None else list(repositories)
        body = {"user": user, "permissions": dict(permissions), "owner": owner, "repositories": named}
        return str((await self._send("POST", "tokens", body | {"expires_in": expires_in}))["token"])

    async def create_classic_token(self, user: str, scopes: Sequence[str] = ("repo",)) -> str:
        return str((await self._send("POST", "tokens", {"user": user, "scopes": list(scopes)}))["token"])

    async def revoke_token(self, token: str) -> None:
        await self._send("DELETE", "tokens", {"token": token})

    async def create_repository(
        self, owner: str, name: str, private: bool = True, default_branch: str = "main"
    ) -> dict[str, Any]:
        """An empty repository; returns what `repository` returns."""
        body = {"owner": owner, "name": name, "private": private, "default_branch": default_branch}
        return dict(await self._send("POST", "repos", body))

    async def add_user_key(self, login: str, public_key: str, title: str = "") -> None:
        await self._send("POST", f"users/{login}/keys", {"key": public_key, "title": title})

    async def set_collaborator(self, owner: str, name: str, login: str, role: str) -> None:
        """`role`: pull, triage, push, maintain, admin."""
        await self._send("PUT", f"repos/{owner}/{name}/collaborators/{login}", {"permission": role})

    async def protect_branches(self, owner: str, name: str, branches: Sequence[str]) -> None:
        """Refuse direct pushes to these branches (only these; none lifts all)."""
        await self._send("PUT", f"repos/{owner}/{name}/protected", {"branches": list(branches)})

    async def create_hook(self, owner: str, name: str, url: str, secret: str = "", events: Sequence[str] = ("push",)) -> int:
        config = {"url": url, "content_type": "json", "secret": secret}
        made = await self._send("POST", f"repos/{owner}/{name}/hooks", {"config": config, "events": list(events)})
        return int(made["id"])

    # -- inspection

    async def repository(self, owner: str, name: str) -> dict[str, Any]:
        """State of a repository: default_branch, private, refs, branches, keys, statuses, hooks, teams, pulls, ..."""
        return dict(await self._send("GET", f"repos/{owner}/{name}"))

    async def keys(self, owner: str, name: str) -> list[dict[str, Any]]:
        """Deploy keys: id, title, key, read_only."""
        return list((await self.repository(owner, name))["keys"])

    async def statuses(self, owner: str, name: str) -> list[dict[str, Any]]:
        """Commit statuses, oldest first: sha, state, context, description, target_url, creator."""
        return list((await self.repository(owner, name))["statuses"])

    async def commits(self, owner: str, name: str, ref: str = "") -> list[CommitInfo]:
        """History of a branch, tag or commit (default branch if empty), newest first."""
        found = await self._send("GET", f"repos/{owner}/{name}/commits", params={"ref": ref})
        return [
            CommitInfo(
                one["sha"],
                tuple(one["parents"]),
                one["message"],
                one["author"]["name"],
                one["author"]["email"],
                one["author"]["date"],
                one["committer"]["name"],
                one["committer"]["email"],
            )
            for one in found
        ]

    async def raw_commit(self, owner: str, name: str, ref: str = "") -> bytes:
        """The commit object as git stores it, with its signature."""
        return await self._read(f"repos/{owner}/{name}/commit", {"ref": ref})

    async def files(self, owner: str, name: str, ref: str = "") -> list[str]:
        """Paths of all files at a revision; empty for an empty repository."""
        return list(await self._send("GET", f"repos/{owner}/{name}/files", params={"ref": ref}))

    async def file(self, owner: str, name: str, path: str, ref: str = "") -> bytes:
        return await self._read(f"repos/{owner}/{name}/files/{path}", {"ref": ref})

    async def requests(self) -> list[dict[str, Any]]:
        """The last requests, oldest first: time, method, path, query, status, user, accept."""
        return list(await self._send("GET", "requests"))

    async def until_requested(self, prefix: str) -> None:
        """Return when a request to a path that begins with `prefix` has been answered and is remembered."""
        await self._send("GET", "requests/awaited", params={"prefix": prefix})

    async def forget_requests(self) -> None:
        await self._send("DELETE", "requests")

    # -- trouble

    async def hang(self, prefix: str = "/", count: int = 1, method: str = "") -> None:
        """The next `count` requests to paths that begin with `prefix` get no answer until `lift_faults`."""
        await self._send("POST", "faults", {"action": "hang", "prefix": prefix, "count": count, "method": method})

    async def cut(self, prefix: str = "/", count: int = 1, method: str = "") -> None:
        """The next `count` requests lose their connection."""
        await self._send("POST", "faults", {"action": "cut", "prefix": prefix, "count": count, "method": method})

    async def refuse(self, status: int, prefix: str = "/", count: int = 1, method: str = "", message: str = "refused") -> None:
        """The next `count` requests are answered with `status`."""
        body = {"action": "status", "prefix": prefix, "count": count, "method": method}
        await self._send("POST", "faults", body | {"status": status, "message": message})

    async def until_hanging(self, count: int = 1) -> None:
        """Return when so many requests hang."""
        await self._send("GET", "faults/hanging", params={"count": str(count)})

    async def lift_faults(self) -> None:
        await self._send("DELETE", "faults")

    async def _send(self, method: str, path: str, body: object = None, params: Mapping[str, str] | None = None) -> Any:
        url = self._base / "admin" / path
        async with self._session.request(method, url, json=body, params=params) as response:
            if response.status >= 400:
                raise AdminRefused(response.status, await response.text())
            return None if response.status == 204 else await response.json()

    async def _read(self, path: str, params: Mapping[str, str]) -> bytes:
        async with self._session.get(self._base / "admin" / path, params=params) as response:
            content = await response.read()
            if response.status >= 400:
                raise AdminRefused(response.status, content.decode(errors="replace"))
            return content
