"""What every forge client must do, each against a small server of its own API. GitHub has a larger one: test_github.py."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleetloop.bootstrap.hands import RehearsedHttp
from fleetloop.forge import CommitStatus, DeployKey, ForgeDenied, ForgeRefused, NotOnForge, Repository, RepositoryWish
from fleetloop.forge.errors import HiddenRepository, NotTheOwner
from fleetloop.forge.forge import (
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
    CONTENTS_READ,
    CONTENTS_WRITE,
    METADATA_READ,
    STATUSES_READ,
    STATUSES_WRITE,
    Right,
)
from fleetloop.git import generate_key
from tests.kit.forge_apis import BITBUCKET_SERVER, DIALECTS, SITE, Dialect, HostedKey, Served, serving

RIGHTS = (
    METADATA_READ,
    CONTENTS_READ,
    CONTENTS_WRITE,
    STATUSES_READ,
    STATUSES_WRITE,
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
)
WISH = RepositoryWish("acme", "fleet", personal=False)
SHA = "0123456789012345678901234567890123456789"
BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


@pytest.fixture(params=BY_NAME)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return BY_NAME[request.param]


@pytest_asyncio.fixture
async def served(dialect: Dialect) -> AsyncIterator[Served]:
    async with serving(dialect) as running:
        yield running


def public_key() -> str:
    return generate_key("ed25519").identity_pub.decode()


async def existing(served: Served, mine: str = "admin") -> Repository:
    served.state.host("fleet", mine=mine)
    found = await served.forge.find_repository("acme", "fleet")
    assert found
    return found


async def test_a_repository_is_created_once_and_private_by_default(served: Served) -> None:
    """BS9, BS13: an existing one is never altered, whatever is wished; a new one has main as its default branch."""
    first = await served.forge.ensure_repository(WISH)
    second = await served.forge.ensure_repository(RepositoryWish("acme", "fleet", personal=False, private=False))
    assert (first.kind, second.kind) == ("created", "unchanged")
    assert first.value == second.value
    hosted = served.state.repositories["acme", "fleet"]
    assert hosted.visibility == "private"
    assert "main" in hosted.created_with.values()


async def test_a_public_repository(served: Served) -> None:
    """BS21: --private=false has its effect on every forge."""
    await served.forge.ensure_repository(RepositoryWish("acme", "open", personal=False, private=False))
    assert served.state.repositories["acme", "open"].visibility == "public"


async def test_a_personal_repository(served: Served) -> None:
    made = await served.forge.ensure_repository(RepositoryWish(served.dialect.personal.format("Ada"), "dotfiles", personal=True))
    assert made.kind == "created"
    assert len(served.state.repositories) == 1


async def test_a_personal_repository_of_somebody_else_is_refused(served: Served) -> None:
    with pytest.raises(NotTheOwner, match="the specified owner 'bob' doesn't match the identity"):
        await served.forge.ensure_repository(RepositoryWish(served.dialect.personal.format("bob"), "x", personal=True))
    assert served.state.writes() == []


async def test_a_repository_the_token_cannot_see_is_said_to_exist(served: Served) -> None:
    """BS12: a 404 on reading, and 'already exists' on creating."""
    served.state.host("fleet")
    served.state.hidden.add(("acme", "fleet"))
    with pytest.raises(HiddenRepository, match="acme/fleet exists already, but the token cannot see it"):
        await served.forge.ensure_repository(WISH)


async def test_an_equal_deploy_key_stays_and_another_replaces_it(served: Served) -> None:
    """BS15, BS22: the new key is added before the old one goes, and the old one goes by its own id."""
    here = await existing(served)
    old, new = public_key(), public_key()
    kinds = [(await served.forge.ensure_deploy_key(here, DeployKey("cluster", key))).kind for key in (old, old, new)]
    assert kinds == ["created", "unchanged", "changed"]
    (kept,) = served.state.repositories["acme", "fleet"].keys
    assert kept.text == DeployKey("", new).text
    methods = [method for method, _ in served.state.writes()]
    assert methods == ["POST", "POST", "DELETE"]
    assert served.state.writes()[-1][1].endswith("/101")


async def test_what_a_deploy_key_may_do_is_compared_too(served: Served) -> None:
    """BS16: --read-write-key added later has its effect."""
    here = await existing(served)
    key = public_key()
    await served.forge.ensure_deploy_key(here, DeployKey("cluster", key))
    assert (await served.forge.ensure_deploy_key(here, DeployKey("cluster", key, read_only=False))).kind == "changed"
    found = await served.forge.find_deploy_key(here, "cluster")
    assert found == DeployKey("cluster", DeployKey("", key).text, read_only=False)
    assert len(served.state.repositories["acme", "fleet"].keys) == 1


async def test_a_deploy_key_is_found_on_a_later_page(served: Served) -> None:
    here = await existing(served)
    hosted = served.state.repositories["acme", "fleet"]
    hosted.keys = [HostedKey(number, f"k{number}", f"ssh-ed25519 A{number}", True) for number in range(130)]
    assert await served.forge.find_deploy_key(here, "k129") == DeployKey("k129", "ssh-ed25519 A129")
    assert await served.forge.find_deploy_key(here, "k130") is None


@pytest.mark.parametrize("status", [403, 500])
async def test_a_listing_that_fails_is_reported(served: Served, status: int) -> None:
    """BS19: it is not taken for an empty one, after which the same key would be added again."""
    here = await existing(served)
    served.state.faults = {("GET", end): status for end in ("/keys", "/deploy_keys", "/ssh")}
    with pytest.raises((ForgeDenied, ForgeRefused), match="something is wrong"):
        await served.forge.ensure_deploy_key(here, DeployKey("cluster", public_key()))
    assert served.state.writes() == []


async def test_a_team_is_given_its_access(served: Served) -> None:
    here = await existing(served)
    assert await served.forge.find_team_permission(here, "platform") is None
    assert await served.forge.may_grant(here, "platform")
    assert served.state.writes() == []
    await served.forge.grant_team(here, "platform", "push")
    assert await served.forge.find_team_permission(here, "platform") == "push"


async def test_a_team_that_does_not_exist(served: Served) -> None:
    here = await existing(served)
    with pytest.raises(NotOnForge, match="the requested resource was not found"):
        await served.forge.grant_team(here, "nobody", "push")


async def test_who_may_not_grant(served: Served) -> None:
    here = await existing(served, mine="write")
    assert not await served.forge.may_grant(here, "platform")


LACKING: dict[str, set[Right]] = {
    "admin": set(),
    "write": {ADMINISTRATION_READ, ADMINISTRATION_WRITE},
    "read": {ADMINISTRATION_READ, ADMINISTRATION_WRITE, CONTENTS_WRITE, STATUSES_WRITE},
}


@pytest.mark.parametrize("mine", LACKING)
async def test_missing_rights_are_told_and_nothing_is_written(served: Served, mine: str) -> None:
    here = await existing(served, mine)
    by_readers = {STATUSES_WRITE} if served.dialect is BITBUCKET_SERVER else set()
    assert set(await served.forge.missing_rights(here, RIGHTS)) == LACKING[mine] - by_readers
    hosted = served.state.repositories["acme", "fleet"]
    assert (hosted.keys, hosted.grants, hosted.statuses) == ([], {}, [])


async def test_a_rehearsal_writes_nothing(served: Served) -> None:
    """Not even for a repository that does not exist yet, below which everything reads as empty."""
    told: list[str] = []
    forge = served.dialect.client(RehearsedHttp(served.http, "https://forge.test/", told.append), SITE)
    made = await forge.ensure_repository(WISH)
    await forge.ensure_deploy_key(made.value, DeployKey("cluster", public_key()))
    assert await forge.find_team_permission(made.value, "platform") is None
    await forge.grant_team(made.value, "platform", "push")
    assert served.state.writes() == []
    assert len(told) == 3


async def test_a_commit_status(served: Served) -> None:
    here = await existing(served)
    status = CommitStatus("success", "kustomization/apps", "reconciled", "https://example.com/")
    await served.forge.set_commit_status(here, SHA, status)
    ((sha, body),) = served.state.repositories["acme", "fleet"].statuses
    assert sha == SHA
    assert {"kustomization/apps", "reconciled", "https://example.com/"} <= set(body.values())


async def test_a_wrong_token_is_denied_without_being_shown(dialect: Dialect) -> None:
    async with serving(dialect, "wr0ng") as served:
        with pytest.raises(ForgeDenied) as denied:
            await served.forge.ensure_repository(WISH)
    assert denied.value.status == 401
    assert "wr0ng" not in str(denied.value)
