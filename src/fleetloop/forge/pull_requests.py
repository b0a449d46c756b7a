"""Pull requests that a machine keeps: one for a branch, up to date, closed when nothing is left to merge. GitHub's API."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fleetloop.forge import calls
from fleetloop.forge.forge import Change
from fleetloop.forge.http import Http


@dataclass(frozen=True, slots=True)
class PullRequest:
    """`head` and `base`: branches of the same repository."""

    owner: str
    repository: str
    head: str
    base: str

    @property
    def path(self) -> str:
        return f"/repos/{quote(self.owner)}/{quote(self.repository)}/pulls"


async def ensure_pull_request(http: Http, wanted: PullRequest, sha: str, title: str, body: str) -> Change[int]:
    """The number of the open one. Who closed one of the same commit `sha` did not want it: it stays closed. Raises ForgeError."""
    text = {"title": title, "body": body}
    newest = await _newest(http, wanted)
    if newest is None or (newest["state"] != "open" and newest["head"]["sha"] != sha):
        made = await calls.write(http, "POST", wanted.path, text | {"head": wanted.head, "base": wanted.base})
        return Change(int(made["number"]), "created")
    number = int(newest["number"])
    if newest["state"] != "open" or (newest["title"], newest["body"] or "") == (title, body):
        return Change(number, "unchanged")
    await calls.write(http, "PATCH", f"{wanted.path}/{number}", text)
    return Change(number, "changed")


async def close_pull_request(http: Http, obsolete: PullRequest) -> int | None:
    """The number of the one that was open. Raises ForgeError."""
    newest = await _newest(http, obsolete)
    if newest is None or newest["state"] != "open":
        return None
    await calls.write(http, "PATCH", f"{obsolete.path}/{newest['number']}", {"state": "closed"})
    return int(newest["number"])


async def _newest(http: Http, wanted: PullRequest) -> dict[str, Any] | None:
    head = quote(f"{wanted.owner}:{wanted.head}", safe="")
    found = await calls.get(http, f"{wanted.path}?state=all&head={head}&base={quote(wanted.base, safe='')}")
    return found[0] if found else None
