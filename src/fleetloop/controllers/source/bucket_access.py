"""What opens a Bucket: its Secret, or its cloud's identity. Flux: source-kustomize.md 4.1."""

import asyncio
import re
from dataclasses import dataclass

from fleetloop import auth, bucket
from fleetloop.access.identities import GateDisabled, Identities
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.source import Bucket, BucketSpec, BucketSTS
from fleetloop.auth import OWN_IDENTITY, InvalidSecret, ProxyAccess, Subject, TokenCache, proxy_access
from fleetloop.auth.ldap_sts import LdapLogin, ldap_credentials
from fleetloop.auth.proxy import proxy_url
from fleetloop.auth.tls import tls_context
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.kube.client import Kube

Data = dict[str, bytes]
_READ = "https://www.googleapis.com/auth/devstorage.read_only"
_AZURE = re.compile(
    r"https://[a-z0-9-]+(?:\.z[0-9]+)?\.blob\."
    r"(?:core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|storage\.azure\.net)/?"
)


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """For the Buckets of one controller."""

    kube: Kube
    identities: Identities
    tokens: TokenCache

    async def open(self, source: Bucket) -> bucket.Opened:
        """Raises FetchFailed, FetchRefused."""
        spec = source.spec
        check_sts(spec)
        data = await self._secret(source, spec.secret_ref.name) if spec.secret_ref else {}
        with_ca = spec.cert_secret_ref if spec.provider in {"generic", "aws"} else None
        certificates = await self._secret(source, with_ca.name) if with_ca else {}
        proxy = await self._proxy(source)
        place = bucket.Place(
            spec.bucket_name,
            spec.endpoint,
            spec.region,
            spec.insecure,
            certificates.get("ca.crt", b""),
            proxy_url(proxy) if proxy else "",
        )
        try:
            return bucket.open_bucket(place, await self._login(source, data, proxy))
        except GateDisabled as error:
            raise FetchRefused(reasons.FEATURE_GATE_DISABLED, str(error)) from error
        except auth.IdentityError as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error
        except bucket.BucketError as error:
            raise FetchFailed(reasons.BUCKET_OPERATION_FAILED, str(error)) from error

    async def _login(
        self, source: Bucket, data: Data, proxy: ProxyAccess | None
    ) -> bucket.S3Login | bucket.GoogleLogin | bucket.AzureLogin:
        spec = source.spec
        match spec.provider:
            case "gcp":
                return _google(source, data) if spec.secret_ref else await self._by_google(source, proxy)
            case "azure":
                return await (self._by_azure_secret(source, data, proxy) if spec.secret_ref else self._by_azure(source, proxy))
            case "aws" if not data:
                return await self._by_identity(source)
            case "generic" if spec.sts and not data:
                return await self._by_ldap(source, spec.sts, proxy)
            case _:
                return _keys(source, data)

    async def _by_identity(self, source: Bucket) -> bucket.S3Login:
        spec = source.spec
        identity = await self.identities.of(source.namespace, spec.service_account_name)
        endpoint = spec.sts.endpoint if spec.sts else ""
        key = ("aws", identity.cache_key, spec.region, None, endpoint)
        found = await self.tokens.get(key, lambda: auth.aws_credentials(identity, spec.region, None, endpoint), _subject(source))
        return bucket.S3Login(found.access_key, found.secret_key, found.session_token)

    async def _by_google(self, source: Bucket, proxy: ProxyAccess | None) -> bucket.GoogleLogin:
        identity = await self.identities.of(source.namespace, source.spec.service_account_name)
        through = None if identity is OWN_IDENTITY else proxy  # a node tells its own token over plain HTTP
        key = ("gcp", identity.cache_key, _READ, through)
        found = await self.tokens.get(key, lambda: auth.gcp_token(identity, (_READ,), through), _subject(source))
        return bucket.GoogleLogin(token=found.value)

    async def _by_azure(self, source: Bucket, proxy: ProxyAccess | None) -> bucket.AzureLogin:
        """Anonymous without an identity. The controller's own is for Azure alone: tenants write endpoints and proxies."""
        identity = await self.identities.of(source.namespace, source.spec.service_account_name)
        through = None if identity is OWN_IDENTITY else proxy
        if identity is OWN_IDENTITY and not _AZURE.fullmatch(source.spec.endpoint):
            return bucket.AzureLogin()
        key = ("azure", identity.cache_key, auth.STORAGE_SCOPE, through)
        try:
            found = await self.tokens.get(key, lambda: auth.azure_token(identity, auth.STORAGE_SCOPE, through), _subject(source))
        except auth.SdkMissing:
            raise
        except auth.IdentityError:
            if identity is OWN_IDENTITY:
                return bucket.AzureLogin()
            raise
        return bucket.AzureLogin(token=found.value)

    async def _by_azure_secret(self, source: Bucket, data: Data, proxy: ProxyAccess | None) -> bucket.AzureLogin:
        if data.get("accountKey"):
            return bucket.AzureLogin(account_key=_text(data, "accountKey"))
        if data.get("sasKey"):
            return bucket.AzureLogin(sas_key=_text(data, "sasKey"))
        login = _azure_client(source, data)
        key = ("azure", login, auth.STORAGE_SCOPE, proxy)
        found = await self.tokens.get(key, lambda: auth.azure_client_token(login, auth.STORAGE_SCOPE, proxy), _subject(source))
        return bucket.AzureLogin(token=found.value)

    async def _by_ldap(self, source: Bucket, sts: BucketSTS, proxy: ProxyAccess | None) -> bucket.S3Login:
        """Raises FetchFailed, IdentityError."""
        assert sts.secret_ref  # it was checked
        data = await self._secret(source, sts.secret_ref.name)
        login = LdapLogin(sts.endpoint, _text(data, "username"), _text(data, "password"))
        if not (login.username and login.password):
            what = "secret data for the 'ldap' STS provider: required fields 'username' and 'password'"
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, f"invalid '{source.namespace}/{sts.secret_ref.name}' {what}")
        certificates = await self._secret(source, sts.cert_secret_ref.name) if sts.cert_secret_ref else {}
        pair = (certificates.get("ca.crt", b""), certificates.get("tls.crt", b""), certificates.get("tls.key", b""))
        try:
            trust = await asyncio.to_thread(tls_context, *pair)
        except InvalidSecret as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, f"spec.sts.certSecretRef: {error}") from error
        key = ("ldap", login.endpoint, login.username, login.password, pair, proxy)
        found = await self.tokens.get(key, lambda: ldap_credentials(login, trust, proxy), _subject(source))
        return bucket.S3Login(found.access_key, found.secret_key, found.session_token)

    async def _proxy(self, source: Bucket) -> ProxyAccess | None:
        ref = source.spec.proxy_secret_ref
        if ref is None:
            return None
        try:
            return proxy_access(await self._secret(source, ref.name))
        except InvalidSecret as error:
            message = f"failed to get proxy address: invalid proxy secret '{source.namespace}/{ref.name}': {error}"
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, message) from error

    async def _secret(self, source: Bucket, name: str) -> Data:
        try:
            return await read_secret(self.kube, source.namespace, name)
        except SecretUnavailable as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error


