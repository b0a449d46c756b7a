"""What a Kustomization's encrypted files are opened with: the keys of its Secret, and identities for what the Secret lacks.

Flux: source-kustomize.md 8.5. An identity is the ServiceAccount that spec.decryption names, else the default one of the
flag, else the controller's own. Vaults are logged in to only where the operator's ConfigMap lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import yaml

from fleetloop.access.token_requests import ServiceAccount, own_account, request_token
from fleetloop.api import names
from fleetloop.api.kustomize import Kustomization
from fleetloop.auth import (
    OWN_IDENTITY,
    AwsCredentials,
    IdentityError,
    Subject,
    Token,
    TokenCache,
    WorkloadIdentity,
    aws_credentials,
    azure_token,
    gcp_token,
)
from fleetloop.auth.vault import vault_token
from fleetloop.build import BuildError
from fleetloop.build.decryption import Lack, LogIn
from fleetloop.controllers.kustomize.failures import BuildFailed, FeatureGateDisabled
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.steps import data_of
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, BadConnection, ServerFailed, Unreachable
from fleetloop.kube.objects import ObjectRef, annotations_of
from fleetloop.runtime.config_watches import Reader

VAULT_CONFIG = "config.yaml"
AZURE_SCOPES = {  # a vault's domain -> what a token is for; engine/internal/secrets/azure.go
    ".vault.azure.net": "https://vault.azure.net/.default",
    ".managedhsm.azure.net": "https://managedhsm.azure.net/.default",
    ".vault.azure.cn": "https://vault.azure.cn/.default",
    ".managedhsm.azure.cn": "https://managedhsm.azure.cn/.default",
    ".vault.usgovcloudapi.net": "https://vault.usgovcloudapi.net/.default",
    ".managedhsm.usgovcloudapi.net": "https://managedhsm.usgovcloudapi.net/.default",
}


def check_decryption(kustomization: Kustomization, settings: KustomizeSettings) -> None:
    """Raises FeatureGateDisabled for a ServiceAccount that the controller was not told to honour."""
    decryption = kustomization.spec.decryption
    gate = names.WORKLOAD_IDENTITY_GATE
    if decryption and decryption.service_account_name and not settings.gate(gate):
        raise FeatureGateDisabled(f"spec.decryption.serviceAccountName needs the feature gate {gate} of the controller")


@dataclass(frozen=True, slots=True)
class DecryptionAccess:
    """`namespace`: the controller's. Everything is read with the controller's identity."""

    kube: Kube
    reader: Reader
    settings: KustomizeSettings
    namespace: str
    session: aiohttp.ClientSession
    tokens: TokenCache

    async def keys(self, ks: Kustomization) -> dict[str, bytes] | None:
        """The decryption keys by Secret key name; None when decryption is not configured. Raises BuildFailed."""
        decryption = ks.spec.decryption
        if decryption is None:
            return None
        if decryption.secret_ref:
            return await self._secret(ks.namespace, decryption.secret_ref.name)
        if name := self.settings.sops_age_secret:
            found = await self._secret(self.namespace, name)
            return {key: value for key, value in found.items() if key.endswith(".agekey")}
        return {}

    def log_in(self, ks: Kustomization) -> LogIn:
        """Credentials of the object's identity, for services that the Secret has none for."""

        async def log_in(lack: Lack) -> Mapping[str, str] | None:
            try:
                return await self._credentials(ks, lack)
            except IdentityError as error:
                raise BuildError(str(error)) from error
            except (ApiError, Unreachable, BadConnection) as error:
                raise BuildError(f"identity for {lack.service}: {getattr(error, 'message', error)}") from error

        return log_in

    async def _secret(self, namespace: str, name: str) -> dict[str, bytes]:
        ref = ObjectRef("v1", "Secret", namespace, name)
        try:
            return data_of(await self.reader.get(ref))
        except ServerFailed:
            raise  # it says nothing about the Secret
        except ApiError as error:
            raise BuildFailed(f"error decrypting sources: decryption secret '{namespace}/{name}': {error.message}") from error

    async def _credentials(self, ks: Kustomization, lack: Lack) -> Mapping[str, str] | None:
        subject = Subject("Kustomization", ks.name, ks.namespace, f"decrypt_with_{lack.service}")
        if lack.service == "vault":
            return await self._vault(ks, lack.address, subject)
        identity = await self._identity(ks)
        key = (lack.service, *identity.cache_key)
        match lack.service:
            case "aws":
                found = await self.tokens.get((*key, lack.region), lambda: aws_credentials(identity, lack.region), subject)
                return _as_arguments(found)
            case "azure":
                scope = _azure_scope(lack.address)
                token = await self.tokens.get((*key, scope), lambda: azure_token(identity, scope), subject)
            case "gcp":
                token = await self.tokens.get(key, lambda: gcp_token(identity), subject)
            case _:
                return None
        return {"accessToken": token.value}

    def _account(self, ks: Kustomization) -> ServiceAccount | None:
        decryption = ks.spec.decryption
        named = decryption.service_account_name if decryption else ""
        name = named or self.settings.default_decryption_service_account
        return ServiceAccount(ks.namespace, name) if name else None

    async def _identity(self, ks: Kustomization) -> WorkloadIdentity:
        account = self._account(ks)
        if account is None:
            return OWN_IDENTITY
        manifest = await self.kube.get(ObjectRef("v1", "ServiceAccount", account.namespace, account.name))

        async def token(audience: str) -> str:
            return (await request_token(self.kube, account, (audience,)))[0]

        return WorkloadIdentity(annotations_of(manifest), token, account.namespace, account.name)

    async def _vault(self, ks: Kustomization, address: str, subject: Subject) -> Mapping[str, str] | None:
        if not self.settings.sops_vault_configmap:
            return None
        listed, login_path = await self._instance(address)
        account = self._account(ks) or await own_account(self.kube)

        async def fetch() -> Token:
            jwt, _ = await request_token(self.kube, account, (listed,))
            return await vault_token(self.session, listed, login_path, f"{account.namespace}_{account.name}", jwt)

        key = ("vault", listed, login_path, account)
        return {"token": (await self.tokens.get(key, fetch, subject)).value}

    async def _instance(self, address: str) -> tuple[str, str]:
        """The address as the operator lists it, and where to log in: a document alone sends us nowhere. Raises BuildError."""
        ref = ObjectRef("v1", "ConfigMap", self.namespace, self.settings.sops_vault_configmap)
        manifest = await self.reader.get(ref)
        try:
            config = yaml.safe_load((manifest.get("data") or {}).get(VAULT_CONFIG) or "{}")
            listed = [(str(one["address"]), str(one["loginPath"])) for one in config.get("instances") or []]
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            raise BuildError(f"{ref}: '{VAULT_CONFIG}' must have instances with address and loginPath") from None
        for instance in listed:
            if instance[0].rstrip("/") == address.rstrip("/"):
                return instance
        raise BuildError(f"Vault address '{address}' is not among the instances of {ref}")


def _as_arguments(found: AwsCredentials) -> Mapping[str, str]:
    return {
        "accessKeyId": found.access_key,
        "secretAccessKey": found.secret_key,
        "sessionToken": found.session_token,
    }


def _azure_scope(vault: str) -> str:
    """The engine names vaults in these domains alone."""
    host = urlsplit(vault).hostname or ""
    return next(scope for domain, scope in AZURE_SCOPES.items() if host.endswith(domain))
