"""`spec.verify` of OCIRepository and HelmChart: signatures by the signers' own libraries, in a real registry."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleetloop import oci
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.objects import ObjectRef
from fleetloop.oci.content import HELM_CHART, HELM_CONFIG, OCI_INDEX, OCI_MANIFEST
from fleetloop.oci.signatures import NOTATION, SIMPLE_SIGNING
from tests.e2e.helm.conftest import chart
from tests.e2e.source.conftest import Tenant, condition, ready
from tests.e2e.source.test_helm_charts import apply, of_repository, request, serving, until
from tests.e2e.source.test_oci_repository import Images
from tests.kit.registry import registry

pytestmark = pytest.mark.asyncio(loop_scope="package")
SIGNER = Path(__file__).parents[3] / "engine" / "signatures"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NOBODY = {"issuer": "^https://issuer\\.example\\.com$", "subject": "^eve@"}
ADA = {"issuer": "^https://issuer\\.example\\.com$", "subject": "^ada@example\\.com$"}


@dataclass(frozen=True)
class Signer:
    """The program that makes signatures of a manifest in every way."""

    program: Path

    async def sign(self, digest: str, size: int) -> dict[str, Any]:
        command = (str(self.program), f"-digest={digest}", f"-size={size}")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        return dict(json.loads(out))


@dataclass(frozen=True)
class Signed:
    """An artifact in a registry, and all the signatures of it that there could be."""

    images: Images
    digest: str
    made: dict[str, Any]

    async def attach_tag(self, which: str) -> None:
        """The older form of cosign's."""
        one = self.made[which]
        descriptor = await self._push(base64.b64decode(one["payload"]), SIMPLE_SIGNING) | {"annotations": one["annotations"]}
        await self._push_manifest(f"{self.digest.replace(':', '-')}.sig", descriptor)

    async def attach(self, kind: str, content: bytes, media_type: str) -> None:
        """As a referrer, by the tag that stands in for the API where a registry lacks it."""
        descriptor = await self._push(content, media_type)
        subject = {"mediaType": OCI_MANIFEST, "digest": self.digest, "size": 1}
        digest, size = await self._push_manifest("", descriptor, artifactType=kind, subject=subject)
        one = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "artifactType": kind}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one]}).encode()
        client, repository = oci.Registry(self.images.http), self.images.repository
        if not any(found.digest == digest for found in await client.referrers(repository, self.digest)):
            await client.push_manifest(repository.tagged(self.digest.replace(":", "-")), index, OCI_INDEX)

    async def _push(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest, size = await oci.Registry(self.images.http).push_blob(self.images.repository, content)
        return {"mediaType": media_type, "digest": digest, "size": size}

    async def _push_manifest(self, tag: str, layer: dict[str, Any], **extra: Any) -> tuple[str, int]:
        client, repository = oci.Registry(self.images.http), self.images.repository
        config = await self._push(b"{}", "application/vnd.oci.empty.v1+json")
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer], **extra}
        raw = json.dumps(document).encode()
        reference = repository.tagged(tag) if tag else repository.at(oci.digest_of(raw))
        return await client.push_manifest(reference, raw, OCI_MANIFEST), len(raw)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    program = tmp_path_factory.mktemp("signer") / "sample"
    build = ("go", "build", "-trimpath", "-o", str(program), "./sample")
    process = await asyncio.create_subprocess_exec(*build, cwd=SIGNER)
    async with asyncio.timeout(600):
        assert await process.wait() == 0
    return Signer(program)


@pytest_asyncio.fixture(loop_scope="package")
async def signed(tenant: Tenant, address: str, signer: Signer) -> Signed:
    for kind in ("OCIRepository", "HelmRepository", "HelmChart"):
        await tenant.world.kube.apply(crd_of(kind_named(kind)))
    images = Images(tenant.world.http, oci.Repository.parse(f"{address}/{tenant.name}/web"))
    client = oci.Registry(images.http)
    digest, size = await client.push_blob(images.repository, chart("1.0.0"))
    await client.push_blob(images.repository, b"{}")
    raw = oci.pushed_manifest(b"{}", [(HELM_CHART, digest, size)], {}, HELM_CONFIG)
    pushed = await client.push_manifest(images.repository.tagged("1.0.0"), raw, OCI_MANIFEST)
    return Signed(images, pushed, await signer.sign(pushed, len(raw)))


