"""What only Bitbucket Server has: projects with names and keys, two APIs. The rest is in test_forges.py."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleetloop.forge import DeployKey, NotOnForge, RepositoryWish
from fleetloop.forge.bitbucket_server import repository_at
from tests.kit.forge_apis import BITBUCKET_SERVER, SITE, HostedKey, Served, serving

HERE = repository_at(SITE, "PLAT", "Fleet Repo")


@pytest_asyncio.fixture
async def bitbucket() -> AsyncIterator[Served]:
    async with serving(BITBUCKET_SERVER) as running:
        running.state.projects = {f"P{number}": f"Platform {number}" for number in range(5)} | {"PLAT": "Platform"}
        yield running


async def test_the_owner_is_a_projects_name(bitbucket: Served) -> None:
    """BS20: exactly that name, wherever in the listing; addresses are made of its key."""
    assert await bitbucket.forge.project_key("Platform") == "PLAT"
    assert await bitbucket.forge.project_key("Platform 4") == "P4"


async def test_the_owner_may_be_a_projects_key(bitbucket: Served) -> None:
    """BS20: where no project has it as its name."""
    assert await bitbucket.forge.project_key("plat") == "PLAT"
    with pytest.raises(NotOnForge):
        await bitbucket.forge.project_key("nowhere")


async def test_addresses_are_made_of_key_and_slug(bitbucket: Served) -> None:
    assert HERE.web_url == "https://forge.test/projects/PLAT/repos/fleet-repo"
    assert HERE.clone_url == "https://forge.test/scm/PLAT/fleet-repo.git"
    assert HERE.ssh_url("forge.test:7999") == "ssh://git@forge.test:7999/PLAT/fleet-repo"
    assert repository_at(SITE, "~ada", "x").clone_url == "https://forge.test/scm/~ada/x.git"


async def test_a_new_repository_is_left_empty(bitbucket: Served) -> None:
    made = await bitbucket.forge.ensure_repository(RepositoryWish("PLAT", "fleet", personal=False))
    assert made.value == repository_at(SITE, "PLAT", "fleet")
    assert bitbucket.state.writes() == [("POST", "api/1.0/projects/PLAT/repos")]
    assert bitbucket.state.repositories["plat", "fleet"].created_with == {
        "name": "fleet",
        "scmId": "git",
        "defaultBranch": "main",
        "public": False,
    }


async def test_an_old_server_is_told_again_that_it_is_public(bitbucket: Served) -> None:
    """BS21: where creating does not take it, changing does."""
    bitbucket.state.takes_public_at_once = False
    await bitbucket.forge.ensure_repository(RepositoryWish("PLAT", "fleet", personal=False, private=False))
    assert bitbucket.state.repositories["plat", "fleet"].visibility == "public"


async def test_a_replaced_key_is_gone(bitbucket: Served) -> None:
    """BS22: it is removed by its own id, not by 0."""
    hosted = bitbucket.state.host("fleet", "PLAT")
    hosted.keys = [HostedKey(number, f"k{number}", f"ssh-ed25519 A{number}", True) for number in range(7)]
    here = repository_at(SITE, "PLAT", "fleet")
    await bitbucket.forge.ensure_deploy_key(here, DeployKey("k5", "ssh-ed25519 NEW", read_only=False))
    assert bitbucket.state.writes() == [
        ("POST", "keys/1.0/projects/PLAT/repos/fleet/ssh"),
        ("DELETE", "keys/1.0/projects/PLAT/repos/fleet/ssh/5"),
    ]
    assert [(key.text, key.read_only) for key in hosted.keys if key.title == "k5"] == [("ssh-ed25519 NEW", False)]


@pytest.mark.parametrize(("asked", "given"), [("pull", "REPO_READ"), ("push", "REPO_WRITE"), ("admin", "REPO_ADMIN")])
async def test_what_groups_are_given(bitbucket: Served, asked: str, given: str) -> None:
    hosted = bitbucket.state.host("fleet", "PLAT")
    here = repository_at(SITE, "PLAT", "fleet")
    await bitbucket.forge.grant_team(here, "platform", asked)
    assert hosted.grants == {"platform": given}
    assert await bitbucket.forge.find_team_permission(here, "platform") == asked
    assert await bitbucket.forge.find_team_permission(here, "plat") is None
