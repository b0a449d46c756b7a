"""The GitHub client against the local forge, whose answers are checked against GitHub's own API description."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from fleetloop.forge import (
    CommitStatus,
    DeployKey,
    ForgeDenied,
    ForgeError,
    ForgeHttp,
    ForgeUnreachable,
    GitHub,
    NotOnForge,
    Repository,
    RepositoryWish,
)
from fleetloop.forge.errors import HiddenRepository, NotTheOwner, SubOrganisations
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
from tests.kit.forge import LocalForge, running_forge

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL = {"administration": "write", "contents": "write", "statuses": "write", "metadata": "read", "members": "read"}
RIGHTS = (
    METADATA_READ,
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
    CONTENTS_READ,
    CONTENTS_WRITE,
    STATUSES_READ,
    STATUSES_WRITE,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def forge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalForge]:
    async with running_forge(tmp_path_factory.mktemp("forge")) as running:
        await running.admin.create_user("ada")
        await running.admin.create_org("acme", owners=["ada"])
        await running.admin.create_team("acme", "platform", members=["ada"])
        yield running


def client(forge: LocalForge, token: str) -> AbstractAsyncContextManager[ForgeHttp]:
    return ForgeHttp.open(forge.api_url, f"Bearer {token}", forge.ca_file.read_bytes())


def domain(forge: LocalForge) -> str:
    return forge.url.removeprefix("https://")


async def repository(forge: LocalForge, name: str) -> Repository:
    await forge.admin.create_repository("acme", name)
    return Repository(domain(forge), "acme", name)


async def test_a_repository_is_created_once_and_private_by_default(forge: LocalForge) -> None:
    """BS13, BS17: no default branch is sent; the fields are those of the published schema."""
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    async with client(forge, token) as http:
        github = GitHub(http, domain(forge))
        first = await github.ensure_repository(RepositoryWish("acme", "fleet", personal=False))
        second = await github.ensure_repository(RepositoryWish("acme", "fleet", personal=False, private=False))
    assert (first.kind, second.kind) == ("created", "unchanged")
    assert first.value.clone_url == f"{forge.url}/acme/fleet.git"
    assert (await forge.admin.repository("acme", "fleet"))["private"] is True


async def test_a_public_personal_repository(forge: LocalForge) -> None:
    token = await forge.admin.create_token("ada", ALL)
    async with client(forge, token) as http:
        made = await GitHub(http, domain(forge)).ensure_repository(RepositoryWish("Ada", "dotfiles", True, private=False))
    assert made.kind == "created"
    assert (await forge.admin.repository("ada", "dotfiles"))["private"] is False


async def test_a_personal_repository_of_somebody_else_is_refused(forge: LocalForge) -> None:
    token = await forge.admin.create_token("ada", ALL)
    async with client(forge, token) as http:
        with pytest.raises(NotTheOwner, match="the specified owner 'bob' doesn't match the identity"):
            await GitHub(http, domain(forge)).ensure_repository(RepositoryWish("bob", "x", personal=True))


async def test_bs12_a_repository_the_token_cannot_see_is_said_to_exist(forge: LocalForge) -> None:
    """BS12: a repository the token cannot see is said to exist."""
    await forge.admin.create_user("bob")
    await forge.admin.create_org("closed", owners=["ada"], members=["bob"], base_role="none")
    await forge.admin.create_repository("closed", "hidden")
    token = await forge.admin.create_token("bob", ALL, owner="closed")
    async with client(forge, token) as http:
        with pytest.raises(HiddenRepository, match=r"closed/hidden exists already, but the token cannot see it"):
            await GitHub(http, domain(forge)).ensure_repository(RepositoryWish("closed", "hidden", personal=False))


async def test_bs15_an_equal_deploy_key_stays_and_another_replaces_it(forge: LocalForge) -> None:
    """BS15: an equal deploy key stays and another replaces it."""
    here = await repository(forge, "keys")
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    old, new = (generate_key("ed25519").identity_pub.decode() for _ in range(2))
    async with client(forge, token) as http:
        github = GitHub(http, domain(forge))
        kinds = []
        for key in (old, old, new):
            kinds.append((await github.ensure_deploy_key(here, DeployKey("cluster", key))).kind)
            if key == old:
                first_id = (await forge.admin.keys("acme", "keys"))[0]["id"]
        writable = await github.ensure_deploy_key(here, DeployKey("cluster", new, read_only=False))
        found = await github.find_deploy_key(here, "cluster")
    assert kinds == ["created", "unchanged", "changed"]
    assert writable.kind == "changed"
    assert found == DeployKey("cluster", DeployKey("", new).text, read_only=False)
    assert first_id not in [key["id"] for key in await forge.admin.keys("acme", "keys")]


async def test_a_deploy_key_is_found_beyond_the_first_page(forge: LocalForge) -> None:
    here = await repository(forge, "many")
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    async with client(forge, token) as http:
        github = GitHub(http, domain(forge))
        for number in range(101):
            public = generate_key("ed25519").identity_pub.decode()
            await github._write("POST", "/repos/acme/many/keys", {"title": f"k{number}", "key": public, "read_only": True})
        assert await github.find_deploy_key(here, "k100")
        assert await github.find_deploy_key(here, "k101") is None


async def test_team_grants(forge: LocalForge) -> None:
    here = await repository(forge, "teamed")
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    async with client(forge, token) as http:
        github = GitHub(http, domain(forge))
        assert await github.find_team_permission(here, "platform") is None
        assert await github.may_grant(here, "platform")
        assert await github.find_team_permission(here, "platform") is None  # the probe wrote nothing
        await github.grant_team(here, "platform", "maintain")
        assert await github.find_team_permission(here, "platform") == "maintain"
        with pytest.raises(NotOnForge, match="the requested resource was not found"):
            await github.find_team_permission(here, "nobody")


async def test_who_may_not_grant(forge: LocalForge) -> None:
    here = await repository(forge, "ungranted")
    token = await forge.admin.create_token("ada", ALL | {"administration": "read"}, owner="acme")
    async with client(forge, token) as http:
        assert not await GitHub(http, domain(forge)).may_grant(here, "platform")


async def test_a_commit_status(forge: LocalForge, tmp_path: Path) -> None:
    here = await repository(forge, "statused")
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    sha = await forge.push_files("acme", "statused", {"a": "b"}, token=token, folder=tmp_path / "clone")
    async with client(forge, token) as http:
        status = CommitStatus("success", "kustomization/apps", "reconciled", "https://example.com/")
        await GitHub(http, domain(forge)).set_commit_status(here, sha, status)
    (found,) = await forge.admin.statuses("acme", "statused")
    assert (found["sha"], found["state"], found["context"]) == (sha, "success", "kustomization/apps")


LACKING = [
    ({"contents": "read"}, {CONTENTS_WRITE}),
    ({"contents": "none"}, {CONTENTS_READ, CONTENTS_WRITE}),
    ({"statuses": "read"}, {STATUSES_WRITE}),
    ({"statuses": "none"}, {STATUSES_READ, STATUSES_WRITE}),
    ({"administration": "read"}, {ADMINISTRATION_WRITE}),
    ({"administration": "none"}, {ADMINISTRATION_READ, ADMINISTRATION_WRITE}),
    ({"metadata": "none"}, {METADATA_READ}),
    ({}, set()),
]


@pytest.mark.parametrize(("change", "missing"), LACKING, ids=range(len(LACKING)))
async def test_each_missing_right_is_named_and_the_probe_changes_nothing(
    forge: LocalForge, change: dict[str, str], missing: set[Right]
) -> None:
    here = await repository(forge, "probed")
    before = await forge.admin.repository("acme", "probed")
    token = await forge.admin.create_token("ada", ALL | change, owner="acme")
    async with client(forge, token) as http:
        assert set(await GitHub(http, domain(forge)).missing_rights(here, RIGHTS)) == missing
    assert await forge.admin.repository("acme", "probed") == before


async def test_who_may_create(forge: LocalForge) -> None:
    wish = RepositoryWish("acme", "unmade", personal=False)
    for level, expected in (("write", True), ("read", False)):
        token = await forge.admin.create_token("ada", ALL | {"administration": level}, owner="acme")
        async with client(forge, token) as http:
            assert await GitHub(http, domain(forge)).may_create(wish) is expected


async def test_a_wrong_token_is_denied_without_being_shown(forge: LocalForge) -> None:
    async with client(forge, "github_pat_wrong") as http:
        with pytest.raises(ForgeDenied) as denied:
            await GitHub(http, domain(forge)).find_repository("acme", "fleet")
    assert denied.value.status == 401
    assert str(denied.value).startswith("multiple errors occurred: \n- GET https://")
    assert "github_pat" not in str(denied.value)


async def test_the_same_denial_is_no_missing_right(forge: LocalForge) -> None:
    here = await repository(forge, "denied")
    async with client(forge, "github_pat_wrong") as http:
        with pytest.raises(ForgeDenied):
            await GitHub(http, domain(forge)).missing_rights(here, RIGHTS)


async def test_a_forge_that_hangs_up_is_unreachable(forge: LocalForge) -> None:
    token = await forge.admin.create_token("ada", ALL, owner="acme")
    await forge.admin.cut("/api/v3/repos/acme/cut", count=5)
    async with client(forge, token) as http:
        with pytest.raises(ForgeUnreachable, match="GET https://"):
            await GitHub(http, domain(forge)).find_repository("acme", "cut")
    await forge.admin.lift_faults()


async def test_an_unknown_authority_is_unreachable(forge: LocalForge) -> None:
    async with ForgeHttp.open(forge.api_url, "Bearer x") as http:
        with pytest.raises(ForgeUnreachable, match="certificate"):
            await GitHub(http, domain(forge)).current_user()


async def test_a_slash_in_the_name_is_a_sub_organisation(forge: LocalForge) -> None:
    async with client(forge, "x") as http:
        with pytest.raises(SubOrganisations, match="github doesn't support sub-organizations"):
            await GitHub(http, domain(forge)).find_repository("acme", "a/b")


async def test_a_file_that_is_no_authority(forge: LocalForge) -> None:
    with pytest.raises(ForgeError, match="no usable PEM certificate"):
        async with ForgeHttp.open(forge.api_url, "Bearer x", b"nonsense"):
            pass
