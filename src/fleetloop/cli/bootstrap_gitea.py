"""`bootstrap gitea`: from a repository on Gitea or Forgejo."""

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
class Gitea(Command):
    """Bootstrap a cluster from a Gitea repository.

    The repository is created when it does not exist. The token is read from GITEA_TOKEN, or asked for. Running the command
    again is safe: it upgrades, or finishes what was interrupted.

    Examples:
      fleetloop bootstrap gitea --hostname=git.example.com --owner=acme --repository=fleet --path=clusters/production
      fleetloop bootstrap gitea --hostname=git.example.com --owner=me --personal --repository=fleet --token-auth
    """

    common: BootstrapOptions = options(BootstrapOptions)
    place: RepositoryFlags = options(RepositoryFlags)
    sync: SyncFlags = options(SyncFlags)
    hostname: str = flag("--hostname", default="gitea.com", help="host of Gitea")
    private: bool = flag("--private", default=True, help="a new repository is private")
    team: tuple[str, ...] = flag("--team", help="team to give access to the repository")

    def check(self) -> None:
        self.common.check(generates_key="gitea")

    def run(self, cx: Context) -> None:
        from fleetloop.cli.bootstrap_run import run_bootstrap

        token = secret_from(cx, "GITEA_TOKEN", "Please enter your Gitea personal access token (PAT): ")
        plan = self.plan(cx.namespace, token, cx.options.timeout)
        asyncio.run(run_bootstrap(plan, cx, self.access(token), self.common))

    def access(self, token: str) -> "ForgeAccess":
        from fleetloop.cli.bootstrap_plan import authority
        from fleetloop.cli.bootstrap_run import ForgeAccess
        from fleetloop.forge import gitea
        from fleetloop.forge.hosts import site_of

        site = site_of(self.hostname)
        return ForgeAccess(gitea.api_url_of(site), f"token {token}", lambda http: gitea.Gitea(http, site), authority(self.common))

    def plan(self, namespace: str, token: str, timeout: float) -> "Plan":
        from fleetloop.bootstrap.plan import TeamGrant
        from fleetloop.cli.bootstrap_plan import ForgePlace, forge_plan
        from fleetloop.forge import Repository, RepositoryWish
        from fleetloop.forge.hosts import site_of

        site, owner, name = site_of(self.hostname), self.place.owner, self.place.repository
        place = ForgePlace(
            Repository(site.address, owner, name),
            RepositoryWish(owner, name, self.place.personal, self.private),
            ssh_name=site.host,
            git_user=owner,
            grants=tuple(TeamGrant.parse(team) for team in self.team),
        )
        return forge_plan(self, place, namespace, token, timeout)
