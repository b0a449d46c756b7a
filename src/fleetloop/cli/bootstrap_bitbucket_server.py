"""`bootstrap bitbucket-server`: from a repository on Bitbucket Server or Data Center."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop.cli.bootstrap import BootstrapOptions, RepositoryFlags, SyncFlags
from fleetloop.cli.command import Command, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.questions import secret_from

if TYPE_CHECKING:
    from fleetloop.bootstrap.plan import Plan
    from fleetloop.cli.bootstrap_run import ForgeAccess


@dataclass(frozen=True)
class BitbucketServer(Command):
    """Bootstrap a cluster from a Bitbucket Server repository.

    The owner is the name of a project. The repository is created when it does not exist. The token is read from
    BITBUCKET_TOKEN, or asked for. SSH is mostly not at the port 22 of the host: see --ssh-hostname. Running the command
    again is safe: it upgrades, or finishes what was interrupted.

    Examples:
      fleetloop bootstrap bitbucket-server --hostname=git.example.com --owner=Platform --username=bot --repository=fleet \\
        --path=clusters/production --ssh-hostname=git.example.com:7999
      fleetloop bootstrap bitbucket-server --hostname=git.example.com --owner=me --personal --repository=fleet --token-auth
    """

    common: BootstrapOptions = options(BootstrapOptions)
    place: RepositoryFlags = options(RepositoryFlags)
    sync: SyncFlags = options(SyncFlags)
    hostname: str = flag("--hostname", help="host of Bitbucket Server")
    username: str = flag("--username", "-u", default="git", help="user of the token")
    private: bool = flag("--private", default=True, help="a new repository is private")
    group: tuple[str, ...] = flag("--group", help="group to give access to the repository, as group or group:permission")

    def check(self) -> None:
        from fleetloop.forge.hosts import site_of

        site_of(self.hostname)
        self.common.check()

    def run(self, cx: Context) -> None:
        token = secret_from(cx, "BITBUCKET_TOKEN", "Please enter your Bitbucket personal access token (PAT): ")
        asyncio.run(self._bootstrap(cx, token))

    async def _bootstrap(self, cx: Context, token: str) -> None:
        from fleetloop.cli.bootstrap_run import run_bootstrap

        access = self.access(token)
        plan = self.plan(await self._project_key(access), cx.namespace, token, cx.options.timeout)
        await run_bootstrap(plan, cx, access, self.common)

    def access(self, token: str) -> "ForgeAccess":
        from fleetloop.cli.bootstrap_plan import authority
        from fleetloop.cli.bootstrap_run import ForgeAccess
        from fleetloop.forge import bitbucket_server
        from fleetloop.forge.hosts import site_of

        site = site_of(self.hostname)
        return ForgeAccess(
            bitbucket_server.api_url_of(site),
            f"Bearer {token}",
            lambda http: bitbucket_server.BitbucketServer(http, site),
            authority(self.common),
        )

    async def _project_key(self, access: "ForgeAccess") -> str:
        """What the repository's addresses are made with, and only the server knows (⚠ 20)."""
        from fleetloop.forge.bitbucket_server import BitbucketServer as Client
        from fleetloop.forge.hosts import site_of

        if self.place.personal:
            return f"~{self.place.owner}"
        async with access.connected() as http:
            return await Client(http, site_of(self.hostname)).project_key(self.place.owner)

    def plan(self, key: str, namespace: str, token: str, timeout: float) -> "Plan":
        """`key`: of the project."""
        from fleetloop.bootstrap.plan import TeamGrant
        from fleetloop.bootstrap.secret import BasicAuth
        from fleetloop.cli.bootstrap_plan import ForgePlace, forge_plan, private_key
        from fleetloop.forge import RepositoryWish
        from fleetloop.forge.bitbucket_server import DEFAULT_PERMISSION, repository_at
        from fleetloop.forge.hosts import site_of

        site, user = site_of(self.hostname), self.place.owner if self.place.personal else self.username
        place = ForgePlace(
            repository_at(site, key, self.place.repository),
            RepositoryWish(key, self.place.repository, self.place.personal, self.private),
            ssh_name=site.host,
            git_user=user,
            over_https=BasicAuth(user, token) if self.common.token_auth else None,
            grants=tuple(TeamGrant.parse(group, DEFAULT_PERMISSION) for group in self.group),
            private_key=private_key(self.common),
        )
        return forge_plan(self, place, namespace, token, timeout)