async def source(tenant: Tenant, signed: Signed, **verify: Any) -> ObjectRef:
    spec = {"url": signed.images.url, "ref": {"tag": "1.0.0"}}
    return await apply(tenant, "OCIRepository", "app", **spec, verify={"provider": "cosign"} | verify)


async def test_cosign_with_keys(tenant: Tenant, signed: Signed) -> None:
    """Every key is tried; one that fails says nothing; the older form counts as the bundle does."""
    await tenant.secret("keys", {"a.pub": "no key", "b.pub": signed.made["publicKey"], "c.txt": "ignored"})
    ref = await source(tenant, signed, secretRef={"name": "keys"})
    obj = await until(tenant, ref, ready("False", "VerificationError"))
    unsigned = "failed to verify the signature using provider 'cosign': no matching signatures were found for "
    reference = f"'{signed.images.repository}:1.0.0'"
    assert condition(obj, "SourceVerified")["message"] == condition(obj, "Ready")["message"] == unsigned + reference
    assert "artifact" not in obj["status"] and condition(obj, "SourceVerified")["status"] == "False"
    await signed.attach_tag("keyLegacy")
    obj = await request(tenant, ref, "signed")
    obj = await until(tenant, ref, ready("True"))
    revision = f"1.0.0@{signed.digest}"
    found = condition(obj, "SourceVerified")
    assert (found["status"], found["reason"]) == ("True", "Succeeded")
    assert found["message"] == f"verified signature of revision {revision}"


async def test_a_bundle_and_what_is_none(tenant: Tenant, signed: Signed) -> None:
    """A statement about the image that is no signature of it does not vouch for it, though the key is the same."""
    await tenant.secret("keys", {"key.pub": signed.made["publicKey"]})
    await signed.attach(BUNDLE_TYPE, signed.made["attestation"].encode(), BUNDLE_TYPE)
    ref = await source(tenant, signed, secretRef={"name": "keys"})
    await until(tenant, ref, ready("False", "VerificationError"))
    await signed.attach(BUNDLE_TYPE, signed.made["keyBundle"].encode(), BUNDLE_TYPE)
    await request(tenant, ref, "signed")
    await until(tenant, ref, ready("True"))


async def test_a_secret_that_stops_fitting_stops_the_source(tenant: Tenant, signed: Signed, signer: Signer) -> None:
    """A change of the spec asks again; what was stored stays."""
    await signed.attach_tag("keyLegacy")
    stranger = await signer.sign(signed.digest, 1)
    await tenant.secret("keys", {"key.pub": signed.made["publicKey"]})
    await tenant.secret("others", {"key.pub": stranger["publicKey"]})
    await tenant.secret("empty", {"key": "x"})
    ref = await source(tenant, signed, secretRef={"name": "keys"})
    first = await until(tenant, ref, ready("True"))
    await source(tenant, signed, secretRef={"name": "others"})
    obj = await until(tenant, ref, ready("False", "VerificationError"))
    assert obj["status"]["artifact"] == first["status"]["artifact"]
    await source(tenant, signed, secretRef={"name": "empty"})
    await until(tenant, ref, lambda live: "no public keys found in secret" in condition(live, "Ready").get("message", ""))
    await apply(tenant, "OCIRepository", "app", url=signed.images.url, ref={"tag": "1.0.0"})
    obj = await until(tenant, ref, ready("True"))
    assert condition(obj, "SourceVerified") == {}


