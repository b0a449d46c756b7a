"""What webhooks say: GitHub's payloads for a push, a ping and a pull request. Reads git; sends nothing."""

from typing import Any

from .api import pull_shapes, shapes
from .bare_git import BareRepository, Commit, Signature
from .forge import NOTHING, Forge, RefChange
from .model import Account, Hook, Pull, Repository, Role

COMMITS_LISTED = 20  # GitHub lists at most these in a push


async def push_payload(forge: Forge, repository: Repository, actor: str, change: RefChange) -> dict[str, Any]:
    """Schema webhook-push."""
    git, site = forge.git(repository), f"{forge.url}/{repository.full_name}"
    created, deleted = change.before == NOTHING, change.after == NOTHING
    forced = not created and not deleted and not await _continues(git, change)
    new = await _new_commits(git, repository, change)
    head = None if deleted else await git.resolve(change.after)
    head_commit = await _commit(git, site, await git.commit(head)) if head else None
    ends = change.after[:12] if created else f"{change.before[:12]}...{change.after[:12]}"
    pusher = account_of(forge, actor, repository)
    return {
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "repository": _repository(forge, repository),
        "pusher": {"name": pusher.login, "email": pusher.email},
        "sender": shapes.simple_user(f"{forge.url}/api/v3", pusher),
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{site}/compare/{ends}",
        "commits": [await _commit(git, site, one) for one in reversed(new)],
        "head_commit": head_commit,
    }


def ping_payload(forge: Forge, repository: Repository, actor: str, hook: Hook, shown: dict[str, Any]) -> dict[str, Any]:
    sender = shapes.simple_user(f"{forge.url}/api/v3", account_of(forge, actor, repository))
    zen = "Keep it logically awesome."
    return {"zen": zen, "hook_id": hook.id, "hook": shown, "repository": _repository(forge, repository), "sender": sender}


def pull_payload(forge: Forge, repository: Repository, actor: str, pull: Pull, action: str) -> dict[str, Any]:
    api, owner = f"{forge.url}/api/v3", forge.state.accounts[repository.owner.lower()]
    shown, site = _repository(forge, repository), f"{forge.url}/{repository.full_name}"
    place = pull_shapes.Place(api, f"{api}/repos/{repository.full_name}", site, shown, owner)
    author = forge.state.accounts[pull.author.lower()]
    body = pull_shapes.simple_pull(place, pull, author) | {"merged": pull.merged_at is not None}
    sender = shapes.simple_user(api, account_of(forge, actor, repository))
    return {"action": action, "number": pull.number, "pull_request": body, "repository": shown, "sender": sender}


def account_of(forge: Forge, login: str, repository: Repository) -> Account:
    """The actor; a deploy key without a person acts as the repository's owner."""
    return forge.state.account(login) or forge.state.accounts[repository.owner.lower()]


def _repository(forge: Forge, repository: Repository) -> dict[str, Any]:
    owner = forge.state.accounts[repository.owner.lower()]
    return shapes.full_repository(f"{forge.url}/api/v3", forge.ssh_url, repository, owner, Role.NONE)


async def _continues(git: BareRepository, change: RefChange) -> bool:
    before, after = await git.resolve(change.before), await git.resolve(change.after)
    return bool(before and after and await git.is_ancestor(before, after))


async def _new_commits(git: BareRepository, repository: Repository, change: RefChange) -> list[Commit]:
    """Newest first. For a new branch: what the default branch has not."""
    after = await git.resolve(change.after)
    if after is None or not change.ref.startswith("refs/heads/"):
        return []
    if change.before != NOTHING:
        return await git.commits(after, COMMITS_LISTED, exclude=change.before)
    default = await git.resolve(f"refs/heads/{repository.default_branch}")
    exclude = default if default and default != after else ""
    return await git.commits(after, COMMITS_LISTED, exclude=exclude)


async def _commit(git: BareRepository, site: str, found: Commit) -> dict[str, Any]:
    changes = await git.changes(found.sha)
    return {
        "id": found.sha,
        "tree_id": found.tree,
        "distinct": True,
        "message": found.message,
        "timestamp": found.committer.date,
        "url": f"{site}/commit/{found.sha}",
        "author": _person(found.author),
        "committer": _person(found.committer),
        "added": [path for kind, path in changes if kind == "A"],
        "removed": [path for kind, path in changes if kind == "D"],
        "modified": [path for kind, path in changes if kind in {"M", "T"}],
    }


def _person(who: Signature) -> dict[str, str]:
    return {"name": who.name, "email": who.email, "date": who.date}
