"""A registry's HTTP API: resolve, list, pull and push. Speaks the OCI distribution specification; retries and caches nothing.

Credentials go to the registry and to the token service it names, never along with a redirect.
"""

import asyncio
import base64
import errno
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
import orjson
from aiohttp_socks import ProxyConnector, ProxyError
from yarl import URL

from fleetloop.oci.content import ACCEPTED, OCI_INDEX, Descriptor, Manifest, digest_of
from fleetloop.oci.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ContentMismatch,
    NotFound,
    OciError,
    RegistryBusy,
    RegistryError,
    RegistryUnreachable,
)
from fleetloop.oci.keychain import Keychain, Login
from fleetloop.oci.reference import Reference, Repository, is_digest, is_tag

USER_AGENT = "flux/v2"  # source-kustomize.md 3.5: registries tell traffic apart by it
LARGEST_MANIFEST = 8 << 20
LARGEST_PAGE = 32 << 20
MOST_TAGS, MOST_PAGES = 200_000, 4000
TAGS_A_PAGE = 1000
_CHUNK = 1 << 18
_REDIRECTS = 5
_PASSING = {408, 500, 502, 503, 504}
_LOST = {errno.ECONNRESET, errno.EPIPE}
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Access:
    """How registries are reached. `insecure`: plain HTTP is tried where HTTPS is not spoken. `tls` None: the system's CAs."""

    keychain: Keychain = field(default_factory=Keychain)
    tls: ssl.SSLContext | None = None
    insecure: bool = False
    proxy: str = field(default="", repr=False)


ANONYMOUS = Access()


