"""Accounts, repositories, deploy keys and teams by the API; every answer is checked against GitHub's description."""

import asyncio

import asyncssh
import pytest

from tests.contract.local_forge.conftest import Scene

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"
GRANT = "/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}"
WITH_PERMISSIONS = "application/vnd.github.v3.repository+json"


def public_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


async def test_current_user_and_organisation(scene: Scene) -> None:
    api = await scene.full_api()
    me = await api("GET", "/user")
    assert me.body["login"] == scene.owner
    assert me.accepted == "allows_permissionless_access=true"
    assert (await api("GET", "/orgs/{org}", org=scene.org)).body["login"] == scene.org
    assert (await api("GET", "/orgs/{org}", org=scene.owner)).status == 404
    other = await api("GET", "/users/{username}", username=scene.outsider)
    assert (other.body["login"], other.body["email"]) == (scene.outsider, None)
    assert (await api("GET", "/users/{username}", username="nobody")).status == 404
    assert (await scene.api()("GET", "/user")).status == 401


async def test_service_describes_itself(scene: Scene) -> None:
    api = scene.api()
    assert (await api("GET", "/meta")).body["installed_version"].startswith("3.")
    assert (await api("GET", "/rate_limit")).body["rate"]["limit"] > 0


async def test_repository_is_created_private_read_and_deleted(scene: Scene) -> None:
    """BS17: `visibility` is taken although the published schema does not list it for /user/repos."""
    api = await scene.full_api()
    made = await api("POST", "/orgs/{org}/repos", {"name": "new", "visibility": "private"}, org=scene.org)
    assert (made.status, made.body["private"], made.body["default_branch"]) == (201, True, "main")
    assert made.body["clone_url"] == scene.forge.clone_url(scene.org, "new")
    target = {"owner": scene.org, "repo": "new"}
    assert (await api("GET", REPO, **target)).body["permissions"]["admin"] is True
    again = await api("POST", "/orgs/{org}/repos", {"name": "NEW"}, org=scene.org)
    assert again.status == 422
    assert again.body["errors"][0]["message"] == "name already exists on this account"
    assert (await api("DELETE", REPO, **target)).status == 204
    assert (await api("GET", REPO, **target)).status == 404


async def test_personal_repository_is_created_for_the_caller(scene: Scene) -> None:
    token = await scene.forge.admin.create_token(scene.owner, {"administration": "write"})
    made = await scene.api(token)("POST", "/user/repos", {"name": "dots.and_more-1", "private": True})
    assert (made.status, made.body["owner"]["login"]) == (201, scene.owner)
    listed = await scene.api(token)("GET", "/user/repos")
    assert [found["name"] for found in listed.body] == ["dots.and_more-1"]


async def test_auto_init_commits_a_readme(scene: Scene) -> None:
    api = await scene.full_api()
    await api("POST", "/orgs/{org}/repos", {"name": "ready", "auto_init": True}, org=scene.org)
    assert await scene.forge.admin.files(scene.org, "ready") == ["README.md"]


@pytest.mark.parametrize("name", ["", "..", "-x", "a b", "a/b", "x.git", "x" * 101, "ä", "a\n"])
async def test_bad_names_are_refused(scene: Scene, name: str) -> None:
    api = await scene.full_api()
    assert (await api("POST", "/orgs/{org}/repos", {"name": name}, org=scene.org)).status == 422


@pytest.mark.parametrize("body", [{}, {"name": 3}, {"name": "x", "private": "yes"}, {"name": "x", "visibility": "secret"}, []])
async def test_bad_bodies_are_refused(scene: Scene, body: object) -> None:
    api = await scene.full_api()
    assert (await api("POST", "/orgs/{org}/repos", body, org=scene.org)).status == 422


