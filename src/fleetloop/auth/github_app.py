"""A GitHub App's installation token: the App's key signs a short JWT, which buys the token. Also for GitHub Enterprise.

Flux: helm-notification-image.md 1.7, source-kustomize.md 3.2.
"""

import asyncio
import datetime
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from fleetloop.auth.errors import IdentityError
from fleetloop.auth.git_credentials import InvalidSecret, ProxyAccess, SecretData, text_of
from fleetloop.auth.http import JsonHttp, json_http
from fleetloop.auth.tls import tls_context
from fleetloop.auth.tokens import Token

GITHUB = "https://api.github.com"
USERNAME = "x-access-token"  # with which the token is a password of Git
_CLOCK_SKEW, _JWT_LIFETIME = 60, 540  # seconds; GitHub takes ten minutes at most
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class GitHubApp:
    """`installation` is a number, or the `owner` is looked up. `ca`: PEM, beside the system's."""

    app_id: str
    private_key: str = field(repr=False)
    installation: str = ""
    owner: str = ""
    base_url: str = GITHUB
    ca: bytes = b""
    client_cert: bytes = b""
    client_key: bytes = field(default=b"", repr=False)

    @property
    def cache_key(self) -> tuple[str, ...]:
        secret = hashlib.sha256(self.private_key.encode() + self.ca + self.client_cert + self.client_key).hexdigest()
        return (self.base_url, self.app_id, self.installation, self.owner, secret)


def github_app(data: SecretData) -> GitHubApp:
    """From a Secret's data. Raises InvalidSecret."""
    names = ("ID", "PrivateKey", "InstallationID", "InstallationOwner", "BaseURL")
    app_id, key, installation, owner, base_url = (text_of(data, f"githubApp{name}").strip() for name in names)
    for name, value in (("githubAppID", app_id), ("githubAppPrivateKey", key)):
        if not value:
            raise InvalidSecret(f"'{name}' is required")
    if bool(installation) == bool(owner):
        problem = "only one of" if owner else "one of"
        raise InvalidSecret(f"{problem} 'githubAppInstallationID' and 'githubAppInstallationOwner' must be set")
    if installation and not (installation.isdigit() and installation.isascii() and len(installation) <= _DIGITS):
        raise InvalidSecret("'githubAppInstallationID' is not a number")
    certificate, certificate_key = data.get("tls.crt", b""), data.get("tls.key", b"")
    if bool(certificate) != bool(certificate_key):
        raise InvalidSecret("'tls.crt' and 'tls.key' are required together")
    return GitHubApp(
        app_id,
        key,
        installation,
        owner,
        _base_url(base_url or GITHUB),
        data.get("ca.crt", b"") or data.get("caFile", b""),
        certificate,
        certificate_key,
    )


async def installation_token(app: GitHubApp, proxy: ProxyAccess | None = None, now: Callable[[], float] = time.time) -> Token:
    """Raises IdentityError, InvalidSecret when the key or a certificate cannot be read."""
    trust = await asyncio.to_thread(tls_context, app.ca, app.client_cert, app.client_key)
    headers = {
        "Authorization": f"Bearer {app_jwt(app, now())}",
        "Accept": "application/vnd.github+json",
        "User-Agent": "fleetloop",
    }
    async with json_http(proxy, trust, headers) as http:
        installation = app.installation or await _installation_of(http, app)
        path = f"/app/installations/{installation}/access_tokens"
        status, answer = await http.exchange("POST", app.base_url + path)
    if status != 201 or not isinstance(answer.get("token"), str):
        raise IdentityError(f"failed to get a token for installation {installation} of the GitHub App: {_said(status, answer)}")
    try:
        expires = datetime.datetime.fromisoformat(str(answer.get("expires_at"))).timestamp()
    except ValueError:
        expires = now()  # used once, never kept
    return Token(answer["token"], expires)


def app_jwt(app: GitHubApp, now: float) -> str:
    """Raises InvalidSecret."""
    import jwt

    claims = {"iat": int(now) - _CLOCK_SKEW, "exp": int(now) + _JWT_LIFETIME, "iss": app.app_id}
    try:
        return jwt.encode(claims, app.private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise InvalidSecret("'githubAppPrivateKey' is not a private RSA key in PEM form") from None


async def _installation_of(http: JsonHttp, app: GitHubApp) -> str:
    path = f"{quote(app.owner, safe='')}/installation"
    status, answer = await http.exchange("GET", f"{app.base_url}/orgs/{path}")
    if status == 404:
        status, answer = await http.exchange("GET", f"{app.base_url}/users/{path}")
    if status == 200 and isinstance(answer.get("id"), int):
        return str(answer["id"])
    raise IdentityError(f"failed to find the GitHub App's installation for owner '{app.owner}': {_said(status, answer)}")


def _said(status: int, answer: dict[str, Any]) -> str:
    message = "".join(char for char in str(answer.get("message", "")) if char.isprintable())[:300]
    return f"HTTP {status} {message}".rstrip()


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or not text.isprintable():
        raise InvalidSecret("'githubAppBaseURL' must be an http or https URL without user info")
    return text.rstrip("/")
