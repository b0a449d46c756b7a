"""Buckets of Google and Azure: as whom they are read. Their stores are found through a proxy, by their own names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.objects import Manifest, ObjectRef
from tests.e2e.source.conftest import Tenant, condition, flags, ready
from tests.e2e.source.test_helm_charts import apply, until
from tests.kit.cloud_buckets import CloudBucket, cloud_bucket
from tests.kit.clouds import CLIENT, PROVIDER, TENANT
from tests.kit.proxies import ProxyServer, http_proxy
from tests.kit.tls import Authority

pytestmark = pytest.mark.asyncio(loop_scope="package")
HOSTS = {"gcp": "storage.googleapis.com", "azure": "team.blob.core.windows.net"}
ANNOTATIONS = {
    "gcp": {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER},
    "azure": {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": CLIENT},
}


@dataclass
class Stores:
    """The stores of both clouds, as the controller finds them through the proxy of the Secret `proxy`."""

    tenant: Tenant
    proxy: ProxyServer
    stores: dict[str, CloudBucket]

    async def bucket(self, provider: str, **spec: Any) -> ObjectRef:
        place = {"bucketName": "team", "endpoint": f"https://{HOSTS[provider]}", "proxySecretRef": {"name": "proxy"}}
        return await apply(self.tenant, "Bucket", "app", **{"provider": provider, "timeout": "20s"} | place | spec)

    async def account(self, provider: str) -> dict[str, str]:
        metadata = {"name": "reader", "namespace": self.tenant.name, "annotations": ANNOTATIONS[provider]}
        await self.tenant.world.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        return {"serviceAccountName": "reader"}

    async def until(self, ref: ObjectRef, status: str, reason: str = "") -> Manifest:
        return await until(self.tenant, ref, ready(status, reason))


@asynccontextmanager
async def trusting(tenant: Tenant, authority: Path) -> AsyncIterator[None]:
    """The controller, for a while, with this authority in place of the system's."""
    controller = tenant.world.controller
    usual = controller.environment
    controller.environment = {**usual, "SSL_CERT_FILE": str(authority)}
    try:
        async with flags(tenant, *controller.flags):
            yield
            controller.environment = usual
    finally:
        controller.environment = usual


@pytest_asyncio.fixture(loop_scope="package")
async def stores(tenant: Tenant, tmp_path: Path) -> AsyncIterator[Stores]:
    await tenant.world.kube.apply(crd_of(kind_named("Bucket")))
    authority, file = Authority(), tmp_path / "ca.pem"
    file.write_bytes(authority.ca)
    contexts = {provider: authority.server_context(tmp_path, host) for provider, host in HOSTS.items()}
    async with (
        http_proxy() as proxy,
        cloud_bucket("gcp", contexts["gcp"]) as google,
        cloud_bucket("azure", contexts["azure"]) as azure,
        trusting(tenant, file),
    ):
        made = Stores(tenant, proxy, {"gcp": google, "azure": azure})
        proxy.names["sts.googleapis.com:443"] = tenant.world.clouds.google
        for provider, host in HOSTS.items():
            proxy.names[f"{host}:443"] = made.stores[provider].address
        await tenant.secret("proxy", {"address": proxy.address})
        yield made


@pytest.mark.parametrize(("provider", "token"), [("gcp", "gcp-federated"), ("azure", "azure-token")])
async def test_the_service_account_reads(stores: Stores, provider: str, token: str) -> None:
    stores.tenant.world.clouds.azure_token = "azure-token"
    stores.stores[provider].token = token
    before = len(stores.tenant.world.clouds.asked(provider))
    ref = await stores.bucket(provider, **await stores.account(provider))
    await stores.until(ref, "True")
    asked = stores.tenant.world.clouds.asked(provider)[before:]
    assert {one["claims"]["sub"] for one in asked} == {f"system:serviceaccount:{stores.tenant.name}:reader"}


