"""Requests to providers: whom they may reach, through which proxy, with which trust; and what an answer means.

Redirects are not followed: credentials belong to one host. Link-local addresses are not reached: clouds serve their machines'
credentials there, and an Alert's events would show them to whoever wrote the Provider.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from fleetloop import __version__
from fleetloop.auth.proxy import proxy_url
from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.runtime.service_map import ServiceMapResolver

SHOWN = 512  # characters of an answer in an error
_ANSWER_LIMIT = 4 << 20  # bytes
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_UNSENT = ("Accept", "Accept-Encoding")
JSON = {"Content-Type": "application/json"}
# Of clouds, where their metadata are not at a link-local address: AWS and Google by IPv6, Alibaba, Azure, Oracle.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        return self.body[: 4 * SHOWN].decode(errors="replace")[:SHOWN].strip()


class Http:
    """One client for all providers; `Access` makes the difference."""

    def __init__(self, session: aiohttp.ClientSession, resolver: ServiceMapResolver | None = None) -> None:
        self._session, self._resolver = session, resolver

    @classmethod
    @asynccontextmanager
    async def open(cls, service_map: Path | None) -> AsyncIterator["Http"]:
        resolver = ServiceMapResolver(service_map) if service_map else None
        connector = aiohttp.TCPConnector(
            limit=0, resolver=resolver, use_dns_cache=resolver is None, socket_factory=_guarded_socket
        )
        jar = aiohttp.DummyCookieJar()  # of all tenants
        async with aiohttp.ClientSession(connector=connector, trust_env=resolver is None, cookie_jar=jar) as session:
            yield cls(session, resolver)

    async def send(self, access: Access, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """An answer of 2xx. Raises DeliveryFailed, TryAgain."""
        answer = await self.ask(access, method, url, headers, body)
        if 200 <= answer.status < 300:
            return answer
        kind = TryAgain if answer.status in _BUSY else DeliveryFailed
        raise kind(f"request failed with status code {answer.status}, {answer.text}")

    async def ask(self, access: Access, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Any answer but a busy one. Raises DeliveryFailed, TryAgain."""
        _check(url)
        try:
            async with self._client(access) as (session, options):
                request = session.request(
                    method,
                    _target(url, headers),
                    data=body or None,
                    headers={"User-Agent": f"fleetloop/{__version__}", **headers},
                    skip_auto_headers=_UNSENT if body or "Content-Type" in headers else (*_UNSENT, "Content-Type"),
                    allow_redirects=False,
                    **options,
                )
                async with request as response:
                    answer = Answer(response.status, await _bounded(response))
        except aiohttp.InvalidURL:
            raise DeliveryFailed("the address is no URL") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryAgain(f"failed to reach {_host(url)}: {_reason(error)}") from None
        if answer.status in _BUSY:
            raise TryAgain(f"request failed with status code {answer.status}, {answer.text}")
        return answer

    @asynccontextmanager
    async def _client(self, access: Access) -> AsyncIterator[tuple[aiohttp.ClientSession, dict[str, Any]]]:
        options: dict[str, Any] = {"ssl": access.tls} if access.tls else {}
        proxy = access.proxy
        if proxy and proxy.address.startswith("socks5"):
            from aiohttp_socks import ProxyConnector

            connector = ProxyConnector.from_url(proxy_url(proxy).replace("socks5h", "socks5", 1), rdns=True)
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
                yield session, options
            return
        if proxy:
            options["proxy"] = proxy.address
            if proxy.username:
                options["proxy_headers"] = {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.username, proxy.password)}
        yield self._session, options


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _ANSWER_LIMIT:
            break
    return bytes(body)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        raise DeliveryFailed("the address must be an http or https URL")


def _target(url: str, headers: Mapping[str, str]) -> URL:
    """A header beats the credentials of an address, which the library would refuse to have beside it."""
    found = URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)
    return found.with_user(None) if any(name.lower() == "authorization" for name in headers) else found


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or ""


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or type(error.os_error).__name__
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return type(error).__name__


def _guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """The address that a name was resolved to, so that no name leads around the rule."""
    family, kind, protocol, _, address = info
    ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
    ip = (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
    if ip.is_link_local or ip in _METADATA:
        raise OSError(1, "link-local addresses are not reached")
    return socket.socket(family, kind, protocol)
