"""What opens a Git server, from Secrets and identities of a real cluster: 3.2 of the contract."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as pem

from fleetloop import git
from fleetloop.git.keys import read_private_key
from tests.e2e.source.conftest import Tenant, condition, flags, manifest, ready
from tests.kit.clouds import APP_ID, CLIENT, ROLE, TENANT
from tests.kit.codecommit import HOST, running_codecommit
from tests.kit.controller import Controller
from tests.kit.proxies import http_proxy, socks5_proxy

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def github_secret(tenant: Tenant, **fields: str) -> None:
    clouds, forge = tenant.world.clouds, tenant.world.forge
    clouds.git_token = tenant.world.token
    data: dict[str, str | bytes] = {
        "githubAppID": APP_ID,
        "githubAppInstallationOwner": "acme",
        "githubAppPrivateKey": clouds.app_key,
        "githubAppBaseURL": clouds.url + "/api/v3",
        "ca.crt": forge.ca_file.read_bytes() + clouds.ca,
    }
    await tenant.secret("app", {key: value for key, value in (data | fields).items() if value})


async def service_account(tenant: Tenant, name: str, **annotations: str) -> None:
    account = manifest("v1", "ServiceAccount", tenant.name, name)
    account["metadata"]["annotations"] = {key.replace("__", "/"): value for key, value in annotations.items()}
    await tenant.world.kube.apply(account)


async def azure_account(tenant: Tenant, client: str = CLIENT) -> None:
    annotations = {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": client}
    await service_account(tenant, "cloud", **annotations)
    tenant.world.clouds.azure_token = tenant.world.token
    await tenant.secret("ca", {"ca.crt": tenant.world.forge.ca_file.read_bytes()})


async def test_github_app_and_its_token_is_kept(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    await github_secret(tenant)
    before = len(tenant.world.clouds.asked("github"))
    repo = await tenant.repository(provider="github", secretRef={"name": "app"})
    await repo.until(ready("True"))
    await tenant.push({"a": "2"})
    await repo.requested("again")
    assert len(tenant.world.clouds.asked("github")) == before + 1
    async with tenant.world.http.get(f"http://{tenant.world.controller.address}:8080/metrics") as answer:
        text = await answer.text()
    labels = f'kind="GitRepository",name="app",namespace="{tenant.name}",operation="reconcile"'
    assert f'gotk_token_cache_events_total{{event_type="cache_hit",{labels}}}' in text
    assert "gotk_token_cached_items" in text


@pytest.mark.parametrize(
    ("provider", "secret", "stalled", "message"),
    [
        ("github", None, True, "secretRef with github app data must be specified when provider is set to github"),
        ("github", "git", False, "secretRef '{ns}/git' must have github app data when provider is set to github"),
        ("generic", "app", False, "secretRef '{ns}/app' has github app data but provider is not set to github"),
    ],
)
async def test_app_and_provider_belong_together(
    tenant: Tenant, provider: str, secret: str | None, stalled: bool, message: str
) -> None:
    await tenant.push({"a": "1"})
    await github_secret(tenant)
    obj = await (await tenant.repository(provider=provider, secretRef={"name": secret} if secret else {})).until(ready("False"))
    assert condition(obj, "FetchFailed")["reason"] == "InvalidProviderConfiguration"
    assert condition(obj, "Ready")["message"] == message.format(ns=tenant.name)
    assert bool(condition(obj, "Stalled")) is stalled and bool(condition(obj, "Reconciling")) is not stalled


async def test_azure_of_a_service_account(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    await azure_account(tenant, client="another")
    spec: dict[str, Any] = {"provider": "azure", "serviceAccountName": "cloud", "secretRef": {"name": "ca"}}
    repo = await tenant.repository(**spec)
    obj = await repo.until(ready("False", "AuthenticationFailed"))
    message = condition(obj, "Ready")["message"]
    assert message.startswith("failed to configure authentication options: failed to get a token of Azure: ")
    assert "AADSTS700016" in message and "eyJ" not in message
    await azure_account(tenant)
    await repo.until(ready("True"))
    claims = tenant.world.clouds.asked("azure")[-1]["claims"]
    assert (claims["aud"], claims["sub"]) == (["api://AzureADTokenExchange"], f"system:serviceaccount:{tenant.name}:cloud")


async def test_azure_wants_no_user_in_the_url(tenant: Tenant) -> None:
    await azure_account(tenant)
    url = tenant.url.replace("https://", "https://acme@")
    obj = await (await tenant.repository(url=url, provider="azure", serviceAccountName="cloud")).until(ready("False"))
    both = "failed to configure authentication options: basic auth and bearer token cannot be set at the same time"
    assert condition(obj, "Ready")["message"] == both


@pytest.mark.parametrize("url", ["https://evil.example/x", "http://dev.azure.com/x/y", "https://dev.azure.com.evil.example/x"])
async def test_the_controllers_own_token_goes_to_azure_alone(tenant: Tenant, url: str) -> None:
    """A tenant names the host; it must not be the one who reads what the controller may."""
    before = len(tenant.world.clouds.asked("azure"))
    obj = await (await tenant.repository(url=url, provider="azure", secretRef={})).until(ready("False"))
    start = "failed to configure authentication options: the controller's own identity is for https://dev.azure.com and"
    assert condition(obj, "Ready")["message"].startswith(start) and len(tenant.world.clouds.asked("azure")) == before


async def test_missing_service_account(tenant: Tenant) -> None:
    obj = await (await tenant.repository(provider="azure", serviceAccountName="none")).until(ready("False"))
    assert condition(obj, "FetchFailed")["reason"] == "AuthenticationFailed"
    start = "failed to configure authentication options: failed to get service account"
    assert condition(obj, "Ready")["message"].startswith(f"{start} '{tenant.name}/none': ")


async def test_codecommit_of_a_service_account_through_a_proxy(tenant: Tenant) -> None:
    """Each request's signature is recomputed by the server."""
    forge, clouds = tenant.world.forge, tenant.world.clouds
    sha = await tenant.push({"a": "1"})
    await service_account(tenant, "cloud", **{"eks.amazonaws.com/role-arn": ROLE})
    upstream = (tenant.world.folder, f"{forge.url}/acme", tenant.world.token, forge.ca_file)
    async with running_codecommit(*upstream) as codecommit, http_proxy("ada", "secret") as proxy:
        proxy.names[f"{HOST}:443"] = codecommit.place
        await tenant.secret("ca", {"ca.crt": codecommit.ca})
        await tenant.secret("proxy", {"address": proxy.address, "username": "ada", "password": "secret"})
        spec: dict[str, Any] = {
            "provider": "aws",
            "serviceAccountName": "cloud",
            "secretRef": {"name": "ca"},
            "proxySecretRef": {"name": "proxy"},
        }
        repo = await tenant.repository(url=f"https://{HOST}/v1/repos/{tenant.name}", **spec)
        obj = await repo.until(ready("True"))
        assert obj["status"]["artifact"]["revision"] == f"main@sha1:{sha}"
        assert codecommit.refused == [] and codecommit.accepted >= 2
        assert {f"{HOST}:443", clouds.url.removeprefix("https://")} == set(proxy.targets)
    claims = clouds.asked("aws")[-1]["claims"]
    assert (claims["aud"], claims["sub"]) == (["sts.amazonaws.com"], f"system:serviceaccount:{tenant.name}:cloud")


