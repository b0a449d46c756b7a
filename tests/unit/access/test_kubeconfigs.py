"""What spec.kubeConfig may say, who is asked for it, and how long its credentials last."""

import asyncio
import base64
import time

import pytest
import yaml

from fleetloop.access.cluster_configs import ClusterConfigs
from fleetloop.access.credential import Credential
from fleetloop.access.kubeconfigs import (
    ClusterUnusable,
    Described,
    KubeconfigMissing,
    Kubeconfigs,
    kubeconfig_in,
    shown,
    through_proxy,
)
from fleetloop.access.reachability import Reachability
from fleetloop.api.applier import SecretKeyReference
from fleetloop.api.kustomize import Kustomization
from fleetloop.auth import TokenCache
from fleetloop.controllers.kustomize.configs import config_refs
from fleetloop.controllers.kustomize.settings import KustomizeSettings, register, settings_of
from fleetloop.kube import ApiError, BadConnection, Connection, Kube, Manifest, NotFound, ObjectRef, Unreachable
from fleetloop.runtime.settings import common_flags
from tests.unit.controllers.test_kustomize import kustomization

CONFIG = {
    "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": "https://there.example:6443"}}],
    "users": [{"name": "x", "user": {"token": "secret"}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
}


class Reader:
    """One object, whatever is asked for."""

    def __init__(self, data: dict[str, str] | None) -> None:
        self.data = data

    async def get(self, ref: ObjectRef) -> Manifest:
        if self.data is None:
            raise NotFound(404, "NotFound", f'{ref.kind.lower()}s "{ref.name}" not found')
        return {"apiVersion": "v1", "kind": ref.kind, "data": self.data}


def settings(*flags: str) -> KustomizeSettings:
    known = common_flags("kustomize-controller", 4)
    register(known)
    return settings_of(known.read(list(flags)), {})


def encoded(document: object) -> str:
    return base64.b64encode(yaml.safe_dump(document).encode()).decode()


def by_secret(key: str = "") -> Kustomization:
    return kustomization(kubeConfig={"secretRef": {"name": "there", **({"key": key} if key else {})}})


def by_config_map() -> Kustomization:
    return kustomization(kubeConfig={"configMapRef": {"name": "there"}})


async def described(data: dict[str, str] | None, *flags: str, ks: Kustomization | None = None) -> Described:
    wanted = settings(*flags)
    configs = ClusterConfigs(Kube(Connection(server="https://here.example")), wanted.kubeconfigs, TokenCache(10, 60))
    named = ks or by_secret()
    assert named.spec.kube_config
    return await Kubeconfigs(Reader(data).get, wanted.kubeconfigs, configs.describe).describe(named.key, named.spec.kube_config)


async def test_a_secrets_kubeconfig_becomes_a_connection() -> None:
    found = await described({"value": encoded(CONFIG)})
    access = await found.connect()
    assert access.connection.server == "https://there.example:6443"
    assert ("Authorization", "Bearer secret") in access.connection.headers()
    assert found.source == "Secret/team/there"


async def test_equal_contents_are_one_cluster() -> None:
    """Whatever the Secret is called."""
    one = await described({"value": encoded(CONFIG)})
    two = await described({"value.yaml": encoded(CONFIG)})
    other = await described({"value": encoded(CONFIG | {"users": [{"name": "x", "user": {"token": "new"}}]})})
    assert one.digest == two.digest != other.digest


def test_keys_of_a_secret() -> None:
    """A named key must be there; without a name it is `value`, then `value.yaml`. helm-notification-image.md 2.2."""
    data = {"value.yaml": base64.b64encode(b"second").decode(), "other": base64.b64encode(b"named").decode()}
    assert kubeconfig_in(data, SecretKeyReference(name="x")) == b"second"
    assert kubeconfig_in(data | {"value": base64.b64encode(b"first").decode()}, SecretKeyReference(name="x")) == b"first"
    assert kubeconfig_in(data, SecretKeyReference(name="x", key="other")) == b"named"
    with pytest.raises(BadConnection, match=r"no kubeconfig under the key 'value' or 'value\.yaml'"):
        kubeconfig_in({}, SecretKeyReference(name="x"))
    with pytest.raises(BadConnection, match="no kubeconfig under the key 'gone'"):
        kubeconfig_in(data, SecretKeyReference(name="x", key="gone"))


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"users": [{"name": "x", "user": {"exec": {"command": "echo", "args": ["{}"]}}}]}, "--insecure-kubeconfig-exec"),
        (
            {"clusters": [{"name": "x", "cluster": {"server": "https://x", "insecure-skip-tls-verify": True}}]},
            "--insecure-kubeconfig-tls",
        ),
    ],
)
async def test_what_only_a_flag_allows(change: dict[str, object], flag: str) -> None:
    """CVE-2022-24817: a command needs --insecure-kubeconfig-exec; TLS that is not verified needs --insecure-kubeconfig-tls."""
    data = {"value": encoded(CONFIG | change)}
    with pytest.raises(BadConnection, match="is not allowed in a kubeconfig from a Secret"):
        await (await described(data)).connect()
    await (await described(data, flag)).connect()