class Registry:
    """One session's view of registries, for one pass: tokens and schemes that were found out are used again."""

    def __init__(self, session: aiohttp.ClientSession, access: Access = ANONYMOUS) -> None:
        self._session, self._access = session, access
        self._schemes: dict[str, str] = {}
        self._tokens: dict[tuple[Repository, str], str] = {}

    async def resolve(self, reference: Reference) -> str:
        """The digest a reference stands for now. Raises OciError."""
        if reference.digest:
            return reference.digest
        async with self._request("HEAD", reference.repository, f"manifests/{reference.selector}", headers=_ACCEPT) as response:
            digest = response.headers.get("Docker-Content-Digest", "")
            if response.status == 200 and is_digest(digest):
                return digest
        return (await self.manifest(reference)).digest

    async def manifest(self, reference: Reference) -> Manifest:
        """Raises OciError; ContentMismatch when a digest was asked for and another content came."""
        async with self._request("GET", reference.repository, f"manifests/{reference.selector}", headers=_ACCEPT) as response:
            await _check(response, f"manifest {reference}")
            raw = await _limited(response, LARGEST_MANIFEST, f"manifest {reference}")
            manifest = Manifest.parse(raw, response.content_type)
        if reference.digest and not _matches(raw, reference.digest):
            raise ContentMismatch(f"manifest {reference}: the content has the digest {manifest.digest}")
        return manifest

    async def image(self, reference: Reference) -> Manifest:
        """As `manifest`; of an index the entry for our platform."""
        manifest = await self.manifest(reference)
        if not manifest.is_index:
            return manifest
        return await self.manifest(reference.repository.at(manifest.for_platform().digest))

    async def tags(self, repository: Repository) -> list[str]:
        """All of them, in the registry's order; what is no tag, and could not be pulled, is left out. Raises OciError."""
        found: list[str] = []
        path = f"tags/list?n={TAGS_A_PAGE}"
        for _ in range(MOST_PAGES):
            async with self._request("GET", repository, path) as response:
                await _check(response, f"tags of {repository}")
                page = await _limited(response, LARGEST_PAGE, f"tags of {repository}")
                found += await asyncio.to_thread(_tags_of, page, f"tags of {repository}")
                path = _next_page(response, repository)
            if len(found) > MOST_TAGS:
                raise ContentMismatch(f"tags of {repository}: more than {MOST_TAGS}")
            if not path:
                return found
        raise ContentMismatch(f"tags of {repository}: more than {MOST_PAGES} pages")

    async def referrers(self, repository: Repository, digest: str) -> tuple[Descriptor, ...]:
        """Manifests that name this one as their subject: by the API, else by the tag that stands in for it. Raises OciError."""
        async with self._request("GET", repository, f"referrers/{digest}", headers={"Accept": OCI_INDEX}) as response:
            if response.status == 200 and response.content_type == OCI_INDEX:
                raw = await _limited(response, LARGEST_MANIFEST, f"referrers of {repository}@{digest}")
                return Manifest.parse(raw, OCI_INDEX).manifests
            if response.status not in {400, 404, 405, 501}:
                await _check(response, f"referrers of {repository}@{digest}")
        try:
            return (await self.manifest(repository.tagged(digest.replace(":", "-")))).manifests
        except NotFound:
            return ()

    async def blob(self, repository: Repository, digest: str, out: BinaryIO, limit: int) -> int:
        """Writes a blob of at most `limit` bytes to `out`; its size. Raises OciError; what was written is then worthless."""
        algorithm, _, expected = digest.partition(":")
        if algorithm not in {"sha256", "sha512"}:
            raise ContentMismatch(f"blob {digest}: unknown digest algorithm")
        sum_, size = hashlib.new(algorithm), 0
        async with self._request("GET", repository, f"blobs/{digest}") as response:
            await _check(response, f"blob {repository}@{digest}")
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ContentMismatch(f"blob {repository}@{digest} is larger than {limit} bytes")
                sum_.update(chunk)
                out.write(chunk)
        if sum_.hexdigest() != expected:
            raise ContentMismatch(f"blob {repository}@{digest}: the content has another digest")
        return size

    async def push_blob(self, repository: Repository, data: bytes) -> tuple[str, int]:
        """Digest and size; nothing is sent that is there already. Raises OciError."""
        digest = digest_of(data)
        async with self._request("HEAD", repository, f"blobs/{digest}", push=True) as response:
            if response.status == 200:
                return digest, len(data)
        async with self._request("POST", repository, "blobs/uploads/", push=True) as response:
            await _check(response, f"upload to {repository}")
            place = urljoin(str(response.url), response.headers.get("Location", ""))
        mark = "&" if "?" in place else "?"
        headers = {"Content-Type": "application/octet-stream"}
        url = f"{place}{mark}digest={quote(digest, safe='')}"
        async with self._request("PUT", repository, url, push=True, headers=headers, data=data) as response:
            await _check(response, f"upload to {repository}")
        return digest, len(data)

    async def push_manifest(self, reference: Reference, raw: bytes, media_type: str) -> str:
        """The digest it has there. Raises OciError."""
        headers = {"Content-Type": media_type}
        path = f"manifests/{reference.selector}"
        async with self._request("PUT", reference.repository, path, push=True, headers=headers, data=raw) as response:
            await _check(response, f"push of {reference}")
        return digest_of(raw)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        repository: Repository,
        path: str,
        *,
        push: bool = False,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """`path` below the repository, or a whole URL of the same registry."""
        base = f"{await self._scheme(repository)}://{repository.api_host}/v2/{repository.name}/"
        url = path if "://" in path else base + path
        scope = "push,pull" if push else "pull"
        with _translated(repository):
            response = await self._send(method, repository, url, scope, headers or {}, data)
            if response.status == 401:
                challenge, home = response.headers.get("WWW-Authenticate", ""), URL(base).host_port_subcomponent
                response.release()
                if (asking := response.url.host_port_subcomponent) != home:  # and would name itself as the token service
                    raise AuthenticationFailed(f"{repository}: '{asking}', where the registry leads to, asks for a login")
                self._tokens[repository, scope] = await self._authorize(repository, challenge, scope)
                response = await self._send(method, repository, url, scope, headers or {}, data)
        with _translated(repository):
            async with response:
                yield response

    async def _send(
        self, method: str, repository: Repository, url: str, scope: str, headers: dict[str, str], data: bytes | None
    ) -> aiohttp.ClientResponse:
        """Follows redirects, without credentials where they lead elsewhere."""
        authorization = self._tokens.get((repository, scope), "")
        for _ in range(_REDIRECTS):
            sent = {"User-Agent": USER_AGENT, **headers}
            if authorization and urlsplit(url).netloc == repository.api_host:
                sent["Authorization"] = authorization
            response = await self._session.request(method, url, headers=sent, data=data, **self._options)
            place = response.headers.get("Location", "")
            if response.status not in {301, 302, 303, 307, 308} or not place:
                return response
            response.release()
            following = urljoin(url, place)
            if urlsplit(url).scheme == "https" and urlsplit(following).scheme != "https":
                raise RegistryError(f"{repository}: refused to follow a redirect from https to http")
            url = following
        raise RegistryError(f"{repository}: more than {_REDIRECTS} redirects")

    @property
    def _options(self) -> dict[str, Any]:
        """Of every request. Redirects are followed here or not at all: the library would take credentials along."""
        return {"ssl": self._access.tls or True, "proxy": self._access.proxy or None, "allow_redirects": False}

    async def _scheme(self, repository: Repository) -> str:
        """HTTPS, and HTTP only where that is asked for or usual and HTTPS is not spoken."""
        host = repository.api_host
        if host in self._schemes:
            return self._schemes[host]
        scheme = "https"  # kept when it is known: another request may come meanwhile
        if self._access.insecure or repository.may_be_plain:
            try:
                async with self._session.get(f"https://{host}/v2/", **self._options):
                    pass
            except aiohttp.ClientConnectorCertificateError:
                pass  # HTTPS is spoken: its certificate must be good
            except (aiohttp.ClientError, ProxyError, OSError):
                scheme = "http"
        self._schemes[host] = scheme
        return scheme

    async def _authorize(self, repository: Repository, challenge: str, scope: str) -> str:
        """The Authorization header a challenge asks for. Raises AuthenticationFailed."""
        login = self._access.keychain.login_for(repository)
        kind, _, rest = challenge.partition(" ")
        if login.bearer:
            return f"Bearer {login.bearer}"
        if kind.lower() == "basic":
            if not login.username:
                raise AuthenticationFailed(f"{repository}: authentication required")
            return _basic(login)
        if kind.lower() != "bearer":
            raise AuthenticationFailed(f"{repository}: authentication required, by a method we do not know")
        found = dict(_CHALLENGE.findall(rest))
        realm = found.get("realm", "")
        scheme = _scheme_of(realm)
        if scheme not in {"https", "http"} or (scheme == "http" and await self._scheme(repository) == "https"):
            raise AuthenticationFailed(f"{repository}: the token service is not at a secure address")
        return f"Bearer {await self._fetch_token(repository, realm, found.get('service', ''), scope, login)}"

    async def _fetch_token(self, repository: Repository, realm: str, service: str, scope: str, login: Login) -> str:
        wanted = {"service": service, "scope": f"repository:{repository.name}:{scope}"}
        headers = {"User-Agent": USER_AGENT}
        if login.token:
            form = wanted | {"grant_type": "refresh_token", "refresh_token": login.token, "client_id": "fleetloop"}
            asked = self._session.post(realm, data=form, headers=headers, **self._options)
        else:
            if login.username:
                headers["Authorization"] = _basic(login)
            asked = self._session.get(realm, params=wanted, headers=headers, **self._options)
        async with asked as response:
            if response.status != 200:
                raise AuthenticationFailed(f"{repository}: the token service answered with status {response.status}")
            try:
                answer = orjson.loads(await _limited(response, 1 << 20, "token"))
                token = answer.get("token") or answer.get("access_token")
            except (orjson.JSONDecodeError, AttributeError):
                token = None
        if not isinstance(token, str) or not token or not token.isprintable():
            raise AuthenticationFailed(f"{repository}: the token service gave no token")
        return token