async def test_default_service_account_and_the_gate(tenant: Tenant, tmp_path: Path) -> None:
    """The flag needs the gate; without the gate an object's own is refused for good."""
    await tenant.push({"a": "1"})
    await azure_account(tenant)
    controller = tenant.world.controller
    async with flags(tenant, *controller.flags, "--default-service-account=cloud"):
        await (await tenant.repository(provider="azure", secretRef={"name": "ca"})).until(ready("True"))
    async with flags(tenant):
        repo = await tenant.repository("gated", provider="azure", serviceAccountName="cloud", secretRef={"name": "ca"})
        obj = await repo.until(ready("False"))
        wanted = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity"
        for type in ("Stalled", "FetchFailed", "Ready"):
            assert condition(obj, type)["reason"] == "FeatureGateDisabled"
            assert condition(obj, type)["message"] == f"{wanted} feature gate in the controller"
        assert obj["status"]["observedGeneration"] == 1 and condition(obj, "Reconciling") == {}
    refused = Controller("source-controller", controller.kubeconfig, tmp_path, ("--default-service-account=cloud",))
    await refused.start()
    assert refused.process and await refused.process.wait() == 1
    assert "invalid configuration: --default-service-account" in (tmp_path / "log").read_text()


async def test_the_api_server_keeps_service_accounts_to_azure_and_aws(tenant: Tenant) -> None:
    from fleetloop.kube.errors import Invalid

    for provider in ("generic", "github"):
        with pytest.raises(Invalid, match="serviceAccountName can only be set when provider is 'azure' or 'aws'"):
            await tenant.repository(provider=provider, serviceAccountName="cloud")
    for url in ("git@host:path", "file:///etc", "ext::sh"):
        with pytest.raises(Invalid, match="url"):
            await tenant.repository(url=url)


