"""What opens a Bucket: its Secret, or its cloud's identity. Flux: source-kustomize.md 4.1."""

from dataclasses import dataclass

from fleetloop import auth, bucket
from fleetloop.access.identities import GateDisabled, Identities
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.source import Bucket
from fleetloop.auth import InvalidSecret, Subject, TokenCache, proxy_access
from fleetloop.auth.proxy import proxy_url
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.kube.client import Kube

Data = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """For the Buckets of one controller."""

    kube: Kube
    identities: Identities
    tokens: TokenCache

    async def open(self, source: Bucket) -> bucket.Opened:
        """Raises FetchFailed, FetchRefused."""
        spec = source.spec
        if spec.sts is not None:
            message = f"spec.sts with provider '{spec.sts.provider}' is not supported in this version"
            raise FetchRefused(reasons.INVALID_STS_CONFIGURATION, message)
        data = await self._secret(source, spec.secret_ref.name) if spec.secret_ref else {}
        certificates = await self._secret(source, spec.cert_secret_ref.name) if spec.cert_secret_ref else {}
        place = bucket.Place(
            spec.bucket_name,
            spec.endpoint,
            spec.region,
            spec.insecure,
            certificates.get("ca.crt", b""),
            await self._proxy(source),
        )
        try:
            return bucket.open_bucket(place, await self._login(source, data))
        except GateDisabled as error:
            raise FetchRefused(reasons.FEATURE_GATE_DISABLED, str(error)) from error
        except auth.IdentityError as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error
        except bucket.BucketError as error:
            raise FetchFailed(reasons.BUCKET_OPERATION_FAILED, str(error)) from error

    async def _login(self, source: Bucket, data: Data) -> bucket.S3Login | bucket.GoogleLogin | bucket.AzureLogin:
        match source.spec.provider:
            case "gcp":
                return _google(source, data)
            case "azure":
                return _azure(data)
            case "aws" if not data:
                return await self._by_identity(source)
            case _:
                return _keys(source, data)

    async def _by_identity(self, source: Bucket) -> bucket.S3Login:
        spec = source.spec
        identity = await self.identities.of(source.namespace, spec.service_account_name)
        key = ("aws", identity.cache_key, spec.region, None)
        subject = Subject(source.kind, source.name, source.namespace, "reconcile")
        found = await self.tokens.get(key, lambda: auth.aws_credentials(identity, spec.region), subject)
        return bucket.S3Login(found.access_key, found.secret_key, found.session_token)

    async def _proxy(self, source: Bucket) -> str:
        ref = source.spec.proxy_secret_ref
        if ref is None:
            return ""
        try:
            return proxy_url(proxy_access(await self._secret(source, ref.name)))
        except InvalidSecret as error:
            message = f"failed to get proxy address: invalid proxy secret '{source.namespace}/{ref.name}': {error}"
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, message) from error

    async def _secret(self, source: Bucket, name: str) -> Data:
        try:
            return await read_secret(self.kube, source.namespace, name)
        except SecretUnavailable as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error


def _keys(source: Bucket, data: Data) -> bucket.S3Login:
    if not data:
        return bucket.S3Login()
    if not (data.get("accesskey") and data.get("secretkey")):
        raise _invalid(source, "required fields 'accesskey' and 'secretkey'")
    return bucket.S3Login(_text(data, "accesskey"), _text(data, "secretkey"))


def _google(source: Bucket, data: Data) -> bucket.GoogleLogin:
    if data and not data.get("serviceaccount"):
        raise _invalid(source, "required field 'serviceaccount'")
    return bucket.GoogleLogin(_text(data, "serviceaccount"))


def _azure(data: Data) -> bucket.AzureLogin:
    return bucket.AzureLogin(
        account_key=_text(data, "accountKey"),
        sas_key=_text(data, "sasKey"),
        tenant_id=_text(data, "tenantId"),
        client_id=_text(data, "clientId"),
        client_secret=_text(data, "clientSecret"),
        authority_host=_text(data, "authorityHost"),
    )


def _text(data: Data, key: str) -> str:
    return data.get(key, b"").decode(errors="replace").strip()


def _invalid(source: Bucket, what: str) -> FetchFailed:
    name = source.spec.secret_ref.name if source.spec.secret_ref else ""
    message = f"invalid '{source.namespace}/{name}' secret data: {what}"
    return FetchFailed(reasons.AUTHENTICATION_FAILED, message)
