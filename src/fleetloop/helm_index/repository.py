"""Downloads from a chart repository. Credentials go to the repository's own host and port, unless it says otherwise.

Flux: source-kustomize.md 5.2 (passCredentials).
"""

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import aiohttp

from fleetloop.helm_index.errors import AuthenticationFailed, ChartNotFound, InvalidRepositoryUrl, RepositoryUnreachable, TooLarge

_CHUNK = 1 << 18
_REDIRECTS = 5
_NAMES = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found"}


@dataclass(frozen=True, slots=True)
class Access:
    """`pass_credentials`: also to other hosts that the index names. `tls` None: the system's CAs."""

    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    pass_credentials: bool = False


def index_url(repository: str) -> str:
    """Where the index is; the query stays. Raises InvalidRepositoryUrl."""
    parts = _parts(repository)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidRepositoryUrl(f"invalid Helm repository URL: '{repository}' must be http or https with a host")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/index.yaml"))


def resolved(repository: str, url: str) -> str:
    """A chart's address: as it is, or below the repository's, whose query it takes along. Raises InvalidRepositoryUrl."""
    if _parts(url).scheme:
        return url
    base = _parts(repository)
    place = _parts(urljoin(urlunsplit(base._replace(path=base.path.rstrip("/") + "/", query="")), url))
    return urlunsplit(place._replace(query=place.query or base.query))


async def fetch(session: aiohttp.ClientSession, url: str, repository: str, access: Access, into: Path, limit: int) -> str:
    """Writes what is at `url` to the file; its sha256 in hex. `limit` in bytes. Raises HelmRepositoryError."""
    shown = _without_secrets(_parts(url))
    try:
        response = await _send(session, url, repository, access)
        async with response:
            _check(response, shown)
            digest, size = hashlib.sha256(), 0
            with into.open("wb") as file:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise TooLarge(f"{shown}: larger than the limit of {limit} bytes")
                    digest.update(chunk)
                    file.write(chunk)
            return digest.hexdigest()
    except TimeoutError as error:
        raise RepositoryUnreachable(f"{shown}: no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise RepositoryUnreachable(f"{shown}: {error or type(error).__name__}") from error


async def _send(session: aiohttp.ClientSession, url: str, repository: str, access: Access) -> aiohttp.ClientResponse:
    """Follows redirects by hand: credentials do not go along to another host."""
    for _ in range(_REDIRECTS):
        headers = {"Accept-Encoding": "identity"}
        if access.username and access.password and (access.pass_credentials or _same_place(url, repository)):
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        response = await session.get(url, ssl=access.tls or True, allow_redirects=False, headers=headers)
        place = response.headers.get("Location", "")
        if response.status not in {301, 302, 303, 307, 308} or not place:
            return response
        response.release()
        following = urljoin(url, place)
        if _parts(url).scheme == "https" and _parts(following).scheme != "https":
            raise RepositoryUnreachable(f"{_without_secrets(_parts(url))}: refused to follow a redirect from https to http")
        url = following
    raise RepositoryUnreachable(f"{_without_secrets(_parts(url))}: more than {_REDIRECTS} redirects")


def _parts(url: str) -> SplitResult:
    """Raises InvalidRepositoryUrl, showing nothing of it: what cannot be read may have a password anywhere."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # which may be none
    except ValueError:
        raise InvalidRepositoryUrl("invalid URL: host and port cannot be read") from None
    return parts


def _same_place(url: str, repository: str) -> bool:
    one, other = _parts(url), _parts(repository)
    return (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)


def _check(response: aiohttp.ClientResponse, shown: str) -> None:
    if response.status == 200:
        return
    message = f"failed to fetch {shown}: {_NAMES.get(response.status, f'status {response.status}')}"
    if response.status in {401, 403}:
        raise AuthenticationFailed(message)
    if response.status == 404:
        raise ChartNotFound(message)
    raise RepositoryUnreachable(message)


def _without_secrets(parts: SplitResult) -> str:
    """Neither user info nor query: both may hold tokens."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
