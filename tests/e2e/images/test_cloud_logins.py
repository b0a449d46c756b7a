"""ImageRepository at the registries of clouds: who asks for the login, where it is used. Flux: helm-notification-image.md 4.1.

The clouds' addresses are known to a proxy alone, which leads to small servers that speak their protocols.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleetloop.kube import ObjectRef
from tests.e2e.images.reflector import Reflector, reflector
from tests.kit.cloud_registries import ACR, ECR, GAR, add_exchange
from tests.kit.clouds import CLIENT, PROVIDER, ROLE, TENANT, Clouds, running_clouds
from tests.kit.cluster import Cluster
from tests.kit.conditions import condition, ready
from tests.kit.proxies import ProxyServer, http_proxy
from tests.kit.registry import Door, cloud_door
from tests.kit.tls import Authority

GATE = "ObjectLevelWorkloadIdentity"
Knows = Callable[[str, str], bool]


@dataclass(frozen=True)
class Cloud:
    """`annotations` of the ServiceAccount that may pull; `knows` its login."""

    host: str
    annotations: dict[str, str]
    knows: Knows


CLOUDS = {
    "aws": Cloud(ECR, {"eks.amazonaws.com/role-arn": ROLE}, lambda user, password: (user, password) == ("AWS", "password-ecr")),
    "azure": Cloud(
        ACR,
        {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": CLIENT},
        lambda user, password: user == "00000000-0000-0000-0000-000000000000" and password.startswith("e30."),
    ),
    "gcp": Cloud(
        GAR,
        {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER},
        lambda user, password: (user, password) == ("oauth2accesstoken", "gcp-federated"),
    ),
}


@dataclass(frozen=True)
class World:
    scans: Reflector
    clouds: Clouds
    proxy: ProxyServer
    authority: Authority
    folder: Path

    @asynccontextmanager
    async def registry(self, host: str, knows: Knows) -> AsyncIterator[Door]:
        """The cloud's, with tags of `team/app`."""
        await self.scans.push("1.0.0", "1.1.0")
        tls = self.authority.server_context(self.folder, host)
        async with cloud_door(self.scans.repository.host, tls, knows, add_exchange) as door:
            self.proxy.names[f"{host}:443"] = door.address
            yield door

    async def account(self, name: str, annotations: dict[str, str], **fields: Any) -> None:
        metadata = {"name": name, "namespace": self.scans.namespace, "annotations": annotations}
        await self.scans.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, **fields})

    async def repository(self, image: str, **spec: Any) -> ObjectRef:
        metadata = {"name": "proxy", "namespace": self.scans.namespace}
        address = {"address": self.proxy.address}
        await self.scans.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": address})
        spec = {"image": image, "interval": "1h", "timeout": "40s", "proxySecretRef": {"name": "proxy"}} | spec
        return await self.scans.apply("ImageRepository", "app", **spec)

    def subjects(self, provider: str) -> set[str]:
        """Who the cloud was asked as."""
        return {str(one["claims"].get("sub")) for one in self.clouds.asked(provider)}


@pytest.fixture
def flags() -> tuple[str, ...]:
    return (f"--feature-gates={GATE}=true",)


@pytest_asyncio.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path, flags: tuple[str, ...]) -> AsyncIterator[World]:
    authority = Authority()
    trusted = tmp_path / "registries.pem"
    trusted.write_bytes(authority.ca)
    async with running_clouds(tmp_path) as clouds, http_proxy() as proxy:
        proxy.names["sts.googleapis.com:443"] = clouds.google
        environment = {**clouds.environment(), "SSL_CERT_FILE": str(trusted)}
        async with reflector(cluster, namespace, tmp_path, *flags, environment=environment) as scans:
            yield World(scans, clouds, proxy, authority, tmp_path)


@pytest.mark.parametrize("provider", CLOUDS)
async def test_scanned_and_resolved_as_the_service_account(world: World, provider: str) -> None:
    """Tags and a digest by one login; a Secret beside it is not looked at."""
    cloud, scans = CLOUDS[provider], world.scans
    await world.account("puller", cloud.annotations)
    async with world.registry(cloud.host, cloud.knows) as door:
        spec = {"provider": provider, "serviceAccountName": "puller", "secretRef": {"name": "none"}}
        source = await world.repository(f"{cloud.host}/team/app", **spec)
        live = await scans.until(source, ready("True"))
        assert live["status"]["lastScanResult"]["latestTags"] == ["1.1.0", "1.0.0"]
        choice: dict[str, Any] = {"policy": {"semver": {"range": "*"}}, "digestReflectionPolicy": "IfNotPresent"}
        policy = await scans.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, **choice)
        latest = (await scans.until(policy, ready("True")))["status"]["latestRef"]
        assert latest["tag"] == "1.1.0" and latest["digest"].startswith("sha256:")
    assert world.subjects(provider) == {f"system:serviceaccount:{scans.namespace}:puller"}
    assert len(world.clouds.asked(provider)) == 1  # the second login is the first one, kept
    assert any(path.endswith("/manifests/1.1.0") and login for path, login in door.paths)


