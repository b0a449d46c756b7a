"""The demo's organisation on the forge: people, a bot account with just the rights it needs, and the three repositories."""

import shutil
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from fleetloop.engine import Engines
from fleetloop.fleet import AgeKey, FleetNames, new_age_key, sealing, write_fleet
from fleetloop.git import Credentials, GitUrl, Person, clone, commit_all, push
from fleetloop.local.demo.place import DemoFailed, Place
from fleetloop.local.forge import ForgeAdmin

ORGANISATION, PERSON, BOT = "acme", "alex", "fleet-bot"
REPOSITORIES = ("fleet", "infra", "apps")
BRANCHES = {"fleet": ("main",), "infra": ("main", "production"), "apps": ("main", "production")}
BOT_PERMISSIONS = {"administration": "read", "statuses": "write", "contents": "write", "metadata": "read"}
AUTHOR = Person("Alex", "alex@acme.example")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Tokens of the person who commits and of the bot that the clusters use; the platform team's age key."""

    place: Place
    names: FleetNames
    person_token: str
    bot_token: str
    platform_key: AgeKey

    def url(self, repository: str) -> GitUrl:
        return GitUrl.parse(f"{self.place.forge_url}/{ORGANISATION}/{repository}.git")

    def credentials(self) -> Credentials:
        return Credentials(username=PERSON, password=self.person_token, ca=self.place.ca_file.read_bytes())

    async def commit(self, repository: str, message: str, change: Callable[[Path], None]) -> str:
        """A commit on `main`, made in a fresh clone and pushed; gives its hash."""
        tree = self.place.folder / "work" / repository
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        await clone(self.url(repository), "main", tree, self.credentials())
        change(tree)
        sha = await commit_all(tree, message, AUTHOR)
        if sha is None:
            raise DemoFailed(f"{repository}: the change changes nothing")
        await push(tree, self.url(repository), "main", self.credentials())
        return sha

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
        reader = await forge.create_token(BOT, {"contents": "read", "metadata": "read"}, owner=ORGANISATION)
    platform, apps = new_age_key(), new_age_key()
    names = FleetNames(
        organisation=ORGANISATION,
        host=place.forge_host,
        domain="acme.example",
        platform_recipient=platform.recipient,
        apps_recipient=apps.recipient,
    )
    organisation = Organisation(place, names, person_token, bot_token, platform)
    await _publish(organisation, apps, reader)
    return organisation


async def _publish(organisation: Organisation, apps: AgeKey, reader: str) -> None:
    """Writes the three repositories and pushes their branches."""
    place = organisation.place
    git_auth = {"username": BOT, "password": reader, "ca.crt": place.ca_file.read_text()}
    values = {
        ("infra", "git-auth"): git_auth,
        ("apps", "git-auth"): git_auth,
        ("apps", "sops-age"): {"apps.agekey": apps.identity},
        ("apps", "orders-db"): {"username": "orders", "password": "correct horse battery staple"},
    }
    written = place.folder / "fleet-as-written"
    shutil.rmtree(written, ignore_errors=True)
    async with Engines() as engines:
        await write_fleet(written, organisation.names, sealing(engines, values))
    for repository in REPOSITORIES:
        tree = place.folder / "work" / repository
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        await clone(organisation.url(repository), "main", tree, organisation.credentials())
        shutil.copytree(written / repository, tree, dirs_exist_ok=True)
        await commit_all(tree, f"Add {repository}", AUTHOR)
        for branch in BRANCHES[repository]:
            await push(tree, organisation.url(repository), branch, organisation.credentials())


def _tls(place: Place) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=place.ca_file)
