"""JSON over HTTP for token requests: through a proxy or not, never to another host, and errors that show no secret."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from fleetloop.auth.errors import IdentityError
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.proxy import proxy_url

_LIMITS = aiohttp.ClientTimeout(total=30, connect=10, sock_connect=10)
_ANSWER_BYTES = 1 << 20


class JsonHttp:
    """`options` of each request: its headers (a session's own would be shown to the proxy too), and what it must know of a proxy,
    whose password travels apart from its address, which errors show."""

    def __init__(self, session: aiohttp.ClientSession, options: Mapping[str, Any]) -> None:
        self._session, self._options = session, options

    async def exchange(self, method: str, url: str, body: str | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer, empty when it is no JSON object. Raises IdentityError."""
        status, raw = await self.exchange_bytes(method, url, body)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None  # a proxy's error page
        return status, answer if isinstance(answer, dict) else {}

    async def exchange_bytes(self, method: str, url: str, body: str | None = None) -> tuple[int, bytes]:
        """Status and the start of the answer. A redirect is an answer. Raises IdentityError."""
        try:
            async with self._session.request(method, url, data=body, allow_redirects=False, **self._options) as response:
                return response.status, await _start_of(response.content)
        except TimeoutError:
            raise IdentityError(f"{method} {url}: no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise IdentityError(f"{method} {url}: {error or type(error).__name__}") from None


@asynccontextmanager
async def json_http(proxy: ProxyAccess | None, trust: ssl.SSLContext, headers: Mapping[str, str]) -> AsyncIterator[JsonHttp]:
    """A proxy given wins; else those of the environment count. Raises IdentityError for a SOCKS5 proxy that does not connect."""
    from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

    if proxy and proxy.address.startswith("socks5://"):
        url, options = proxy_url(proxy).replace("socks5h", "socks5", 1), {"headers": headers}
        connector: aiohttp.TCPConnector = ProxyConnector.from_url(url, rdns=True, ssl=trust)
    else:
        connector, options = aiohttp.TCPConnector(ssl=trust), _proxied(proxy, headers)
    async with aiohttp.ClientSession(
        connector=connector, timeout=_LIMITS, trust_env=proxy is None, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        try:
            yield JsonHttp(session, options)
        except (ProxyError, ProxyConnectionError, ProxyTimeoutError) as error:
            raise IdentityError(f"socks5 proxy: {error}") from None


def _proxied(proxy: ProxyAccess | None, headers: Mapping[str, str]) -> dict[str, Any]:
    if proxy is None:
        return {"headers": headers}
    login = {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.username, proxy.password)} if proxy.username else {}
    return {"headers": headers, "proxy": proxy.address, "proxy_headers": login}


async def _start_of(content: aiohttp.StreamReader) -> bytes:
    raw = b""
    async for chunk in content.iter_chunked(1 << 16):
        raw += chunk
        if len(raw) > _ANSWER_BYTES:
            break
    return raw