async def test_cosign_keyless_with_a_root_of_ones_own(tenant: Tenant, signed: Signed) -> None:
    await signed.attach_tag("keylessLegacy")
    await tenant.secret("root", {"trusted_root.json": signed.made["trustedRoot"]})
    trust: dict[str, Any] = {"trustedRootSecretRef": {"name": "root"}}
    ref = await source(tenant, signed, matchOIDCIdentity=[NOBODY], **trust)
    obj = await until(tenant, ref, ready("False", "VerificationError"))
    message = condition(obj, "Ready")["message"]
    assert message.startswith("failed to verify the signature using provider 'cosign keyless': ")
    assert "ada@example.com" in message  # who did sign
    await source(tenant, signed, matchOIDCIdentity=[NOBODY, ADA], **trust)
    await until(tenant, ref, ready("True"))
    await signed.attach(BUNDLE_TYPE, signed.made["keylessBundle"].encode(), BUNDLE_TYPE)
    await source(tenant, signed, matchOIDCIdentity=[ADA], **trust)
    await until(tenant, ref, lambda live: live["status"]["observedGeneration"] == live["metadata"]["generation"])
    await source(tenant, signed, trustedRootSecretRef={"name": "none"})
    await until(tenant, ref, lambda live: "failed to get secret" in condition(live, "Ready").get("message", ""))


async def test_notation(tenant: Tenant, signed: Signed) -> None:
    """SourceVerified is not set where the policy only logs that a check failed."""

    def policy(level: str) -> str:
        one = {
            "name": "all",
            "registryScopes": ["*"],
            "signatureVerification": {"level": level},
            "trustStores": ["ca:all"],
            "trustedIdentities": ["*"],
        }
        return json.dumps({"version": "1.0", "trustPolicies": [one]})

    await tenant.secret("trust", {"trustpolicy.json": policy("strict"), "ca.crt": signed.made["certificate"]})
    await tenant.secret("logs", {"trustpolicy.json": policy("audit")})
    await tenant.secret("nothing", {"ca.crt": signed.made["certificate"]})
    ref = await source(tenant, signed, provider="notation", secretRef={"name": "trust"})
    obj = await until(tenant, ref, ready("False", "VerificationError"))
    message = condition(obj, "Ready")["message"]
    assert message.startswith("failed to verify the signature using provider 'notation': no signature is associated with ")
    await signed.attach(NOTATION, base64.b64decode(signed.made["notation"]), "application/jose+json")
    await request(tenant, ref, "signed")
    obj = await until(tenant, ref, ready("True"))
    assert condition(obj, "SourceVerified")["status"] == "True"
    await source(tenant, signed, provider="notation", secretRef={"name": "logs"})
    ignored = await until(tenant, ref, lambda live: live["status"]["observedGeneration"] == live["metadata"]["generation"])
    assert condition(ignored, "SourceVerified") == {} and condition(ignored, "Ready")["status"] == "True"
    await source(tenant, signed, provider="notation", secretRef={"name": "nothing"})
    await until(tenant, ref, lambda live: "'trustpolicy.json' not found" in condition(live, "Ready").get("message", ""))


async def test_charts(tenant: Tenant, signed: Signed) -> None:
    """From a registry alone: an index has no signatures that anybody verifies."""
    url = signed.images.url.removesuffix("/web")
    await tenant.secret("keys", {"key.pub": signed.made["publicKey"]})
    await apply(tenant, "HelmRepository", "repo", url=url, type="oci")
    verify = {"provider": "cosign", "secretRef": {"name": "keys"}}
    ref = await apply(tenant, "HelmChart", "web", **of_repository(version="1.0.0", verify=verify))
    obj = await until(tenant, ref, ready("False", "VerificationError"))
    assert condition(obj, "BuildFailed")["reason"] == "ChartVerificationError"
    assert condition(obj, "SourceVerified")["message"].startswith("chart verification error: failed to verify ")
    await signed.attach_tag("keyLegacy")
    await request(tenant, ref, "signed")
    obj = await until(tenant, ref, ready("True"))
    assert condition(obj, "SourceVerified")["message"] == "verified signature of version 1.0.0"
    assert condition(obj, "BuildFailed") == {}


async def test_charts_of_an_index_are_not_verified(tenant: Tenant, signed: Signed) -> None:
    async with serving() as server:
        server.add("1.0.0")
        await apply(tenant, "HelmRepository", "repo", url=server.url)
        ref = await apply(tenant, "HelmChart", "web", **of_repository(verify={"provider": "cosign"}))
        obj = await until(tenant, ref, lambda live: condition(live, "BuildFailed") != {})
        assert condition(obj, "BuildFailed")["message"] == "chart verification error: not implemented"
