"""Who is refused what, and how: the answers a preflight reads to name a missing right before it writes anything."""

import pytest

from tests.contract.local_forge.conftest import EVERYTHING, Scene

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"
UNKNOWN_SHA = "0123456789" * 4

# what is asked, with which body, the permission that is needed, the status for those who have it
PROBES = [
    ("GET", REPO, None, {"metadata": "read"}, 200),
    ("PATCH", REPO, {}, {"administration": "write"}, 200),
    ("GET", REPO + "/keys", None, {"administration": "read"}, 200),
    ("POST", REPO + "/keys", {}, {"administration": "write"}, 422),
    ("GET", REPO + "/branches", None, {"contents": "read"}, 200),
    ("GET", REPO + "/contents/{path}", None, {"contents": "read"}, 404),
    ("PUT", REPO + "/contents/{path}", {}, {"contents": "write"}, 422),
    ("POST", REPO + "/git/refs", {}, {"contents": "write"}, 422),
    ("POST", REPO + "/merges", {}, {"contents": "write"}, 422),
    ("POST", REPO + "/statuses/{sha}", {"state": "success"}, {"statuses": "write"}, 422),
    ("GET", REPO + "/pulls", None, {"pull_requests": "read"}, 200),
    ("POST", REPO + "/pulls", {}, {"pull_requests": "write"}, 422),
    ("GET", REPO + "/hooks", None, {"webhooks": "read"}, 200),
    ("POST", REPO + "/hooks", {}, {"webhooks": "write"}, 422),
]
NAMES = [f"{method} {path.removeprefix(REPO)}" for method, path, *_ in PROBES]


def other_permissions(needed: dict[str, str]) -> dict[str, str]:
    """Everything but what is needed; for a needed write, its read."""
    others = {name: level for name, level in EVERYTHING.items() if name not in needed}
    return others | {name: "read" for name, level in needed.items() if level == "write"}


@pytest.mark.parametrize(("method", "path", "body", "needed", "status"), PROBES, ids=NAMES)
async def test_permission_is_enough_and_is_needed(
    scene: Scene, method: str, path: str, body: object, needed: dict[str, str], status: int
) -> None:
    """A request that fails validation (422) has passed authorisation; a 403 has not, and names the right."""
    parts = {**scene.target, "sha": UNKNOWN_SHA, "path": "probe"}
    parts = {name: value for name, value in parts.items() if "{" + name + "}" in path}
    allowed = await scene.api(await scene.token(**needed))(method, path, body, **parts)
    assert allowed.status == status
    if needed == {"metadata": "read"}:
        return  # any other permission includes it
    refused = await scene.api(await scene.token(**other_permissions(needed)))(method, path, body, **parts)
    assert (refused.status, refused.body["message"]) == (403, "Resource not accessible by personal access token")
    assert refused.accepted == ",".join(f"{name}={level}" for name, level in needed.items())
    assert refused.body["documentation_url"].startswith("https://docs.github.com/")


@pytest.mark.parametrize(("method", "path", "body", "needed", "status"), PROBES, ids=NAMES)
async def test_private_repository_is_invisible_to_others(
    scene: Scene, method: str, path: str, body: object, needed: dict[str, str], status: int
) -> None:
    """BS12: 404 for the outsider, for the token that covers other repositories, for nobody at all."""
    parts = {**scene.target, "sha": UNKNOWN_SHA, "path": "probe"}
    parts = {name: value for name, value in parts.items() if "{" + name + "}" in path}
    outsider = await scene.forge.admin.create_token(scene.outsider, EVERYTHING, scene.org)
    elsewhere = await scene.limited_token("another")
    public_only = await scene.forge.admin.create_classic_token(scene.owner, ["public_repo"])
    for token in (outsider, elsewhere, public_only, ""):
        assert (await scene.api(token)(method, path, body, **parts)).status == 404


async def test_token_may_be_limited_to_named_repositories(scene: Scene) -> None:
    await scene.forge.admin.create_repository(scene.org, "other")
    api = scene.api(await scene.limited_token("Fleet"))
    assert (await api("GET", REPO, **scene.target)).status == 200
    assert (await api("GET", REPO, owner=scene.org, repo="other")).status == 404


@pytest.mark.parametrize("change", ["administration=read", "repositories=[]", "owner=self"])
async def test_creation_in_an_organisation_needs_its_administration(scene: Scene, change: str) -> None:
    admin = scene.forge.admin
    tokens = {
        "administration=read": admin.create_token(scene.owner, {"administration": "read"}, scene.org),
        "repositories=[]": admin.create_token(scene.owner, {"administration": "write"}, scene.org, ["fleet"]),
        "owner=self": admin.create_token(scene.owner, {"administration": "write"}),
    }
    chosen = [await token for token in tokens.values()][list(tokens).index(change)]
    made = await scene.api(chosen)("POST", "/orgs/{org}/repos", {"name": "new"}, org=scene.org)
    assert (made.status, made.accepted) == (403, "administration=write")


