"""What GitHub's answers about pull requests and comments look like. Pure."""

from dataclasses import dataclass
from typing import Any

from ..model import Account, Comment, Pull
from . import shapes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pull request lives: addresses of API, repository (API and web), the repository as shown, its owner."""

    api: str
    url: str
    site: str
    repository: dict[str, Any]
    owner: Account


@dataclass(frozen=True, slots=True)
class Size:
    """How much a pull request changes, and whether it would merge."""

    commits: int
    additions: int
    deletions: int
    files: int
    mergeable: bool | None


def simple_pull(place: Place, pull: Pull, author: Account) -> dict[str, Any]:
    """Schema pull-request-simple."""
    here, html = f"{place.url}/pulls/{pull.number}", f"{place.site}/pull/{pull.number}"
    issue = f"{place.url}/issues/{pull.number}"
    links = {
        "self": here,
        "html": html,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{here}/comments",
        "review_comment": f"{place.url}/pulls/comments{{/number}}",
        "commits": f"{here}/commits",
        "statuses": f"{place.url}/statuses/{pull.head_sha}",
    }
    return {
        "url": here,
        "id": pull.id,
        "node_id": shapes.node_id("PR", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        **{f"{name}_url": links[name] for name in ("commits", "review_comments", "review_comment", "comments", "statuses")},
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": shapes.simple_user(place.api, author),
        "body": pull.body,
        "labels": [],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _side(place, pull.head, pull.head_sha),
        "base": _side(place, pull.base, pull.base_sha),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": "OWNER" if author.login == place.owner.login else "MEMBER",
        "auto_merge": None,
        "draft": pull.draft,
    }


def pull(place: Place, found: Pull, author: Account, merger: Account | None, size: Size, comments: int) -> dict[str, Any]:
    """Schema pull-request."""
    clean = {True: "clean", False: "dirty", None: "unknown"}[size.mergeable]
    return simple_pull(place, found, author) | {
        "merged": found.merged_at is not None,
        "mergeable": size.mergeable,
        "rebaseable": None,
        "mergeable_state": clean,
        "merged_by": shapes.simple_user(place.api, merger) if merger else None,
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": size.commits,
        "additions": size.additions,
        "deletions": size.deletions,
        "changed_files": size.files,
    }


def comment(place: Place, found: Comment, author: Account) -> dict[str, Any]:
    """Schema issue-comment."""
    return {
        "id": found.id,
        "node_id": shapes.node_id("IC", found.id),
        "url": f"{place.url}/issues/comments/{found.id}",
        "html_url": f"{place.site}/pull/{found.issue}#issuecomment-{found.id}",
        "body": found.body,
        "user": shapes.simple_user(place.api, author),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "issue_url": f"{place.url}/issues/{found.issue}",
        "author_association": "OWNER" if author.login == place.owner.login else "MEMBER",
        "performed_via_github_app": None,
    }


def _side(place: Place, branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{place.owner.login}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shapes.simple_user(place.api, place.owner),
        "repo": place.repository,
    }
