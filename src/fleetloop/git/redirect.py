"""Where a repository has moved to on its own server. git itself would take the credentials along to any host."""

import asyncio
import ssl
from urllib.parse import urljoin

import aiohttp

from fleetloop.git.address import GitUrl
from fleetloop.git.credentials import Credentials, authorization
from fleetloop.git.errors import InvalidUrl

_SERVICE = "/info/refs?service=git-upload-pack"
_MOVED = frozenset({301, 302, 307, 308})


async def moved_to(url: GitUrl, credentials: Credentials) -> GitUrl | None:
    """The new address on the same scheme, host and port, else None: then the user must decide. Never raises for the network."""
    headers = {"Authorization": authorization(url, credentials), "Git-Protocol": "version=2"}
    trust = await asyncio.to_thread(_trust, credentials.ca)
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(str(url) + _SERVICE, headers=headers, allow_redirects=False, ssl=trust) as answer,
        ):
            location = answer.headers.get("Location", "") if answer.status in _MOVED else ""
    except aiohttp.ClientError:
        return None
    target = urljoin(str(url) + _SERVICE, location).removesuffix(_SERVICE)
    try:
        moved = GitUrl.parse(target)
    except InvalidUrl:
        return None
    return moved if moved.origin == url.origin and moved.path != url.path else None


def _trust(ca: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca.decode())
    return context
