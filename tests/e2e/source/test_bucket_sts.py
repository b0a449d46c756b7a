"""Buckets whose credentials come from an STS: AWS's, and MinIO's before an LDAP directory. Flux: source-kustomize.md 4.1."""

from pathlib import Path
from typing import Any

import pytest

from fleetloop.kube import Invalid, ObjectRef
from tests.e2e.source.conftest import API, Tenant, condition, ready
from tests.e2e.source.test_bucket import Objects, apply, objects, until
from tests.kit.bucket_sts import LdapSts, guarded, ldap_sts
from tests.kit.clouds import ROLE

__all__ = ["objects"]  # a fixture
pytestmark = pytest.mark.asyncio(loop_scope="package")


async def login(tenant: Tenant, sts: LdapSts, password: str = "") -> dict[str, Any]:
    """spec.sts, with its Secrets; and no Secret of the Bucket's own."""
    await tenant.secret("ldap", {"username": "reader", "password": password or sts.password})
    client = sts.client
    await tenant.secret("sts-tls", {"ca.crt": sts.authority.ca, "tls.crt": client.cert, "tls.key": client.key})
    described = {"provider": "ldap", "endpoint": sts.url, "secretRef": {"name": "ldap"}, "certSecretRef": {"name": "sts-tls"}}
    return {"secretRef": None, "sts": described}


async def request(tenant: Tenant, name: str) -> None:
    asked = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": name}}}
    await tenant.world.kube.patch(ObjectRef(API, "Bucket", tenant.name, "app"), asked)


async def test_credentials_of_an_ldap_user(tenant: Tenant, objects: Objects, tmp_path: Path) -> None:
    """Asked for once in their lifetime, over TLS with the client's certificate; the store sees the session's token."""
    await objects.put({"app.yaml": "a: 1\n"})
    async with ldap_sts(tmp_path) as sts, guarded(objects.endpoint, sts.key, sts.token) as endpoint:
        ref = await apply(tenant, objects, endpoint=endpoint, **await login(tenant, sts))
        obj = await until(tenant, ref, ready("True"))
        assert obj["status"]["artifact"]["revision"].startswith("sha256:")
        await request(tenant, "again")
        await until(tenant, ref, lambda live: live["status"].get("lastHandledReconcileAt") == "again")
        assert sts.asked == 1


async def test_an_ldap_user_that_is_refused_is_told_and_not_shown(tenant: Tenant, objects: Objects, tmp_path: Path) -> None:
    async with ldap_sts(tmp_path) as sts:
        ref = await apply(tenant, objects, **await login(tenant, sts, password="hunter2 is wrong"))
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        refused = "InvalidParameterValue: LDAP server error: Unable to find user"
        assert condition(obj, "Ready")["message"] == f"STS '{sts.url}' refused with status 400: {refused}"
        await tenant.secret("ldap", {"username": "reader"})
        await request(tenant, "half")
        half = f"invalid '{tenant.name}/ldap' secret data for the 'ldap' STS provider: required fields 'username' and 'password'"
        await until(tenant, ref, lambda live: condition(live, "Ready").get("message") == half)
    assert "hunter2 is wrong" not in (tenant.world.controller.folder / "log").read_text()


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello", b"<a/>", b"\xff", b'<!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>', b"<a>" * 100_000, b"x" * (8 << 20)],
    ids=["nothing", "text", "other", "no-text", "entities", "deep", "large"],
)
async def test_answers_of_an_sts_that_means_harm(tenant: Tenant, objects: Objects, tmp_path: Path, answer: bytes) -> None:
    async with ldap_sts(tmp_path) as sts:
        sts.answer = answer
        ref = await apply(tenant, objects, **await login(tenant, sts))
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        assert condition(obj, "Ready")["message"] == f"STS '{sts.url}' gave an answer without credentials"


async def test_an_sts_that_is_not_trusted(tenant: Tenant, objects: Objects, tmp_path: Path) -> None:
    """Without certSecretRef the system's authorities count."""
    async with ldap_sts(tmp_path) as sts:
        wanted = await login(tenant, sts)
        wanted["sts"].pop("certSecretRef")
        obj = await until(tenant, await apply(tenant, objects, **wanted), ready("False", "AuthenticationFailed"))
        assert "certificate verify failed" in condition(obj, "Ready")["message"]
        assert sts.asked == 0


