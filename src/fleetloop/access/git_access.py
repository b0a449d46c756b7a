"""What opens a GitRepository's server: its Secret's keys, a GitHub App's token, or a cloud's, through its proxy.

Flux: source-kustomize.md 3.2. Asked at every pass; tokens come from a cache for most of their lifetime.
"""

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleetloop import auth, git
from fleetloop.access.identities import GateDisabled, Identities
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.source import GitRepository
from fleetloop.auth import InvalidSecret, ProxyAccess, Subject, TokenCache, codecommit, github_app
from fleetloop.kube.client import Kube

_OPTIONS = "failed to configure authentication options"
_DEVOPS, _OLD_DEVOPS = "dev.azure.com", ".visualstudio.com"
_TOKEN_TIMEOUT = 60.0  # seconds for a token, all waits of its fetching together

SecretData = Mapping[str, bytes]


class AccessFailed(Exception):
    """Tried again. `reason`: the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AccessRefused(AccessFailed):
    """Only a change of the GitRepository can help."""


@dataclass(frozen=True, slots=True)
class GitAccess:
    """For the GitRepositories of one controller."""

    kube: Kube
    identities: Identities
    tokens: TokenCache
    now: Callable[[], datetime.datetime]

    async def credentials(self, repo: GitRepository, url: git.GitUrl) -> git.Credentials:
        """Raises AccessFailed, AccessRefused."""
        spec = repo.spec
        _check_provider(repo)
        proxy = await self._proxy(repo)
        data = await self._secret(repo, spec.secret_ref.name) if spec.secret_ref else {}
        _check_data(repo, data)
        try:
            async with asyncio.timeout(_TOKEN_TIMEOUT):
                found = await self._by_provider(repo, url, data, proxy)
            found = dataclasses.replace(found, proxy=git.Proxy(**dataclasses.asdict(proxy)) if proxy else None)
            return await asyncio.to_thread(git.unlocked, url, found)
        except GateDisabled as error:
            raise AccessRefused(reasons.FEATURE_GATE_DISABLED, str(error)) from error
        except TimeoutError as error:
            message = f"{_OPTIONS}: no token within {_TOKEN_TIMEOUT:g}s"
            raise AccessFailed(reasons.AUTHENTICATION_FAILED, message) from error
        except (InvalidSecret, auth.IdentityError, git.GitError) as error:
            raise AccessFailed(reasons.AUTHENTICATION_FAILED, f"{_OPTIONS}: {error}") from error

    async def _by_provider(
        self, repo: GitRepository, url: git.GitUrl, data: SecretData, proxy: ProxyAccess | None
    ) -> git.Credentials:
        """Raises GateDisabled, InvalidSecret, IdentityError."""
        match repo.spec.provider:
            case "github":
                return await self._by_github_app(repo, data, proxy)
            case "azure":
                return await self._by_azure(repo, url, data, proxy)
            case "aws":
                return await self._by_aws(repo, url, data, proxy)
            case _:
                return _plain(auth.git_access(data, url.scheme, bool(url.username)))

    async def _by_github_app(self, repo: GitRepository, data: SecretData, proxy: ProxyAccess | None) -> git.Credentials:
        app = github_app.github_app(data)
        key = ("github", *app.cache_key, proxy)
        token = await self.tokens.get(key, lambda: github_app.installation_token(app, proxy), _subject(repo))
        return _with_tls(data, username=github_app.USERNAME, password=token.value)

    async def _by_azure(
        self, repo: GitRepository, url: git.GitUrl, data: SecretData, proxy: ProxyAccess | None
    ) -> git.Credentials:
        if url.username or url.password:
            raise InvalidSecret("basic auth and bearer token cannot be set at the same time")
        identity = await self.identities.of(repo.namespace, repo.spec.service_account_name)
        if identity is auth.OWN_IDENTITY:
            data = _guarded(url, data, proxy)
        key = ("azure", identity.cache_key, auth.DEVOPS_SCOPE, proxy)
        token = await self.tokens.get(key, lambda: auth.azure_token(identity, auth.DEVOPS_SCOPE, proxy), _subject(repo))
        return _with_tls(data, bearer_token=token.value)

    async def _by_aws(self, repo: GitRepository, url: git.GitUrl, data: SecretData, proxy: ProxyAccess | None) -> git.Credentials:
        region = codecommit.region_of(url.scheme, url.host)
        identity = await self.identities.of(repo.namespace, repo.spec.service_account_name)
        key = ("aws", identity.cache_key, region, proxy)
        found = await self.tokens.get(key, lambda: auth.aws_credentials(identity, region, proxy), _subject(repo))
        username, password = codecommit.basic_auth(found, url.host, url.path, self.now())
        return _with_tls(data, username=username, password=password)

    async def _proxy(self, repo: GitRepository) -> ProxyAccess | None:
        ref = repo.spec.proxy_secret_ref
        if ref is None:
            return None
        options = "failed to configure proxy options"
        try:
            return auth.proxy_access(await read_secret(self.kube, repo.namespace, ref.name))
        except SecretUnavailable as error:
            raise AccessFailed(reasons.AUTHENTICATION_FAILED, f"{options}: {error}") from error
        except InvalidSecret as error:
            message = f"{options}: invalid proxy secret '{repo.namespace}/{ref.name}': {error}"
            raise AccessFailed(reasons.AUTHENTICATION_FAILED, message) from error

    async def _secret(self, repo: GitRepository, name: str) -> dict[str, bytes]:
        try:
            return await read_secret(self.kube, repo.namespace, name)
        except SecretUnavailable as error:
            raise AccessFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error


def _check_provider(repo: GitRepository) -> None:
    """Before anything is read. Raises AccessRefused."""
    if repo.spec.provider == "github" and not repo.spec.secret_ref:
        message = "secretRef with github app data must be specified when provider is set to github"
        raise AccessRefused(reasons.INVALID_PROVIDER_CONFIGURATION, message)


def _check_data(repo: GitRepository, data: SecretData) -> None:
    """A GitHub App's Secret and its provider belong together. Raises AccessFailed."""
    name = f"{repo.namespace}/{repo.spec.secret_ref.name if repo.spec.secret_ref else ''}"
    is_app = auth.has_github_app(data)
    if is_app and repo.spec.provider != "github":
        message = f"secretRef '{name}' has github app data but provider is not set to github"
        raise AccessFailed(reasons.INVALID_PROVIDER_CONFIGURATION, message)
    if repo.spec.provider == "github" and not is_app:
        message = f"secretRef '{name}' must have github app data when provider is set to github"
        raise AccessFailed(reasons.INVALID_PROVIDER_CONFIGURATION, message)


