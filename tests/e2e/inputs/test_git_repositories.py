"""GitRepositories that attack: what is said of them, and what is not."""

import pytest

from fleetloop.kube import ApiError
from tests.e2e.inputs.conftest import Tenant

SECRET = "hunter2-very-secret"
pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "ssh://-oProxyCommand=id/x",
        f"https://user:{SECRET}@127.0.0.1:1/x.git",
        f"http://127.0.0.1:1/{SECRET}?sig=1",
    ],
)
async def test_a_git_repository_says_what_is_wrong_and_no_secret(tenant: Tenant, url: str) -> None:
    """GHSA-v554-xwgw-hc3w, GO-2025-3368: in condition, event and log."""
    try:
        ref = await tenant.git_repository(url, ref={"branch": "main"}, timeout="10s")
    except ApiError as refused:
        assert refused.status == 422  # the schema's pattern
        return
    failure = await tenant.failed(ref)
    assert failure["message"]
    if "sig=" not in url:  # a path is shown as it is; user info never
        assert SECRET not in await tenant.shown()


@pytest.mark.parametrize(
    "ref", [{"name": "refs/../../x"}, {"branch": "--upload-pack=id"}, {"commit": "-x"}, {"semver": ">=1 || " * 1000}]
)
async def test_hostile_references_end_with_a_condition(tenant: Tenant, ref: dict[str, str]) -> None:
    """CVE-2026-71556, CVE-2026-71557."""
    repository = await tenant.repository()
    await tenant.push({"a.yaml": "a: 1"})
    await tenant.kube.patch(repository, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    await tenant.ready(repository)
    await tenant.kube.patch(repository, {"spec": {"ref": {"branch": None, **ref}}})
    failure = await tenant.failed(repository)
    assert "reference" in failure["message"] or "semver" in failure["message"] or "constraint" in failure["message"], failure
    assert len(failure["message"]) < 20_000


@pytest.mark.parametrize("directory", ["../..", "/etc", "--x", "a/../../b", "."])
async def test_sparse_directories_stay_inside(tenant: Tenant, directory: str) -> None:
    """CVE-2022-24877's like, for the source."""
    repository = await tenant.repository(sparseCheckout=[directory])
    await tenant.push({"a.yaml": "a: 1"})
    await tenant.kube.patch(repository, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    failure = await tenant.failed(repository)
    assert "sparse" in failure["message"] or "repository is empty" in failure["message"], failure