async def test_bearer_token_wins_over_basic_in_a_secret(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    ca = tenant.world.forge.ca_file.read_bytes()
    await tenant.secret("both", {"username": "x", "password": "gho_no", "bearerToken": tenant.world.token, "ca.crt": ca})
    await (await tenant.repository(secretRef={"name": "both"})).until(ready("True"))
    url = tenant.url.replace("https://", "https://ada:pw@")
    obj = await (await tenant.repository("twice", url=url, secretRef={"name": "both"})).until(ready("False"))
    both = "failed to configure authentication options: basic auth and bearer token cannot be set at the same time"
    assert (condition(obj, "Ready")["message"], condition(obj, "Ready")["reason"]) == (both, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"password": "p"}, "'username' is required with 'password'"),
        ({"tls.crt": "x"}, "'tls.crt' and 'tls.key' are required together"),
    ],
)
async def test_malformed_secrets(tenant: Tenant, data: dict[str, str | bytes], message: str) -> None:
    await tenant.secret("bad", data)
    obj = await (await tenant.repository(secretRef={"name": "bad"})).until(ready("False"))
    assert condition(obj, "FetchFailed")["reason"] == "AuthenticationFailed"
    assert condition(obj, "Ready")["message"] == f"failed to configure authentication options: {message}"


async def test_user_info_of_the_url_and_the_old_name_of_the_ca(tenant: Tenant) -> None:
    await tenant.push({"a": "1"})
    await tenant.secret("old", {"caFile": tenant.world.forge.ca_file.read_bytes(), "certFile": "not read", "keyFile": "not read"})
    url = tenant.url.replace("https://", f"https://x:{tenant.world.token}@")
    obj = await (await tenant.repository(url=url, secretRef={"name": "old"})).until(ready("True"))
    assert tenant.world.token not in str(obj["status"])


async def test_ssh_keys(tenant: Tenant) -> None:
    """No Secret, no known host, an encrypted key without and with its passphrase, another host key: 3.2."""
    await tenant.push({"a": "1"})
    url = git.GitUrl.parse(tenant.world.forge.ssh_clone_url("acme", tenant.name))
    known_hosts = await git.scan_host_key(url.host, url.port or 22)
    key = tenant.world.key
    private = read_private_key(key.identity)
    locked = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.OpenSSH, pem.BestAvailableEncryption(b"open"))
    repo = await tenant.repository(url=str(url), secretRef={})
    options = "failed to configure authentication options: invalid SSH credentials: "
    obj = await repo.until(ready("False", "AuthenticationFailed"))
    assert condition(obj, "Ready")["message"] == options + "'identity' is required"
    steps = [
        ({"identity": key.identity}, "'known_hosts' is required"),
        ({"identity": locked, "known_hosts": known_hosts}, "identity is encrypted, a correct passphrase ('password') is needed"),
        ({"identity": b"no key", "known_hosts": known_hosts}, "identity is not a private key we can read"),
    ]
    await repo.change(secretRef={"name": "ssh"})
    for number, (data, message) in enumerate(steps):
        await tenant.secret("ssh", data)
        obj = await repo.requested(str(number))
        assert condition(obj, "FetchFailed")["reason"] == "AuthenticationFailed"
        assert condition(obj, "Ready")["message"] == options + message
    name, kind, _ = known_hosts.split()
    other = b" ".join([name, kind, git.generate_key("ed25519").identity_pub.split()[1]])
    await tenant.secret("ssh", {"identity": locked, "password": "open", "known_hosts": other})
    obj = await repo.requested("other host key")
    assert condition(obj, "FetchFailed")["reason"] == "GitOperationFailed" and "known_hosts" in condition(obj, "Ready")["message"]
    await tenant.secret("ssh", {"identity": locked, "password": "open", "known_hosts": known_hosts})
    await repo.until(ready("True"))


@pytest.mark.parametrize("over", ["https", "ssh"])
async def test_socks5_proxy(tenant: Tenant, over: str) -> None:
    await tenant.push({"a": "1"})
    forge = tenant.world.forge
    url = git.GitUrl.parse(forge.ssh_clone_url("acme", tenant.name) if over == "ssh" else tenant.url)
    if over == "ssh":
        known_hosts = await git.scan_host_key(url.host, url.port or 22)
        await tenant.secret("git", {"identity": tenant.world.key.identity, "known_hosts": known_hosts})
    async with socks5_proxy("ada", "s3cret") as proxy:
        await tenant.secret("proxy", {"address": proxy.address, "username": "ada", "password": "wr0ng"})
        repo = await tenant.repository(url=str(url), proxySecretRef={"name": "proxy"})
        obj = await repo.until(ready("False"))
        assert "wr0ng" not in str(obj) and condition(obj, "FetchFailed")["reason"] == "GitOperationFailed"
        await tenant.secret("proxy", {"address": proxy.address, "username": "ada", "password": "s3cret"})
        await repo.until(ready("True"))
        assert set(proxy.targets) == {f"{url.host}:{url.port}"}
    await tenant.secret("proxy", {"address": "ftp://x"})
    obj = await repo.requested("bad proxy")
    message = f"failed to configure proxy options: invalid proxy secret '{tenant.name}/proxy': "
    assert condition(obj, "Ready")["message"].startswith(message + "'address' must be a URL of scheme")
