"""The demo's organisation: people, a bot account with just the rights it needs, three repositories, charts and images."""

import secrets
import shutil
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from fleetloop.engine import Engines
from fleetloop.fleet import CHARTS, AgeKey, FleetNames, new_age_key, sealing, write_fleet
from fleetloop.git import PLAIN_GIT, Credentials, GitUrl, Person, clone, commit_all, list_refs, push
from fleetloop.git.program import Session
from fleetloop.git.program import session as git_session
from fleetloop.kube import Kube, ObjectRef
from fleetloop.local.demo.charts import push_chart, push_image
from fleetloop.local.demo.place import DemoFailed, Place
from fleetloop.local.forge import ForgeAdmin

ORGANISATION, PERSON, BOT = "acme", "alex", "fleet-bot"
REPOSITORIES = ("fleet", "infra", "apps")
BRANCHES = {"fleet": ("main",), "infra": ("main", "production"), "apps": ("main", "production")}
BOT_PERMISSIONS = {"administration": "read", "statuses": "write", "contents": "write", "metadata": "read"}
TOKENS = {  # for the clusters, one for each use
    "pull": {"contents": "read", "metadata": "read"},
    "push": {"contents": "write", "metadata": "read"},
    "commit-status": {"statuses": "write", "metadata": "read"},
}
TENANTS = ("infra", "apps")
WRITTEN = "fleet-as-written"
AUTHOR = Person("Alex", "alex@acme.example")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Tokens of the person who commits and of the bot that bootstraps; what webhooks are signed with; the platform team's
    age key."""

    place: Place
    names: FleetNames
    person_token: str
    bot_token: str
    webhook_token: str
    platform_key: AgeKey

    def url(self, repository: str) -> GitUrl:
        return GitUrl.parse(f"{self.place.forge_url}/{ORGANISATION}/{repository}.git")

    def credentials(self) -> Credentials:
        return Credentials(username=PERSON, password=self.person_token, ca=self.place.ca_file.read_bytes())

    async def commit(self, repository: str, message: str, change: Callable[[Path], None]) -> str:
        """A commit on `main`, made in a fresh clone and pushed; gives its hash."""
        tree = await self.fetched(repository, "main")
        change(tree)
        sha = await commit_all(tree, message, AUTHOR)
        if sha is None:
            raise DemoFailed(f"{repository}: the change changes nothing")
        await push(tree, self.url(repository), "main", self.credentials())
        return sha

    async def fetched(self, repository: str, branch: str) -> Path:
        """A fresh clone."""
        tree = self.place.folder / "work" / repository
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        await clone(self.url(repository), branch, tree, self.credentials())
        return tree

    async def head(self, repository: str, branch: str) -> str:
        refs = await list_refs(self.url(repository), self.credentials(), patterns=(f"refs/heads/{branch}",))
        return refs[f"refs/heads/{branch}"]

    async def changes(self, repository: str, branch: str, since: str) -> list[tuple[str, str]]:
        """Commits after `since`, oldest first, each with its hash and its difference."""
        tree = await self.fetched(repository, branch)
        async with git_session(PLAIN_GIT) as git:
            listed = await git.read("rev-list", "--reverse", f"{since}..HEAD", cwd=tree)
            return [(sha, await _difference(git, tree, f"{sha}~", sha)) for sha in listed.decode().split()]

    async def difference(self, repository: str, branch: str, since: str) -> str:
        """Between `since` and the branch."""
        tree = await self.fetched(repository, branch)
        async with git_session(PLAIN_GIT) as git:
            return await _difference(git, tree, since, "HEAD")

    async def merge(self, repository: str, base: str, head: str) -> str:
        """Merges one branch into another on the forge, as its merge button does; gives the merge commit."""
        url = f"{self.place.forge_url}/api/v3/repos/{ORGANISATION}/{repository}/merges"
        headers = {"Authorization": f"Bearer {self.person_token}"}
        body = {"base": base, "head": head, "commit_message": f"Promote {head} to {base}"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_tls(self.place))) as http,
            http.post(url, json=body, headers=headers) as answer,
        ):
            found = await answer.json()
            if answer.status != 201:
                raise DemoFailed(f"{repository}: merging {head} into {base} was refused: {found.get('message')}")
            return str(found["sha"])


def edited(file: str, old: str, new: str) -> Callable[[Path], None]:
    """A change of one text in one file."""

    def change(tree: Path) -> None:
        path = tree / file
        path.write_text(path.read_text().replace(old, new))

    return change


async def set_up(place: Place) -> Organisation:
    """Everything a platform team has before its first bootstrap. Repeatable only on an empty forge."""
    async with ForgeAdmin(place.forge_url, place.admin_token, place.ca_file) as forge:
        for login in (PERSON, BOT):
            await forge.create_user(login)
        await forge.create_org(ORGANISATION, owners=[PERSON], members=[BOT], base_role="push")
        for repository in REPOSITORIES:
            await forge.create_repository(ORGANISATION, repository)
            await forge.set_collaborator(ORGANISATION, repository, BOT, "admin")  # a token has no more rights than its user
        person_token = await forge.create_classic_token(PERSON)
        bot_token = await forge.create_token(BOT, BOT_PERMISSIONS, owner=ORGANISATION)
        tokens = {use: await forge.create_token(BOT, permissions, owner=ORGANISATION) for use, permissions in TOKENS.items()}
    platform, apps = new_age_key(), new_age_key()
    names = FleetNames(
        organisation=ORGANISATION,
        host=place.forge_host,
        domain="acme.example",
        platform_recipient=platform.recipient,
        apps_recipient=apps.recipient,
        registry=f"{place.registry}/{ORGANISATION}",
        plain_registry=True,
    )
    organisation = Organisation(place, names, person_token, bot_token, secrets.token_hex(20), platform)
    await _publish(organisation, _secrets(organisation, apps, tokens))
    return organisation


def _secrets(organisation: Organisation, apps: AgeKey, tokens: Mapping[str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """What is in the Secrets of the fleet, by namespace and name."""
    place = organisation.place
    ca = {"ca.crt": place.ca_file.read_text()}
    values = {
        ("apps", "sops-age"): {"apps.agekey": apps.identity},
        ("apps", "orders-db"): {"username": "orders", "password": "correct horse battery staple"},
    }
    for tenant in TENANTS:
        values[tenant, "git-auth"] = {"username": BOT, "password": tokens["pull"]} | ca
        values[tenant, "git-push"] = {"username": BOT, "password": tokens["push"]} | ca
        values[tenant, "commit-status"] = {"token": tokens["commit-status"]} | ca
        values[tenant, "chat"] = {"address": f"{place.chat_url}/hook/{tenant}"}
        values[tenant, "webhook"] = {"token": organisation.webhook_token}
    return values


async def call_at_pushes(organisation: Organisation, clusters: Mapping[str, Kube]) -> None:
    """The webhooks of infra and apps, one for each cluster; the path is what each cluster's Receiver says."""
    place = organisation.place
    async with ForgeAdmin(place.forge_url, place.admin_token, place.ca_file) as forge:
        for tenant in TENANTS:
            for name, kube in clusters.items():
                receiver = await kube.get(ObjectRef("notification.toolkit.fluxcd.io/v1", "Receiver", tenant, "push"))
                url = place.webhooks(name) + receiver["status"]["webhookPath"]
                await forge.create_hook(ORGANISATION, tenant, url, organisation.webhook_token)


