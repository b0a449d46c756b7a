"""Where a repository has moved to on its own server. git itself would take the credentials along to any host."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp

from fleetloop.git.address import GitUrl
from fleetloop.git.credentials import Credentials, Proxy, authorization
from fleetloop.git.errors import InvalidUrl
from fleetloop.git.program import PLAIN_GIT, Git, session

_SERVICE = "/info/refs?service=git-upload-pack"
_MOVED = frozenset({301, 302, 307, 308})


async def moved_to(url: GitUrl, credentials: Credentials, *, git: Git = PLAIN_GIT) -> GitUrl | None:
    """The new address on the same scheme, host and port, else None: then the user must decide. Never raises for the network."""
    headers = {"Authorization": authorization(url, credentials), "Git-Protocol": "version=2"}
    async with session(git, url, credentials) as files:
        trust = await asyncio.to_thread(_trust, files.home)
    try:
        async with (
            _through(credentials.proxy, trust) as http,
            http.get(str(url) + _SERVICE, headers=headers, allow_redirects=False) as answer,
        ):
            location = answer.headers.get("Location", "") if answer.status in _MOVED else ""
    except (aiohttp.ClientError, OSError):
        return None
    target = urljoin(str(url) + _SERVICE, location).removesuffix(_SERVICE)
    try:
        moved = GitUrl.parse(target)
    except InvalidUrl:
        return None
    return moved if moved.origin == url.origin and moved.path != url.path else None


def _trust(home: Path) -> ssl.SSLContext:
    """By the files that git itself was given."""
    ca, certificate = home / "ca.pem", home / "tls.crt"
    context = ssl.create_default_context(cafile=ca if ca.exists() else None)
    if certificate.exists():
        context.load_cert_chain(certificate, home / "tls.key", password=b"")
    return context


@asynccontextmanager
async def _through(proxy: Proxy | None, trust: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """A proxy given wins; else those of the environment count, as for git. Raises aiohttp.ClientError, OSError."""
    if proxy is None or not proxy.is_socks:
        connector = aiohttp.TCPConnector(ssl=trust)
        options: dict[str, Any] = {"proxy": proxy.url()} if proxy else {"trust_env": True}
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), **options) as http:
            yield http
        return
    from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

    plain = proxy.url().replace("socks5h://", "socks5://", 1)
    try:
        connector = ProxyConnector.from_url(plain, rdns=True, ssl=trust)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield http
    except (ProxyError, ProxyConnectionError, ProxyTimeoutError):
        raise aiohttp.ClientConnectionError("the socks5 proxy does not connect") from None
