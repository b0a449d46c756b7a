"""How the artifact verbs reach a registry: the address, who we are there, and what is tried again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fleetloop.cli.command import flag
from fleetloop.cli.context import Context
from fleetloop.cli.create_source import PROVIDER
from fleetloop.cli.docker_login import docker_keychain
from fleetloop.cli.errors import CliError, UsageError

if TYPE_CHECKING:
    from fleetloop.oci import Keychain, Login, Reference, Registry, Repository

SCHEME = "oci://"
_TRIES = 10
_FIRST_PAUSE, _GROWTH = 1.0, 3  # seconds, and by how much each next one is longer
T = TypeVar("T")


@dataclass(frozen=True)
class LoginFlags:
    """Who we are at the registry."""

    creds: str = flag("--creds", help="credentials as in user:password, or a bearer token; docker login's otherwise")
    provider: str = flag("--provider", type=PROVIDER, default="generic", help="who authenticates")

    async def keychain(self, cx: Context, repository: "Repository") -> "Keychain":
        """⚠ CLI43: credentials without a colon are a bearer token. Raises CliError."""
        from fleetloop.oci import Keychain, Login

        if self.provider != "generic":
            cx.say.action("logging in to registry with provider credentials")
            return Keychain([(repository.host, await self._cloud_login(repository))])
        if not self.creds:
            return await docker_keychain(repository, cx.environment)
        cx.say.action("logging in to registry with credentials")
        username, colon, password = self.creds.partition(":")
        return Keychain([(repository.host, Login(username, password) if colon else Login(bearer=self.creds))])

    async def _cloud_login(self, repository: "Repository") -> "Login":
        """As whoever the cloud's own tools say we are. Raises CliError."""
        from fleetloop import auth
        from fleetloop.oci import Login

        try:
            found = await auth.cloud_registry(self.provider, repository.host).login(auth.OWN_IDENTITY, None)
        except auth.IdentityError as error:
            doing = f"could not login to provider {self.provider} with url {repository}"
            raise CliError(f"error during login with provider: {doing}: {error}") from None
        return Login(found.username, found.password)


@dataclass(frozen=True)
class InsecureFlag:
    """For registries without TLS."""

    insecure: bool = flag("--insecure-registry", help="allow plain HTTP")


@asynccontextmanager
async def registry_for(
    keychain: "Keychain", *, insecure: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator["Registry"]:
    import aiohttp

    from fleetloop.oci import Access, Registry

    async with aiohttp.ClientSession(auto_decompress=False, trust_env=True) as session:
        yield Registry(session, Access(keychain, tls, insecure))


def unverified() -> ssl.SSLContext:
    """TLS with whoever answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reference_of(url: str) -> "Reference":
    """`oci://host/repository[:tag|@digest]`, latest without either. Raises UsageError."""
    from fleetloop.oci import InvalidReference, Reference

    try:
        return Reference.parse(bare(url))
    except InvalidReference as error:
        raise UsageError(f"'{url}' invalid URL: {error}") from None


def bare(url: str) -> str:
    """Without the scheme, which must be there. Raises UsageError."""
    if not url.startswith(SCHEME):
        raise UsageError("URL must be in format 'oci://<domain>/<org>/<repo>'")
    return url.removeprefix(SCHEME)


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """What a registry refuses or breaks off for the moment is tried again, ever more slowly; `--timeout` bounds it all."""
    from fleetloop.oci import ConnectionLost, RegistryBusy

    pause = _FIRST_PAUSE
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except (RegistryBusy, ConnectionLost):
            await asyncio.sleep(pause)
            pause *= _GROWTH
    return await work()
