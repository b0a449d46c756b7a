"""HTTP to one forge: its base URL, token, TLS roots and the translation of its errors.

Credentials go to the forge's own host and nowhere else: a redirect to another host is an error, not followed.
"""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp

from fleetloop.forge.errors import AlreadyOnForge, ForgeDenied, ForgeError, ForgeRefused, ForgeUnreachable, NotOnForge

ANSWER_LIMIT = 8 * 1024 * 1024  # bytes
REDIRECT_LIMIT = 3
SHOWN = 500  # characters of a forge's error
REQUEST_TIMEOUT, CONNECT_TIMEOUT = 60.0, 30.0  # seconds
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A forge's answer, whatever its status."""

    request: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def said(self) -> str:
        """The forge's own words about an error, on one line."""
        if not isinstance(self.body, dict):
            return str(self.body or "").strip()[:SHOWN]
        details = "; ".join(filter(None, map(_detail, self.body.get("errors") or [])))
        message = self.body.get("message") or self.body.get("error_description") or self.body.get("error") or ""
        return " ".join(filter(None, [_text(message), f"({details})" if details else ""]))[:SHOWN]

    def raise_for_status(self) -> None:
        if self.status < 300:
            return
        if self.status in (401, 403):
            raise ForgeDenied(self.request, self.status, self.said, self.headers.get("X-Accepted-GitHub-Permissions", ""))
        if self.status == 404:
            raise NotOnForge(self.request, self.said)
        if self.status in (400, 409, 422) and "already" in self.said:
            raise AlreadyOnForge(self.request, self.status, self.said)
        raise ForgeRefused(self.request, self.status, self.said)


class Http(Protocol):
    """Requests to one forge. `read` may be called at any time; `write` is what changes something there."""

    async def read(self, path: str, accept: str = JSON) -> Answer: ...
    async def write(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer: ...
    async def probe(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        """A request that cannot succeed and so changes nothing: its refusal tells whether it was allowed."""
        ...


class ForgeHttp:
    """The real one. Use as `async with ForgeHttp.open(...) as http`."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session, self._base_url = session, base_url

    @classmethod
    @asynccontextmanager
    async def open(
        cls, base_url: str, authorization: str, ca_pem: bytes = b"", *, header: str = "Authorization"
    ) -> AsyncIterator["ForgeHttp"]:
        """`base_url` ends in "/"; `authorization` is the whole value of `header`.

        The CA is added to the system's, and proxies of the environment are honoured with it too (bootstrap ⚠ 26).
        """
        headers = {header: authorization, "User-Agent": "fleetloop", "Accept": JSON}
        limits = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, connect=CONNECT_TIMEOUT)
        connector = aiohttp.TCPConnector(ssl=_tls(ca_pem))
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=limits, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield cls(session, base_url)

    async def read(self, path: str, accept: str = JSON) -> Answer:
        return await self._exchange("GET", path, None, accept)

    async def write(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        return await self._exchange(method, path, body, JSON)

    async def probe(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        return await self._exchange(method, path, body, JSON)

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None, accept: str) -> Answer:
        url = urljoin(self._base_url, path.removeprefix("/"))
        for _ in range(REDIRECT_LIMIT):
            answer = await self._once(method, url, body, accept)
            if answer.status not in (301, 302, 307, 308):
                return answer
            url = self._same_host(url, answer.headers.get("Location", ""), answer.request)
        raise ForgeUnreachable(f"{method} {url}: too many redirects")

    async def _once(self, method: str, url: str, body: Mapping[str, Any] | None, accept: str) -> Answer:
        request = f"{method} {url}"
        try:
            async with self._session.request(
                method, url, json=body, headers={"Accept": accept}, allow_redirects=False
            ) as response:
                raw = await _bounded(response, request)
                return Answer(request, response.status, response.headers, _parsed(raw))
        except TimeoutError:
            raise ForgeUnreachable(f"{request}: no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ForgeUnreachable(f"{request}: {error}") from error

    def _same_host(self, url: str, location: str, request: str) -> str:
        target = urljoin(url, location)
        if urlsplit(target)[:2] != urlsplit(self._base_url)[:2]:
            raise ForgeUnreachable(f"{request}: redirected to another host ({urlsplit(target).netloc}), not followed")
        return target


async def _bounded(response: aiohttp.ClientResponse, request: str) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(65536):
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise ForgeUnreachable(f"{request}: the answer is longer than {ANSWER_LIMIT} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:  # a proxy's error page, or a text answer
        return raw.decode(errors="replace")


def _text(message: Any) -> str:
    """GitLab tells by field: `{"path": ["has already been taken"]}`."""
    if isinstance(message, dict):
        return "; ".join(f"{field} {_text(said)}" for field, said in message.items())
    return ", ".join(map(str, message)) if isinstance(message, list) else str(message)


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(str(error[k]) for k in ("field", "code") if error.get(k)))


def _tls(ca_pem: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_pem:
        try:
            context.load_verify_locations(cadata=ca_pem.decode())
        except (ssl.SSLError, ValueError) as error:
            raise ForgeError(f"the CA file holds no usable PEM certificate: {error}") from None
    return context