@pytest.mark.parametrize("provider", HOSTS)
async def test_without_the_gate_it_stalls(stores: Stores, provider: str) -> None:
    """4.3, and nothing is asked for as nobody."""
    async with flags(stores.tenant):
        ref = await stores.bucket(provider, **await stores.account(provider))
        obj = await stores.until(ref, "False", "FeatureGateDisabled")
    assert condition(obj, "Stalled")["status"] == "True" and stores.stores[provider].logins == []


async def test_the_controllers_own_identity_at_google(stores: Stores) -> None:
    """The node tells its token over plain HTTP: not by way of a tenant's proxy."""
    stores.stores["gcp"].token = "gcp-node"
    await stores.until(await stores.bucket("gcp"), "True")
    assert set(stores.proxy.targets) == {"storage.googleapis.com:443"}


async def test_azure_without_an_identity_is_anonymous(stores: Stores) -> None:
    await stores.until(await stores.bucket("azure"), "True")
    assert set(stores.stores["azure"].logins) == {""}


def certificate(password: bytes = b"") -> bytes:
    """A certificate of RSA with its key, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    pair = Authority().pair()
    known = x509.load_pem_x509_certificate(pair.cert)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, known.not_valid_before_utc, known.not_valid_after_utc)
    cert = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return cert + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


async def test_azure_by_a_clients_certificate(stores: Stores) -> None:
    """4.1: PEM with its key, its password, and an authority of its own."""
    clouds = stores.tenant.world.clouds
    clouds.azure_token = stores.stores["azure"].token = "azure-token"
    data = {"tenantId": TENANT, "clientId": CLIENT, "clientCertificate": certificate(b"open sesame")}
    await stores.tenant.secret("client", {**data, "authorityHost": clouds.url, "clientCertificatePassword": "wr0ng"})
    ref = await stores.bucket("azure", secretRef={"name": "client"})
    obj = await stores.until(ref, "False", "AuthenticationFailed")
    assert "wr0ng" not in str(obj)
    await stores.tenant.secret("client", {**data, "authorityHost": clouds.url, "clientCertificatePassword": "open sesame"})
    await stores.until(ref, "True")
    assert clouds.asked("azure")[-1]["claims"]["iss"] == CLIENT


async def test_azure_by_a_clients_secret(stores: Stores) -> None:
    """Asked for where the Secret says, with what it holds."""
    clouds = stores.tenant.world.clouds
    clouds.azure_token = stores.stores["azure"].token = "azure-token"
    data = {"tenantId": TENANT, "clientId": CLIENT, "clientSecret": "s3cret", "authorityHost": clouds.url}
    await stores.tenant.secret("client", data)
    await stores.until(await stores.bucket("azure", secretRef={"name": "client"}), "True")
    assert clouds.asked("azure")[-1]["client_secret"] == "s3cret"


@pytest.mark.parametrize(
    ("provider", "data", "endpoint", "told"),
    [
        ("gcp", {"key": "x"}, "", "required field 'serviceaccount'"),
        ("azure", {"accountkey": "x"}, "", "required fields are one of: 'tenantId'"),
        ("azure", {"clientCertificate": "x"}, "", "'clientCertificate' needs 'tenantId' and 'clientId'"),
        ("azure", {"clientId": CLIENT}, "https://evil.example", "a managed identity is for endpoints of Azure alone"),
        ("azure", {"clientId": CLIENT}, r"https://evil.example\.blob.core.windows.net", "a managed identity is for endpoints"),
    ],
)
async def test_secrets_that_open_nothing(stores: Stores, provider: str, data: dict[str, str], endpoint: str, told: str) -> None:
    await stores.tenant.secret("cloud", data)
    ref = await stores.bucket(provider, secretRef={"name": "cloud"}, **{"endpoint": endpoint} if endpoint else {})
    obj = await stores.until(ref, "False", "AuthenticationFailed")
    assert told in condition(obj, "Ready")["message"] and stores.stores[provider].logins == []