async def service_account(tenant: Tenant) -> None:
    metadata = {"name": "reader", "namespace": tenant.name, "annotations": {"eks.amazonaws.com/role-arn": ROLE}}
    await tenant.world.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})


async def test_an_sts_of_aws_by_its_endpoint(tenant: Tenant, objects: Objects) -> None:
    """AssumeRoleWithWebIdentity is asked there, and not where the environment says: as the Bucket's service account."""
    clouds = tenant.world.clouds
    await objects.put({"app.yaml": "a: 1\n"})
    await service_account(tenant)
    before = len(clouds.asked("aws"))
    async with guarded(objects.endpoint, "ASIAROLE", "role-session") as endpoint:
        wanted = {"provider": "aws", "secretRef": None, "serviceAccountName": "reader", "endpoint": endpoint}
        sts = {"provider": "aws", "endpoint": f"{clouds.url}/nowhere"}
        ref = await apply(tenant, objects, **wanted, sts=sts)
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        assert "failed to assume role" in condition(obj, "Ready")["message"]
        assert len(clouds.asked("aws")) == before
        await apply(tenant, objects, **wanted, sts=sts | {"endpoint": f"{clouds.url}/aws"})
        await until(tenant, ref, ready("True"))
    asked = clouds.asked("aws")[before:]
    assert [one["claims"]["sub"] for one in asked] == [f"system:serviceaccount:{tenant.name}:reader"]
    assert asked[0]["Action"] == "AssumeRoleWithWebIdentity"


async def test_the_controllers_own_token_goes_to_aws_alone(tenant: Tenant, objects: Objects) -> None:
    """A tenant's endpoint would get a token that is good for all that the controller may read."""
    clouds = tenant.world.clouds
    before = len(clouds.seen)
    sts = {"provider": "aws", "endpoint": f"{clouds.url}/aws"}
    ref = await apply(tenant, objects, provider="aws", secretRef=None, sts=sts)
    obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
    assert condition(obj, "Ready")["message"].startswith(f"STS endpoint '{clouds.url}/aws' is none of AWS")
    assert len(clouds.seen) == before


LDAP = {"provider": "ldap", "endpoint": "https://sts.example", "secretRef": {"name": "ldap"}}
AWS = {"provider": "aws", "endpoint": "https://sts.amazonaws.com"}


@pytest.mark.parametrize(
    ("provider", "sts", "told"),
    [
        ("gcp", AWS, "STS configuration is only supported for the 'aws' and 'generic' Bucket providers"),
        ("azure", LDAP, "STS configuration is only supported for the 'aws' and 'generic' Bucket providers"),
        ("aws", LDAP, "'aws' is the only supported STS provider for the 'aws' Bucket provider"),
        ("generic", AWS, "'ldap' is the only supported STS provider for the 'generic' Bucket provider"),
        ("aws", AWS | {"secretRef": {"name": "x"}}, "spec.sts.secretRef is not required for the 'aws' STS provider"),
        ("aws", AWS | {"certSecretRef": {"name": "x"}}, "spec.sts.certSecretRef is not required for the 'aws' STS provider"),
    ],
)
async def test_what_does_not_go_together_is_refused(
    tenant: Tenant, objects: Objects, provider: str, sts: dict[str, Any], told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        await apply(tenant, objects, provider=provider, secretRef=None, sts=sts)


async def test_without_a_user_it_stalls(tenant: Tenant, objects: Objects) -> None:
    sts = {key: value for key, value in LDAP.items() if key != "secretRef"}
    obj = await until(tenant, await apply(tenant, objects, secretRef=None, sts=sts), ready("False", "InvalidSTSConfiguration"))
    told = condition(obj, "Stalled")
    assert (told["reason"], told["message"]) == (
        "InvalidSTSConfiguration",
        "spec.sts.secretRef is required for the 'ldap' STS provider",
    )
