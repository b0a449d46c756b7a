"""OCIRepository with a cloud's registry: as whom the login is asked for. The registry itself is not there."""

import pytest

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.objects import ObjectRef
from tests.e2e.source.conftest import Tenant, condition, flags, ready
from tests.e2e.source.test_helm_charts import apply, until
from tests.kit.cloud_registries import ECR
from tests.kit.clouds import ROLE

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def source(tenant: Tenant, url: str) -> ObjectRef:
    await tenant.world.kube.apply(crd_of(kind_named("OCIRepository")))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "puller", "namespace": tenant.name}}
    account["metadata"] |= {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}  # type: ignore[operator]
    await tenant.world.kube.apply(account)
    return await apply(tenant, "OCIRepository", "app", url=url, provider="aws", serviceAccountName="puller", timeout="20s")


async def test_the_login_is_the_service_accounts(tenant: Tenant) -> None:
    before = len(tenant.world.clouds.asked("aws"))
    ref = await source(tenant, f"oci://{ECR}/app")
    await until(tenant, ref, ready("False", "OCIArtifactPullFailed"))
    asked = tenant.world.clouds.asked("aws")[before:]
    assert {one["claims"]["sub"] for one in asked} == {f"system:serviceaccount:{tenant.name}:puller"}


async def test_another_registry_gets_no_token(tenant: Tenant) -> None:
    before = len(tenant.world.clouds.asked("aws"))
    obj = await until(tenant, await source(tenant, "oci://registry.example/app"), ready("False", "AuthenticationFailed"))
    message = "failed to get credential from aws: 'registry.example' is no registry of provider 'aws'"
    assert condition(obj, "FetchFailed")["message"] == message
    assert len(tenant.world.clouds.asked("aws")) == before


async def test_without_the_gate_it_stalls(tenant: Tenant) -> None:
    """And FetchFailed is not among the conditions."""
    async with flags(tenant):
        obj = await until(tenant, await source(tenant, f"oci://{ECR}/app"), ready("False", "FeatureGateDisabled"))
    assert condition(obj, "Stalled")["reason"] == "FeatureGateDisabled" and condition(obj, "FetchFailed") == {}