async def _publish(organisation: Organisation, values: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
    """Writes the three repositories and pushes their branches; publishes charts and images."""
    written = organisation.place.folder / WRITTEN
    shutil.rmtree(written, ignore_errors=True)
    async with Engines() as engines:
        await write_fleet(written, organisation.names, sealing(engines, values))
        for chart in sorted(path for path in (written / CHARTS).iterdir() if path.is_dir()):
            await push_chart(engines, chart, f"{organisation.names.registry}/charts")
    await push_image(f"{organisation.names.registry}/catalog", "2.0.0")
    for repository in REPOSITORIES:
        tree = await organisation.fetched(repository, "main")
        shutil.copytree(written / repository, tree, dirs_exist_ok=True)
        await commit_all(tree, f"Add {repository}", AUTHOR)
        for branch in BRANCHES[repository]:
            await push(tree, organisation.url(repository), branch, organisation.credentials())


async def _difference(git: Session, tree: Path, old: str, new: str) -> str:
    """Files and changed lines, without the lines around them."""
    text = await git.read("diff", "--unified=0", "--no-color", old, new, cwd=tree)
    lines = text.decode().splitlines()
    return "\n".join(f"    {line}" for line in lines if line.startswith(("+", "-")) and not line.startswith("--- "))


def _tls(place: Place) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=place.ca_file)