async def test_repository_is_renamed_and_published(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    changes = {"name": "renamed", "private": False, "description": "the fleet"}
    changed = await api("PATCH", REPO, changes, **scene.target)
    assert (changed.body["full_name"], changed.body["visibility"]) == (f"{scene.org}/renamed", "public")
    assert (await api("GET", REPO, **scene.target)).status == 404
    anonymous = await scene.api()("GET", REPO + "/commits/{ref}", owner=scene.org, repo="renamed", ref="main")
    assert anonymous.body["sha"] == sha


async def test_default_branch_must_exist(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    await scene.push({"a": "2\n"}, branch="next")
    api = await scene.full_api()
    assert (await api("PATCH", REPO, {"default_branch": "absent"}, **scene.target)).status == 422
    assert (await api("PATCH", REPO, {"default_branch": "next"}, **scene.target)).body["default_branch"] == "next"


async def test_lists_are_paged_with_links(scene: Scene) -> None:
    api = await scene.full_api()
    titles = [f"key {number}" for number in range(5)]
    for title in titles:
        key = await asyncio.to_thread(public_key)
        await api("POST", REPO + "/keys", {"title": title, "key": key, "read_only": True}, **scene.target)
    first = await api("GET", REPO + "/keys?per_page=2", **scene.target)
    assert [key["title"] for key in first.body] == titles[:2]
    assert 'page=2>; rel="next"' in first.headers["Link"]
    assert 'page=3>; rel="last"' in first.headers["Link"]
    last = await api("GET", REPO + "/keys?per_page=2&page=3", **scene.target)
    assert [key["title"] for key in last.body] == titles[4:]
    assert 'rel="next"' not in last.headers["Link"]
    beyond = await api("GET", REPO + "/keys?per_page=2&page=9", **scene.target)
    assert beyond.body == []


async def test_key_can_be_used_once_in_the_whole_forge(scene: Scene) -> None:
    api, key = await scene.full_api(), await asyncio.to_thread(public_key)
    wish = {"title": "one", "key": key + " a comment", "read_only": False}
    made = await api("POST", REPO + "/keys", wish, **scene.target)
    assert (made.status, made.body["key"], made.body["read_only"]) == (201, " ".join(key.split()[:2]), False)
    assert (await api("GET", REPO + "/keys/{key_id}", key_id=made.body["id"], **scene.target)).body["title"] == "one"
    await scene.forge.admin.create_repository(scene.org, "other")
    for repository in (scene.repo, "other"):
        again = await api("POST", REPO + "/keys", wish | {"title": "two"}, owner=scene.org, repo=repository)
        assert (again.status, again.body["errors"][0]["message"]) == (422, "key is already in use")
    assert (await api("DELETE", REPO + "/keys/{key_id}", key_id=made.body["id"], **scene.target)).status == 204
    assert (await api("POST", REPO + "/keys", wish, **scene.target)).status == 201


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==", "x" * 20000])
async def test_what_is_not_a_public_key_is_refused(scene: Scene, key: str) -> None:
    api = await scene.full_api()
    made = await api("POST", REPO + "/keys", {"title": "bad", "key": key}, **scene.target)
    assert made.status == 422
    assert made.body["errors"][0]["field"] == "key"


@pytest.mark.parametrize("key_id", ["1", "0", "999999999", "x", "-1", "9" * 30])
async def test_unknown_keys_are_not_found(scene: Scene, key_id: str) -> None:
    api = await scene.full_api()
    assert (await api("DELETE", REPO + "/keys/{key_id}", key_id=key_id, **scene.target)).status == 404


async def test_team_is_granted_a_repository(scene: Scene) -> None:
    slug = await scene.forge.admin.create_team(scene.org, "Platform Team", members=[scene.member])
    assert slug == "platform-team"
    api = await scene.full_api()
    team = await api("GET", "/orgs/{org}/teams/{team_slug}", org=scene.org, team_slug=slug)
    assert (team.body["name"], team.body["members_count"]) == ("Platform Team", 1)
    where = {"org": scene.org, "team_slug": slug, **scene.target}
    assert (await api("GET", GRANT, **where)).status == 404
    assert (await api("PUT", GRANT, {"permission": "maintain"}, **where)).status == 204
    assert (await api("GET", GRANT, **where)).status == 204
    shown = await api("GET", GRANT, accept=WITH_PERMISSIONS, **where)
    assert shown.body["permissions"] == {"pull": True, "triage": True, "push": True, "maintain": True, "admin": False}
    assert shown.body["role_name"] == "maintain"
    as_member = scene.api(await scene.token(scene.member, contents="write"))
    assert (await as_member("GET", REPO, **scene.target)).body["permissions"]["push"] is True
    assert (await api("DELETE", GRANT, **where)).status == 204
    assert (await api("GET", GRANT, **where)).status == 404


async def test_team_that_is_missing_or_not_to_be_seen_is_not_found(scene: Scene) -> None:
    slug = await scene.forge.admin.create_team(scene.org, "platform")
    api = await scene.full_api()
    assert (await api("GET", "/orgs/{org}/teams/{team_slug}", org=scene.org, team_slug="absent")).status == 404
    outside = scene.api(await scene.forge.admin.create_classic_token(scene.outsider, ["repo", "admin:org"]))
    assert (await outside("GET", "/orgs/{org}/teams/{team_slug}", org=scene.org, team_slug=slug)).status == 404
    bad = await api("PUT", GRANT, {"permission": "boss"}, org=scene.org, team_slug=slug, **scene.target)
    assert bad.status == 422
