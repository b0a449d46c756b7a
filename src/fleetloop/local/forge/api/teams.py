"""Teams of an organisation, and what they may do with its repositories."""

import msgspec
from aiohttp import web

from ..access import has_scope, holds_for_organization, need
from ..model import ROLES, Role, Team
from . import problems, shapes
from .call import OrganizationCall, answer, authorised_repository, nothing, organization_route, page

WITH_PERMISSIONS = "application/vnd.github.v3.repository+json"
REPOSITORY_READ = need(("members", "read"), ("metadata", "read"), role=Role.PULL)
REPOSITORY_GRANT = need(("members", "read"), ("administration", "write"), role=Role.ADMIN)
MEMBERS_READ = "members=read"
ROLE_NAMES = {"pull": "read", "push": "write"}  # role_name's words for them; the others are the same


class Grant(msgspec.Struct):
    permission: str = ""


async def get_team(call: OrganizationCall) -> web.Response:
    found = _team(call)
    granted = sum(
        found.slug in repository.teams and repository.owner == call.organization.login
        for repository in call.forge.state.repositories.values()
    )
    return answer(shapes.team(call.api, found, call.organization, granted), headers=_accepted(MEMBERS_READ))


async def list_teams(call: OrganizationCall) -> web.Response:
    _require_member(call)
    teams = [team for team in call.forge.state.teams.values() if team.organization == call.organization.login]
    return page(call, teams, lambda team: _simple(call, team))


async def check_grant(call: OrganizationCall) -> web.Response:
    """204 when the team was granted the repository, or the repository itself for the special accept type; else 404."""
    team = _team(call)
    repository = authorised_repository(call, REPOSITORY_READ)
    role = repository.teams.get(team.slug)
    if role is None or repository.owner != call.organization.login:
        raise problems.not_found("/teams/teams#check-team-permissions-for-a-repository")
    if WITH_PERMISSIONS not in call.request.headers.get("Accept", ""):
        return nothing()
    shown = shapes.full_repository(
        call.api, call.forge.ssh_url, repository, call.organization, ROLES[role], ROLE_NAMES.get(role, role)
    )
    return answer(shown, headers=_accepted(REPOSITORY_READ.header))


async def grant(call: OrganizationCall) -> web.Response:
    """GitHub: the caller must administer the repository and see the team; without a permission the team's own is meant."""
    team = _team(call)
    repository = authorised_repository(call, REPOSITORY_GRANT)
    _require_scope(call)
    wish = await call.body(Grant)
    permission = wish.permission or team.permission
    if repository.owner != call.organization.login:
        raise problems.invalid("TeamMember", "repository", "unowned")
    if permission not in ROLES:
        raise problems.invalid("TeamRepository", "permission", "invalid", f"{permission[:50]} is not a known role")
    repository.teams[team.slug] = permission
    await call.forge.save()
    return nothing()


async def withdraw(call: OrganizationCall) -> web.Response:
    team = _team(call)
    repository = authorised_repository(call, REPOSITORY_GRANT)
    _require_scope(call)
    repository.teams.pop(team.slug, None)
    await call.forge.save()
    return nothing()


def _team(call: OrganizationCall) -> Team:
    """The team that the path names, for those who may see it."""
    _require_member(call)
    team = call.forge.state.team(call.organization.login, call.part("team_slug"))
    if team is None:
        raise problems.not_found("/teams/teams")
    return team


def _require_member(call: OrganizationCall) -> None:
    """Teams are shown to members of the organisation, with members:read or a scope that reads organisations."""
    caller = call.caller
    if caller is None:
        raise problems.requires_authentication()
    if caller.account.login not in call.organization.members:
        raise problems.not_found("/teams/teams")
    token = caller.token
    if token is None:
        return
    if token.owner and not holds_for_organization(token, call.organization.login, "members", "read"):
        raise problems.token_lacks(MEMBERS_READ)
    if not token.owner and not (has_scope(token, "read:org") or has_scope(token, "repo")):
        headers = {"X-Accepted-OAuth-Scopes": "admin:org, read:org, repo, user, write:org"}
        raise problems.Problem(404, "Not Found", headers=headers)


def _require_scope(call: OrganizationCall) -> None:
    """A classic token needs admin:org besides repo to change what a team may do."""
    token = call.caller.token if call.caller else None
    if token and not token.owner and not has_scope(token, "admin:org"):
        raise problems.Problem(404, "Not Found", headers={"X-Accepted-OAuth-Scopes": "admin:org, repo"})


def _simple(call: OrganizationCall, team: Team) -> dict[str, object]:
    """Schema team."""
    full = shapes.team(call.api, team, call.organization, 0)
    left_out = {"members_count", "repos_count", "created_at", "updated_at", "organization"}
    return {name: value for name, value in full.items() if name not in left_out}


def _accepted(header: str) -> dict[str, str]:
    return {"X-Accepted-GitHub-Permissions": header}


ROUTES = [
    organization_route("GET", "/teams", list_teams),
    organization_route("GET", "/teams/{team_slug}", get_team),
    organization_route("GET", "/teams/{team_slug}/repos/{owner}/{repo}", check_grant),
    organization_route("PUT", "/teams/{team_slug}/repos/{owner}/{repo}", grant),
    organization_route("DELETE", "/teams/{team_slug}/repos/{owner}/{repo}", withdraw),
]