async def test_the_controllers_own_identity_without_a_service_account(world: World) -> None:
    async with world.registry(GAR, lambda user, password: (user, password) == ("oauth2accesstoken", "gcp-node")):
        source = await world.repository(f"{GAR}/team/app", provider="gcp")
        await world.scans.until(source, ready("True"))
    assert world.clouds.asked("gcp") == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"insecure": True}, "is for HTTPS alone, unset spec.insecure"),
        (
            {"certSecretRef": {"name": "ca"}},
            "is not sent through spec.proxySecretRef with the authorities of spec.certSecretRef, unset one",
        ),
    ],
)
async def test_the_controllers_own_identity_takes_no_way_that_a_tenant_made(world: World, spec: dict[str, Any], why: str) -> None:
    """With a ServiceAccount of the tenant's, the same way is the tenant's own business."""
    metadata = {"name": "ca", "namespace": world.scans.namespace}
    data = {"ca.crt": world.authority.ca.decode()}
    await world.scans.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    async with world.registry(GAR, lambda user, password: True) as door:
        source = await world.repository(f"{GAR}/team/app", provider="gcp", **spec)
        live = await world.scans.until(source, ready("False", "AuthenticationFailed"))
        assert condition(live)["message"].endswith(f"the controller's own identity {why}")
        assert door.paths == []
        cloud = CLOUDS["gcp"]
        await world.account("puller", cloud.annotations)
        await world.scans.until(
            await world.repository(f"{GAR}/team/app", provider="gcp", serviceAccountName="puller", **spec), ready("True")
        )


@pytest.mark.parametrize("flags", [(f"--feature-gates={GATE}=true", "--default-service-account=usual")])
async def test_hn1_the_default_service_account_is_the_one_for_clouds(world: World) -> None:
    cloud = CLOUDS["aws"]
    await world.account("usual", cloud.annotations)
    async with world.registry(cloud.host, cloud.knows):
        source = await world.repository(f"{cloud.host}/team/app", provider="aws")
        await world.scans.until(source, ready("True"))
    assert world.subjects("aws") == {f"system:serviceaccount:{world.scans.namespace}:usual"}


@pytest.mark.parametrize("flags", [()])
async def test_without_the_gate_it_stalls(world: World) -> None:
    """The account's own pull secrets need no gate."""
    await world.account("puller", {})
    source = await world.repository(f"{ECR}/team/app", provider="aws", serviceAccountName="puller")
    live = await world.scans.until(source, ready("False", "FeatureGateDisabled"))
    message = (
        f"to use spec.serviceAccountName for provider authentication please enable the {GATE} feature gate in the controller"
    )
    assert condition(live)["message"] == message
    stalled = next(one for one in live["status"]["conditions"] if one["type"] == "Stalled")
    assert (stalled["reason"], stalled["message"]) == ("FeatureGateDisabled", message)
    await world.scans.push("1.0.0")
    source = await world.repository(str(world.scans.repository), serviceAccountName="puller", provider="generic")
    await world.scans.kube.patch(source, {"spec": {"proxySecretRef": None}})
    await world.scans.until(source, ready("True"))
    assert world.clouds.seen == []


REFUSED = {
    "another registry": ("registry.example/app", {}, "'registry.example' is no registry of provider 'aws'"),
    "a look-alike": (f"{ECR}.evil.example/app", {}, f"'{ECR}.evil.example' is no registry of provider 'aws'"),
    "no account": (f"{ECR}/app", {"serviceAccountName": "none"}, "failed to get service account '{namespace}/none': "),
    "no role": (
        f"{ECR}/app",
        {"serviceAccountName": "bare"},
        "service account '{namespace}/bare' has no annotation eks.amazonaws.com/role-arn",
    ),
    "another role": (f"{ECR}/app", {"serviceAccountName": "other"}, ""),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_no_login_is_told_and_tried_again(world: World, name: str) -> None:
    image, spec, why = REFUSED[name]
    await world.account("bare", {})
    await world.account("other", {"eks.amazonaws.com/role-arn": f"{ROLE}-of-others"})
    live = await world.scans.until(await world.repository(image, provider="aws", **spec), ready("False", "AuthenticationFailed"))
    begin = "failed to configure authentication options: failed to get credential from aws: "
    assert condition(live)["message"].startswith(begin + why.format(namespace=world.scans.namespace))
    assert not any(one["type"] == "Stalled" for one in live["status"]["conditions"])
    assert (name == "another role") == bool(world.clouds.seen)


@pytest.mark.parametrize(
    ("field", "data", "why"),
    [
        ("certSecretRef", {"tls.crt": "x"}, "invalid TLS secret '{name}': 'tls.crt' and 'tls.key' are required together"),
        ("certSecretRef", {"x": "y"}, "invalid TLS secret '{name}': it has neither 'ca.crt' nor 'tls.crt' and 'tls.key'"),
        ("certSecretRef", {"caFile": "x"}, "invalid TLS secret '{name}': 'ca.crt' holds no certificate in PEM form"),
        ("proxySecretRef", {"address": "socks5://x:1"}, "invalid proxy secret '{name}': registries need an HTTP proxy"),
        ("proxySecretRef", {"address": "ftp://user:geheim@x"}, "invalid proxy secret '{name}': "),
        ("secretRef", {"x": "y"}, "secret '{name}' has no key .dockerconfigjson"),
    ],
)
async def test_secrets_that_are_none_are_named(world: World, field: str, data: dict[str, str], why: str) -> None:
    metadata = {"name": "odd", "namespace": world.scans.namespace}
    await world.scans.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    source = await world.repository("registry.example/app", **{field: {"name": "odd"}})
    live = await world.scans.until(source, ready("False", "AuthenticationFailed"))
    name = f"{world.scans.namespace}/odd"
    begin = "failed to configure authentication options: " + why.format(name=name)
    assert condition(live)["message"].startswith(begin) and "geheim" not in condition(live)["message"]