def _guarded(url: git.GitUrl, data: SecretData, proxy: ProxyAccess | None) -> SecretData:
    """The controller's own token opens whatever it may read: it goes to Azure DevOps and to nobody else, whatever tenants
    write, nor does a tenant's certificate authority count at the end of a tenant's proxy. Raises InvalidSecret.
    """
    if url.scheme != "https" or not (url.host == _DEVOPS or url.host.endswith(_OLD_DEVOPS)):
        allowed = f"https://{_DEVOPS} and https://*{_OLD_DEVOPS}"
        raise InvalidSecret(
            f"the controller's own identity is for {allowed} alone, set spec.serviceAccountName for '{url.origin}'"
        )
    return {} if proxy else data


def _plain(access: auth.GitAccess) -> git.Credentials:
    return git.Credentials(**dataclasses.asdict(access))


def _with_tls(data: SecretData, *, username: str = "", password: str = "", bearer_token: str = "") -> git.Credentials:
    """A token, and of the Secret what belongs to TLS."""
    tls = {key: value for key, value in data.items() if key in {"ca.crt", "caFile", "tls.crt", "tls.key"}}
    access = _plain(auth.git_access(tls, "https"))
    return dataclasses.replace(access, username=username, password=password, bearer_token=bearer_token)


def _subject(repo: GitRepository) -> Subject:
    return Subject(repo.kind, repo.name, repo.namespace, "reconcile")
