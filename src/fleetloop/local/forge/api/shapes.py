"""What GitHub's answers look like: accounts, repositories, keys, teams. Pure, and only shape; nobody decides here."""

from typing import Any

from ..model import Account, PublicKey, Repository, Role, Team

PERMISSIONS = {
    "pull": Role.PULL,
    "triage": Role.TRIAGE,
    "push": Role.PUSH,
    "maintain": Role.MAINTAIN,
    "admin": Role.ADMIN,
}


PRIVATE_FIELDS = frozenset(
    {
        "collaborators",
        "disk_usage",
        "owned_private_repos",
        "private_gists",
        "total_private_repos",
        "two_factor_authentication",
    }
)


def node_id(kind: str, number: int) -> str:
    return f"{kind}_{number}"


def simple_user(api: str, account: Account) -> dict[str, Any]:
    """Schema simple-user."""
    site, url = api.removesuffix("/api/v3"), f"{api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("U" if account.type == "User" else "O", account.id),
        "avatar_url": f"{site}/avatars/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{site}/{account.login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": account.type,
        "site_admin": False,
    }


def private_user(api: str, account: Account, public: int, private: int) -> dict[str, Any]:
    """Schema private-user; `public` and `private` count repositories."""
    return simple_user(api, account) | {
        "name": account.name,
        "company": None,
        "blog": None,
        "location": None,
        "email": account.email,
        "hireable": None,
        "bio": None,
        "public_repos": public,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": account.created_at,
        "updated_at": account.created_at,
        "private_gists": 0,
        "total_private_repos": private,
        "owned_private_repos": private,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": True,
    }


def organization(api: str, account: Account, public: int) -> dict[str, Any]:
    """Schema organization-full."""
    site, url = api.removesuffix("/api/v3"), f"{api}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("O", account.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{site}/avatars/{account.id}",
        "description": None,
        "name": account.name,
        "has_organization_projects": False,
        "has_repository_projects": False,
        "public_repos": public,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "html_url": f"{site}/{account.login}",
        "type": "Organization",
        "created_at": account.created_at,
        "updated_at": account.created_at,
        "archived_at": None,
    }


def permissions(role: Role) -> dict[str, bool]:
    return {word: role >= level for word, level in PERMISSIONS.items()}


def minimal_repository(api: str, repository: Repository, owner: Account) -> dict[str, Any]:
    """Schema minimal-repository: names and addresses."""
    site, url = api.removesuffix("/api/v3"), f"{api}/repos/{repository.full_name}"
    addresses = {
        f"{name}_url": f"{url}/{path}"
        for name, path in {
            "archive": "{archive_format}{/ref}",
            "assignees": "assignees{/user}",
            "blobs": "git/blobs{/sha}",
            "branches": "branches{/branch}",
            "collaborators": "collaborators{/collaborator}",
            "comments": "comments{/number}",
            "commits": "commits{/sha}",
            "compare": "compare/{base}...{head}",
            "contents": "contents/{+path}",
            "contributors": "contributors",
            "deployments": "deployments",
            "downloads": "downloads",
            "events": "events",
            "forks": "forks",
            "git_commits": "git/commits{/sha}",
            "git_refs": "git/refs{/sha}",
            "git_tags": "git/tags{/sha}",
            "hooks": "hooks",
            "issue_comment": "issues/comments{/number}",
            "issue_events": "issues/events{/number}",
            "issues": "issues{/number}",
            "keys": "keys{/key_id}",
            "labels": "labels{/name}",
            "languages": "languages",
            "merges": "merges",
            "milestones": "milestones{/number}",
            "notifications": "notifications{?since,all,participating}",
            "pulls": "pulls{/number}",
            "releases": "releases{/id}",
            "stargazers": "stargazers",
            "statuses": "statuses/{sha}",
            "subscribers": "subscribers",
            "subscription": "subscription",
            "tags": "tags",
            "teams": "teams",
            "trees": "git/trees{/sha}",
        }.items()
    }
    return {
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": simple_user(api, owner),
        "html_url": f"{site}/{repository.full_name}",
        "description": repository.description,
        "fork": False,
        "url": url,
        **addresses,
    }


def full_repository(
    api: str, ssh: str, repository: Repository, owner: Account, role: Role, role_name: str = ""
) -> dict[str, Any]:
    """Schemas full-repository, repository and team-repository. `ssh` is the base `ssh://git@host:port`."""
    site = api.removesuffix("/api/v3")
    open_pulls = sum(pull.state == "open" for pull in repository.pulls)
    counts = dict.fromkeys(
        ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "network_count", "subscribers_count"), 0
    )
    abilities = dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions"), False)
    return minimal_repository(api, repository, owner) | {
        **counts,
        **abilities,
        "has_downloads": False,
        "clone_url": f"{site}/{repository.full_name}.git",
        "git_url": f"git://{site.removeprefix('https://')}/{repository.full_name}.git",
        "ssh_url": f"{ssh}/{repository.full_name}.git",
        "svn_url": f"{site}/{repository.full_name}",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "size": 0,
        "default_branch": repository.default_branch,
        "visibility": "private" if repository.private else "public",
        "open_issues": open_pulls,
        "open_issues_count": open_pulls,
        "archived": repository.archived,
        "disabled": False,
        "license": None,
        "is_template": False,
        "topics": [],
        "pushed_at": repository.pushed_at,
        "created_at": repository.created_at,
        "updated_at": repository.updated_at,
        "permissions": permissions(role),
        **({"role_name": role_name} if role_name else {}),
    }


def deploy_key(url: str, key: PublicKey) -> dict[str, Any]:
    """Schema deploy-key; `url` is the repository's."""
    return {
        "id": key.id,
        "key": key.key,
        "url": f"{url}/keys/{key.id}",
        "title": key.title,
        "verified": True,
        "created_at": key.created_at,
        "read_only": key.read_only,
        "added_by": key.added_by,
        "last_used": None,
        "enabled": True,
    }


def team(api: str, found: Team, owner: Account, repositories: int) -> dict[str, Any]:
    """Schema team-full; `repositories` counts those it was granted."""
    url = f"{api}/organizations/{owner.id}/team/{found.id}"
    return {
        "id": found.id,
        "node_id": node_id("T", found.id),
        "url": url,
        "html_url": f"{api.removesuffix('/api/v3')}/orgs/{owner.login}/teams/{found.slug}",
        "name": found.name,
        "slug": found.slug,
        "description": found.description,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": found.permission,
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "type": "organization",
        "parent": None,
        "members_count": len(found.members),
        "repos_count": repositories,
        "created_at": found.created_at,
        "updated_at": found.created_at,
        "organization": organization(api, owner, 0),
    }