@pytest.mark.parametrize(
    "user", [{"tokenFile": "/etc/shadow"}, {"client-key": "/etc/shadow"}, {"auth-provider": {"name": "gcp"}}]
)
async def test_files_are_refused_whatever_the_flags(user: dict[str, object]) -> None:
    """CVE-2022-24817."""
    data = {"value": encoded(CONFIG | {"users": [{"name": "x", "user": user}]})}
    found = await described(data, "--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls")
    with pytest.raises(BadConnection, match="is not allowed in a kubeconfig from a Secret"):
        await found.connect()


async def test_an_exec_plugin_that_is_allowed_is_asked_again() -> None:
    script = 'echo "{\\"status\\": {\\"token\\": \\"$(date +%N)\\", \\"expirationTimestamp\\": \\"2020-01-01T00:00:00Z\\"}}"'
    user = {"exec": {"command": "sh", "args": ["-c", script]}}
    data = {"value": encoded(CONFIG | {"users": [{"name": "x", "user": user}]})}
    access = await (await described(data, "--insecure-kubeconfig-exec")).connect()
    assert access.credential
    await access.credential.ensure()
    first = access.connection.headers()
    await access.credential.ensure()
    assert first != access.connection.headers()


@pytest.mark.parametrize(
    "content",
    [
        b"a: [",
        b"- a list",
        b"secret",
        b"&a [*a, *a]",
        yaml.safe_dump(CONFIG | {"users": "none"}).encode(),
        yaml.safe_dump(CONFIG | {"users": [{"name": "x", "user": {"token": ["secret"]}}]}).encode(),
        yaml.safe_dump(CONFIG | {"users": [{"name": "x", "user": {"token": "sec\nret"}}]}).encode(),
        yaml.safe_dump(CONFIG | {"users": [{"name": "x", "user": {"client-certificate-data": 7}}]}).encode(),
        yaml.safe_dump(CONFIG | {"clusters": [{"name": "x", "cluster": {"server": "file:///etc/secret"}}]}).encode(),
        yaml.safe_dump(
            CONFIG | {"clusters": [{"name": "x", "cluster": {"server": "https://x", "proxy-url": "secret"}}]}
        ).encode(),
        b"[" * 100_000,
        b"\xff\xfe\x00secret",
    ],
)
async def test_what_is_no_kubeconfig_is_told_without_showing_it(content: bytes) -> None:
    found = await described({"value": base64.b64encode(content).decode()})
    with pytest.raises(BadConnection) as raised:
        await found.connect()
    assert "secret" not in str(raised.value)


async def test_a_certificate_that_is_none_is_told() -> None:
    with pytest.raises(BadConnection, match="certificate-authority-data is no PEM certificate"):
        Connection(server="https://x", ca="nonsense").ssl_context()
    with pytest.raises(BadConnection, match="are no pair in PEM"):
        Connection(server="https://x", client_cert="nonsense", client_key="nonsense").ssl_context()


async def test_what_is_missing_is_named() -> None:
    with pytest.raises(KubeconfigMissing, match=r'^spec.kubeConfig: Secret/\S+/there: secrets "there" not found$'):
        await described(None)
    ks = kustomization(kubeConfig={})
    with pytest.raises(ClusterUnusable, match="names neither a Secret nor a ConfigMap"):
        await described({}, ks=ks)


@pytest.mark.parametrize(
    ("data", "flags", "problem"),
    [
        ({}, (), "provider '' is none of generic, aws, azure, gcp"),
        ({"provider": "generic"}, (), "provider generic needs an address"),
        ({"provider": "generic", "address": "http://x"}, (), "address does not begin with https://"),
        ({"provider": "generic", "address": "https://x", "audiences": "a"}, (), "audiences need a serviceAccountName"),
        ({"provider": "aws", "serviceAccountName": "a"}, (), "serviceAccountName needs the feature gate"),
    ],
)
async def test_config_maps_that_describe_no_cluster(data: dict[str, str], flags: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ClusterUnusable, match=problem):
        await described(data, *flags, ks=by_config_map())