@asynccontextmanager
async def reached(session: aiohttp.ClientSession, access: Access) -> AsyncIterator[Registry]:
    """As `Registry`, also behind a SOCKS5 proxy, which takes connections of its own. The proxy resolves names."""
    if not access.proxy.startswith("socks5"):
        yield Registry(session, access)
        return
    connector = ProxyConnector.from_url(access.proxy.replace("socks5h://", "socks5://", 1), rdns=True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as through:
        yield Registry(through, replace(access, proxy=""))


_ACCEPT = {"Accept": ACCEPTED}


def _scheme_of(url: str) -> str:
    """ "" for what is no URL with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme if parts.hostname else ""
    except ValueError:
        return ""


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


@contextmanager
def _translated(repository: Repository) -> Iterator[None]:
    """Errors of the HTTP library as ours, naming the registry and no URL with credentials."""
    try:
        yield
    except TimeoutError as error:
        raise RegistryUnreachable(f"{repository}: no answer in time") from error
    except (aiohttp.ClientError, ProxyError, OSError) as error:
        lost = isinstance(error, aiohttp.ServerDisconnectedError) or getattr(error, "errno", 0) in _LOST
        failure = ConnectionLost if lost else RegistryUnreachable
        raise failure(f"{repository}: {error or type(error).__name__}") from error


async def _check(response: aiohttp.ClientResponse, what: str) -> None:
    """Raises the error that a status means."""
    if response.status < 400:
        return
    reasons = _reasons(await _limited(response, 1 << 16, what, cut=True))
    if response.status in {401, 403}:
        raise AuthenticationFailed(f"{what}: {_named(response.status)}{reasons}")
    if response.status == 404:
        raise NotFound(f"{what}: {_named(response.status)}{reasons}")
    failure = RegistryBusy if response.status in _PASSING else RegistryError
    raise failure(f"{what}: {_named(response.status)}{reasons}")


def _named(status: int) -> str:
    names = {401: "UNAUTHORIZED", 403: "DENIED", 404: "not found", 429: "TOOMANYREQUESTS"}
    return names.get(status, f"the registry answered with status {status}")


def _reasons(body: bytes) -> str:
    """What the registry says in the form of the specification."""
    try:
        errors = orjson.loads(body)["errors"]
        texts = [f"{one.get('code', '')}: {one.get('message', '')}" for one in errors]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({'; '.join(texts)})"[:500] if texts else ""


async def _limited(response: aiohttp.ClientResponse, limit: int, what: str, *, cut: bool = False) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            if cut:
                return body[:limit]
            _too_large(what, limit)
    return body


def _tags_of(page: bytes, what: str) -> list[str]:
    """Raises ContentMismatch."""
    try:
        tags = orjson.loads(page).get("tags") or []
    except (orjson.JSONDecodeError, AttributeError):
        tags = None
    if not isinstance(tags, list):
        raise ContentMismatch(f"{what}: the registry's answer is no list of tags")
    return [tag for tag in tags if isinstance(tag, str) and is_tag(tag)]


def _too_large(what: str, limit: int) -> NoReturn:
    raise ContentMismatch(f"{what} is larger than {limit} bytes")


def _matches(raw: bytes, digest: str) -> bool:
    algorithm, _, expected = digest.partition(":")
    return hashlib.new(algorithm, raw).hexdigest() == expected


def _next_page(response: aiohttp.ClientResponse, repository: Repository) -> str:
    """The link to more, of the same registry only; "" for none."""
    following = response.links.get("next")
    link = following.get("url") if following else None
    if link is None:
        return ""
    place = urljoin(str(response.url), str(link))
    if urlsplit(place).netloc != urlsplit(str(response.url)).netloc:
        raise OciError(f"tags of {repository}: the next page is at another host")
    return place


def pushed_manifest(
    config: bytes, layers: Iterable[tuple[str, str, int]], annotations: dict[str, str], config_type: str
) -> bytes:
    """The JSON of an OCI manifest; `layers`: media type, digest, size."""
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": config_type, "size": len(config), "digest": digest_of(config)},
        "layers": [{"mediaType": kind, "size": size, "digest": digest} for kind, digest, size in layers],
    }
    return orjson.dumps(document | ({"annotations": annotations} if annotations else {}))
