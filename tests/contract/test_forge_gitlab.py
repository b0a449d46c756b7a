"""What only GitLab has: deploy tokens, groups in groups, a third visibility. The rest is in test_forges.py."""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace

import pytest
import pytest_asyncio

from fleetloop.bootstrap.deploy_token import reconcile_with_deploy_token
from fleetloop.bootstrap.hands import RehearsedHands, RehearsedHttp
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.preflight import Findings
from fleetloop.bootstrap.secret import data_of
from fleetloop.bootstrap.tools import Tools
from fleetloop.cli.bootstrap_gitlab import GitLab
from fleetloop.forge import NotOnForge, Repository, RepositoryWish
from fleetloop.forge.forge import ADMINISTRATION_WRITE, CONTENTS_READ, CONTENTS_WRITE, METADATA_READ
from fleetloop.kube import Manifest
from tests.kit.flags import parsed
from tests.kit.forge_apis import GITLAB, SITE, Served, serving
from tests.kit.forge_apis.state import HostedToken
from tests.kit.say import Heard

TITLE = "flux-system-main-flux-system-./clusters/x"


@pytest_asyncio.fixture
async def gitlab() -> AsyncIterator[Served]:
    async with serving(GITLAB) as running:
        yield running


class KeepingHands(RehearsedHands):
    """Keeps the Secret instead of writing it to a cluster."""

    def __init__(self) -> None:
        super().__init__(lambda text: None)
        self.secret: dict[str, bytes] | None = None

    async def write_secret(self, secret: Manifest, replaced: Collection[str]) -> None:
        self.secret = data_of(secret)


class Run:
    """Runs of the step for the deploy token, one after the other against the same Secret."""

    def __init__(self, gitlab: Served) -> None:
        flags = ("--owner=acme", "--repository=fleet", "--path=clusters/x", "--deploy-token-auth")
        self.gitlab, self.hands = gitlab, KeepingHands()
        self.plan: Plan = parsed(GitLab, *flags).plan("flux-system", "t0ken", 60)

    async def __call__(self) -> list[str]:
        heard = Heard()
        tools = Tools(None, self.hands, None, None, heard, None, None, None, self.gitlab.forge)  # type: ignore[arg-type]
        findings = Findings(None, False, False, self.hands.secret, b"", b"")
        await reconcile_with_deploy_token(self.plan, findings, Repository("forge.test", "acme", "fleet"), tools)
        return heard.lines

    @property
    def username(self) -> str:
        assert self.hands.secret
        return self.hands.secret["username"].decode()


async def test_a_deploy_token_is_made_once(gitlab: Served) -> None:
    """BS18: later runs keep it, for as long as the Secret in the cluster has it."""
    hosted, run = gitlab.state.host("fleet"), Run(gitlab)
    first, second = await run(), await run()
    assert first[:2] == [
        "► checking to reconcile deploy token for source secret",
        f'✔ configured deploy token "{TITLE}" for "https://forge.test/acme/fleet"',
    ]
    assert second[1] == "✔ reconciled deploy token for source secret"
    assert [(one.title, one.username) for one in hosted.tokens] == [(TITLE, run.username)]
    assert gitlab.state.writes() == [("POST", "projects/acme%2Ffleet/deploy_tokens")]
    assert run.hands.secret == {"username": run.username.encode(), "password": b"value-101"}


@pytest.mark.parametrize("lost", ["secret", "token"])
async def test_a_deploy_token_that_is_lost_is_replaced(gitlab: Served, lost: str) -> None:
    """BS18: its value cannot be read back; the old one goes after the new one is in the Secret."""
    hosted, run = gitlab.state.host("fleet"), Run(gitlab)
    await run()
    before = run.username
    if lost == "secret":
        run.hands.secret = None
    else:
        hosted.tokens[0].is_dead = True
    await run()
    assert run.username != before
    assert [one.username for one in hosted.tokens if not one.is_dead] == [run.username]
    assert [method for method, _ in gitlab.state.writes()] == ["POST", "POST"] + ["DELETE"] * (lost == "secret")


async def test_deploy_tokens_of_others_stay(gitlab: Served) -> None:
    """BS18: those under another title."""
    hosted = gitlab.state.host("fleet")
    hosted.tokens = [HostedToken(1, "somebody's", "gitlab+deploy-token-1")]
    await Run(gitlab)()
    assert len(hosted.tokens) == 2


async def test_a_rehearsal_makes_no_deploy_token(gitlab: Served) -> None:
    told: list[str] = []
    rehearsed = GITLAB.client(RehearsedHttp(gitlab.http, "https://forge.test/", told.append), SITE)
    run = Run(replace(gitlab, forge=rehearsed))
    hosted = gitlab.state.host("fleet")
    await run()
    assert hosted.tokens == []
    assert [line.partition(" {")[0] for line in told] == ["POST https://forge.test/projects/acme%2Ffleet/deploy_tokens"]


async def test_a_group_in_a_group_owns(gitlab: Served) -> None:
    gitlab.state.owner = "acme/platform"
    made = await gitlab.forge.ensure_repository(RepositoryWish("acme/platform", "fleet", False, False, internal=True))
    assert made.value.clone_url == "https://forge.test/acme/platform/fleet.git"
    hosted = gitlab.state.repositories["acme/platform", "fleet"]
    assert hosted.created_with == {
        "name": "fleet",
        "default_branch": "main",
        "description": "",
        "visibility": "internal",
        "namespace_id": 40,
    }
    assert gitlab.state.heard[0].path == "projects/acme%2Fplatform%2Ffleet"


async def test_a_group_with_another_level_is_shared_with_anew(gitlab: Served) -> None:
    hosted = gitlab.state.host("fleet")
    here = Repository("forge.test", "acme", "fleet")
    for permission in ("pull", "maintain"):
        await gitlab.forge.grant_team(here, "platform", permission)
    assert list(hosted.grants.values()) == [40]
    assert [method for method, _ in gitlab.state.writes()] == ["POST", "DELETE", "POST"]
    with pytest.raises(NotOnForge):
        await gitlab.forge.find_team_permission(here, "nobody")


async def test_what_a_token_lacks_in_scope(gitlab: Served) -> None:
    gitlab.state.host("fleet")
    gitlab.state.scopes = ["read_api", "write_repository"]
    here = Repository("forge.test", "acme", "fleet")
    wanted = (METADATA_READ, CONTENTS_READ, CONTENTS_WRITE, ADMINISTRATION_WRITE)
    assert await gitlab.forge.missing_rights(here, wanted) == [ADMINISTRATION_WRITE]
    gitlab.state.scopes = ["granular"]
    assert await gitlab.forge.missing_rights(here, wanted) == []


@pytest.mark.parametrize("may", [True, False])
async def test_who_may_create(gitlab: Served, may: bool) -> None:
    gitlab.state.may_create = may
    assert await gitlab.forge.may_create(RepositoryWish("acme", "new", personal=False)) is may


async def test_a_group_that_does_not_exist(gitlab: Served) -> None:
    with pytest.raises(NotOnForge, match="groups/nowhere: 404 404 Group Not Found"):
        await gitlab.forge.may_create(RepositoryWish("nowhere", "new", personal=False))