def check_sts(spec: BucketSpec) -> None:
    """The rules of the definition, for who was let in without them. Flux: 4.1. Raises FetchRefused."""
    sts = spec.sts
    if sts is None:
        return
    wanted = {"aws": "aws", "generic": "ldap"}.get(spec.provider, "")
    if not wanted:
        problem = "STS configuration is only supported for the 'aws' and 'generic' Bucket providers"
    elif sts.provider != wanted:
        problem = f"'{wanted}' is the only supported STS provider for the '{spec.provider}' Bucket provider"
    elif sts.provider == "aws" and sts.secret_ref:
        problem = "spec.sts.secretRef is not required for the 'aws' STS provider"
    elif sts.provider == "aws" and sts.cert_secret_ref:
        problem = "spec.sts.certSecretRef is not required for the 'aws' STS provider"
    elif sts.provider == "ldap" and not sts.secret_ref and not spec.secret_ref:
        problem = "spec.sts.secretRef is required for the 'ldap' STS provider"
    else:
        return
    raise FetchRefused(reasons.INVALID_STS_CONFIGURATION, problem)


def _subject(source: Bucket) -> Subject:
    return Subject(source.kind, source.name, source.namespace, "reconcile")


def _keys(source: Bucket, data: Data) -> bucket.S3Login:
    if not data:
        return bucket.S3Login()
    if not (data.get("accesskey") and data.get("secretkey")):
        raise _invalid(source, "required fields 'accesskey' and 'secretkey'")
    return bucket.S3Login(_text(data, "accesskey"), _text(data, "secretkey"))


def _google(source: Bucket, data: Data) -> bucket.GoogleLogin:
    if not data.get("serviceaccount"):
        raise _invalid(source, "required field 'serviceaccount'")
    return bucket.GoogleLogin(_text(data, "serviceaccount"))


def _azure_client(source: Bucket, data: Data) -> auth.AzureClient:
    login = auth.AzureClient(
        _text(data, "tenantId"),
        _text(data, "clientId"),
        _text(data, "clientSecret"),
        data.get("clientCertificate", b""),
        _text(data, "clientCertificatePassword"),
        _text(data, "clientCertificateSendChain").lower() in {"1", "t", "true"},
        _text(data, "authorityHost"),
    )
    if login.certificate and not (login.tenant and login.client):
        raise _invalid(source, "'clientCertificate' needs 'tenantId' and 'clientId'")
    is_of_node = not (login.secret or login.certificate)
    if not login.client or is_of_node is bool(login.tenant):
        forms = "'tenantId', 'clientId' and 'clientSecret' or 'clientCertificate'; 'clientId'; 'accountKey'; 'sasKey'"
        raise _invalid(source, f"required fields are one of: {forms}")
    if is_of_node and (source.spec.proxy_secret_ref or not _AZURE.fullmatch(source.spec.endpoint)):
        raise _invalid(source, "a managed identity is for endpoints of Azure alone, without a proxy")
    return login


def _text(data: Data, key: str) -> str:
    return data.get(key, b"").decode(errors="replace").strip()


def _invalid(source: Bucket, what: str) -> FetchFailed:
    name = source.spec.secret_ref.name if source.spec.secret_ref else ""
    message = f"invalid '{source.namespace}/{name}' secret data: {what}"
    return FetchFailed(reasons.AUTHENTICATION_FAILED, message)