async def test_a_default_account_fetches_for_who_names_none() -> None:
    """--default-kubeconfig-service-account needs the gate ObjectLevelWorkloadIdentity, and then it is another identity."""
    gate, data = "--feature-gates=ObjectLevelWorkloadIdentity=true", {"provider": "generic", "address": "https://x"}
    own = await described(data, gate, ks=by_config_map())
    default = await described(data, gate, "--default-kubeconfig-service-account=fetcher", ks=by_config_map())
    named = await described(data | {"serviceAccountName": "fetcher"}, gate, ks=by_config_map())
    assert len({own.digest, default.digest, named.digest}) == 3
    assert default.source.startswith("ConfigMap/")


def test_everything_that_is_named_is_watched() -> None:
    """source-kustomize.md 8.12: substituteFrom, decryption.secretRef, kubeConfig."""
    ks = kustomization(
        postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "a"}, {"kind": "Secret", "name": "b"}]},
        decryption={"provider": "sops", "secretRef": {"name": "c"}},
        kubeConfig={"secretRef": {"name": "d"}},
    )
    assert {(ref.kind, ref.name) for ref in config_refs(ks)} == {
        *(("ConfigMap", "a"), ("Secret", "b"), ("Secret", "c"), ("Secret", "d")),
    }
    assert config_refs(by_config_map()) == {ObjectRef("v1", "ConfigMap", "team", "there")}


def test_proxies() -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".internal,10.0.0.1"}
    assert through_proxy(Connection(server="https://there.example"), environment).proxy == "http://proxy:3128"
    assert through_proxy(Connection(server="https://a.internal:6443"), environment).proxy == ""
    assert through_proxy(Connection(server="https://10.0.0.1"), environment).proxy == ""
    own = Connection(server="https://there.example", proxy="http://own")
    assert through_proxy(own, environment).proxy == "http://own"


def test_a_servers_address_is_shown_without_what_is_secret_in_it() -> None:
    assert shown("https://user:secret@there.example:6443/k8s?token=secret") == "https://there.example:6443"


async def test_a_credential_is_renewed_before_it_expires_and_after_failures() -> None:
    tokens, renewed = iter(("one", "", "two", "three", "four")), asyncio.Event()
    told: list[Exception] = []

    async def fetch() -> tuple[str, float]:
        token = next(tokens)
        if not token:
            raise Unreachable("no answer")
        if token == "two":
            renewed.set()
        return token, time.time() - 1

    credential = Credential(fetch, least=0.001)
    await credential.ensure()
    assert credential() == "one"
    task = asyncio.ensure_future(credential.run(told.append, (Unreachable,)))
    async with asyncio.timeout(5):
        await renewed.wait()
    task.cancel()
    assert credential() != "one" and len(told) == 1


class Server:
    """Answers or not; `probes` counts."""

    def __init__(self) -> None:
        self.answers: Exception | None = None
        self.probes = 0
        self.returned, self.probed = asyncio.Event(), asyncio.Event()
        self.reach = Reachability(self.probe, self.returned.set, first_pause=0.001)

    async def probe(self) -> None:
        self.probes += 1
        if self.probes == 2:
            self.probed.set()
        if self.answers:
            raise self.answers


async def test_an_absent_cluster_is_asked_by_one_and_told_to_all() -> None:
    server = Server()
    await server.reach.check()
    server.answers = Unreachable("gone")
    for _ in range(10):
        with pytest.raises(Unreachable, match="gone"):
            await server.reach.check()
    assert server.probes == 2
    server.answers = None
    task = asyncio.ensure_future(server.reach.run())
    async with asyncio.timeout(5):
        await server.returned.wait()
    task.cancel()
    await server.reach.check()


async def test_a_request_without_an_answer_is_no_absence() -> None:
    """One slow webhook must not put a cluster's Kustomizations into a loop of failures and wake-ups."""
    server = Server()
    task = asyncio.ensure_future(server.reach.run())
    server.reach.suspect()
    await server.reach.check()
    async with asyncio.timeout(5):
        await server.probed.wait()
    task.cancel()
    assert not server.returned.is_set()


async def test_a_refusal_is_no_absence() -> None:
    server = Server()
    server.answers = ApiError(401, "Unauthorized", "the credentials are not accepted")
    for _ in range(2):
        with pytest.raises(ApiError):
            await server.reach.check()
    assert server.probes == 2


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
async def test_the_controllers_own_cloud_token_goes_to_no_address_that_a_tenant_chooses(provider: str) -> None:
    """Address and certificate in a ConfigMap are not believed: the cloud is asked first, here for what is no cluster's name."""
    data = {"provider": provider, "address": "https://evil.example", "ca.crt": "evil", "cluster": "../x"}
    found = await described(data, ks=by_config_map())
    with pytest.raises(BadConnection, match="cluster is no "):
        await found.connect()