async def test_creation_by_members_and_outsiders(scene: Scene) -> None:
    for login, status in ((scene.member, 201), (scene.outsider, 403)):
        api = scene.api(await scene.forge.admin.create_classic_token(login, ["repo"]))
        made = await api("POST", "/orgs/{org}/repos", {"name": f"by-{login}"}, org=scene.org)
        assert made.status == status


async def test_member_without_the_role_is_refused_whatever_the_token_says(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    api = scene.api(await scene.token(scene.member))
    assert (await api("GET", REPO, **scene.target)).status == 200
    keys = await api("GET", REPO + "/keys", **scene.target)
    assert (keys.status, keys.body["message"]) == (403, "Must have admin rights to Repository.")
    assert (await api("POST", REPO + "/statuses/{sha}", {"state": "success"}, sha=sha, **scene.target)).status == 404
    await scene.forge.admin.set_collaborator(scene.org, scene.repo, scene.member, "push")
    assert (await api("POST", REPO + "/statuses/{sha}", {"state": "success"}, sha=sha, **scene.target)).status == 201


async def test_base_role_none_hides_private_repositories_from_members(scene: Scene) -> None:
    await scene.forge.admin.create_org(scene.org, base_role="none")
    api = scene.api(await scene.token(scene.member))
    assert (await api("GET", REPO, **scene.target)).status == 404


@pytest.mark.parametrize(
    ("permissions", "accepted"),
    [
        ({"administration": "write"}, "members=read"),
        ({"members": "read", "administration": "read"}, "members=read,administration=write"),
    ],
)
async def test_granting_a_team_needs_two_permissions(scene: Scene, permissions: dict[str, str], accepted: str) -> None:
    slug = await scene.forge.admin.create_team(scene.org, "platform")
    api = scene.api(await scene.token(**permissions))
    path = "/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}"
    refused = await api("PUT", path, {}, org=scene.org, team_slug=slug, **scene.target)
    assert (refused.status, refused.accepted) == (403, accepted)


async def test_classic_token_needs_admin_org_to_grant(scene: Scene) -> None:
    slug = await scene.forge.admin.create_team(scene.org, "platform")
    path = "/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}"
    where = {"org": scene.org, "team_slug": slug, **scene.target}
    for scopes, status in ((["repo"], 404), (["repo", "admin:org"], 204)):
        api = scene.api(await scene.forge.admin.create_classic_token(scene.owner, scopes))
        assert (await api("PUT", path, {"permission": "push"}, **where)).status == status


async def test_classic_token_shows_its_scopes(scene: Scene) -> None:
    api = scene.api(await scene.forge.admin.create_classic_token(scene.owner, ["repo", "read:org"]))
    assert (await api("GET", "/user")).headers["X-OAuth-Scopes"] == "repo, read:org"


async def test_expired_and_unknown_tokens_are_bad_credentials(scene: Scene) -> None:
    expired = await scene.forge.admin.create_token(scene.owner, EVERYTHING, scene.org, expires_in=0)
    lasting = await scene.forge.admin.create_token(scene.owner, EVERYTHING, scene.org, expires_in=3600)
    for token in (expired, "ghp_unknown", "x" * 5000):
        refused = await scene.api(token)("GET", "/user")
        assert (refused.status, refused.body["message"]) == (401, "Bad credentials")
    shown = await scene.api(lasting)("GET", "/user")
    assert shown.headers["GitHub-Authentication-Token-Expiration"].endswith("UTC")


async def test_deletion_needs_its_own_classic_scope(scene: Scene) -> None:
    for scopes, status in ((["repo"], 403), (["repo", "delete_repo"], 204)):
        api = scene.api(await scene.forge.admin.create_classic_token(scene.owner, scopes))
        assert (await api("DELETE", REPO, **scene.target)).status == status


async def test_revoked_token_is_bad_credentials(scene: Scene) -> None:
    token = await scene.token()
    await scene.forge.admin.revoke_token(token)
    assert (await scene.api(token)("GET", REPO, **scene.target)).status == 401


async def test_token_header_and_basic_auth_are_taken(scene: Scene) -> None:
    token = await scene.token(metadata="read")
    for header in (f"token {token}", f"bearer {token}"):
        url = scene.forge.api_url + "user"
        async with scene.session.get(url, headers={"Authorization": header}) as response:
            assert response.status == 200
