"""`bootstrap gitlab`: from a project on GitLab."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop.bootstrap import validation
from fleetloop.cli.bootstrap import BootstrapOptions, RepositoryFlags, SyncFlags
from fleetloop.cli.command import Command, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import FlagType
from fleetloop.cli.questions import secret_from

if TYPE_CHECKING:
    from fleetloop.bootstrap.plan import Plan
    from fleetloop.cli.bootstrap_run import ForgeAccess

VISIBILITY = FlagType("|".join(validation.VISIBILITIES), validation.visibility, "", choices=validation.VISIBILITIES)


@dataclass(frozen=True)
class GitLab(Command):
    """Bootstrap a cluster from a GitLab repository.

    The owner is a user, or a group by its full path. The repository is created when it does not exist. The token is read
    from GITLAB_TOKEN, or asked for. Running the command again is safe: it upgrades, or finishes what was interrupted.

    Examples:
      fleetloop bootstrap gitlab --owner=acme/platform --repository=fleet --path=clusters/production --deploy-token-auth
      fleetloop bootstrap gitlab --hostname=git.example.com --owner=me --personal --repository=fleet --token-auth
    """

    common: BootstrapOptions = options(BootstrapOptions)
    place: RepositoryFlags = options(RepositoryFlags)
    sync: SyncFlags = options(SyncFlags)
    hostname: str = flag("--hostname", default="gitlab.com", help="host of GitLab")
    team: tuple[str, ...] = flag("--team", help="group to give access to the repository, as group or group:permission")
    visibility: str = flag("--visibility", type=VISIBILITY, default="private", help="visibility of a new repository")
    deploy_token_auth: bool = flag(
        "--deploy-token-auth", help="the cluster reads with a token made for this repository, instead of an SSH deploy key"
    )
    private: bool = flag("--private", default=True, help="a new repository is private", deprecated="use --visibility instead")

    def check(self) -> None:
        self.common.check()
        validation.gitlab_name(self.place.repository)
        if self.common.token_auth and self.deploy_token_auth:
            raise UsageError("--token-auth and --deploy-token-auth cannot be set both.")

    def run(self, cx: Context) -> None:
        from fleetloop.cli.bootstrap_run import run_bootstrap

        if not self.private:
            cx.say.action("Using visibility public as --private=false")
        token = secret_from(cx, "GITLAB_TOKEN", "Please enter your GitLab personal access token (PAT): ")
        plan = self.plan(cx.namespace, token, cx.options.timeout)
        asyncio.run(run_bootstrap(plan, cx, self.access(token), self.common))

    def access(self, token: str) -> "ForgeAccess":
        from fleetloop.cli.bootstrap_plan import authority
        from fleetloop.cli.bootstrap_run import ForgeAccess
        from fleetloop.forge import gitlab
        from fleetloop.forge.hosts import site_of

        site, ca = site_of(self.hostname), authority(self.common)
        return ForgeAccess(gitlab.api_url_of(site), token, lambda http: gitlab.GitLab(http, site), ca, header="Private-Token")

    def plan(self, namespace: str, token: str, timeout: float) -> "Plan":
        from fleetloop.bootstrap.plan import TeamGrant
        from fleetloop.bootstrap.secret import FromDeployToken
        from fleetloop.cli.bootstrap_plan import ForgePlace, forge_plan, private_key
        from fleetloop.forge import Repository, RepositoryWish
        from fleetloop.forge.hosts import site_of

        site, owner, name = site_of(self.hostname), self.place.owner, self.place.repository
        visibility = self.visibility if self.private else "public"
        place = ForgePlace(
            Repository(site.address, owner, name),
            RepositoryWish(owner, name, self.place.personal, visibility == "private", visibility == "internal"),
            ssh_name=site.host,
            git_user=owner,
            grants=tuple(TeamGrant.parse(team) for team in self.team),
            over_https=FromDeployToken() if self.deploy_token_auth else None,
            private_key=private_key(self.common),
        )
        return forge_plan(self, place, namespace, token, timeout)
