import pytest

from fleetloop.bootstrap.errors import BootstrapError
from fleetloop.bootstrap.prerequisites import Access, access_problem, check_kubernetes


@pytest.mark.parametrize(
    ("given", "version"),
    [("v1.36.3", "1.36.3"), ("v1.33.0-alpha.1", "1.33.0-alpha.1"), ("v1.34.1+k3s1", "1.34.1"), ("v2.0.0", "2.0.0")],
)
def test_versions_that_are_new_enough(given: str, version: str) -> None:
    assert check_kubernetes({"gitVersion": given}) == version


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("v1.32.9", "Kubernetes version v1.32.9 does not match >=1.33.0-0"),
        ("", "Kubernetes version can't be determined"),
        ("banana", "Kubernetes version can't be determined"),
    ],
)
def test_versions_that_are_not(given: str, message: str) -> None:
    with pytest.raises(BootstrapError) as refused:
        check_kubernetes({"gitVersion": given})
    assert str(refused.value) == message


def test_what_is_missing_is_named() -> None:
    missing = [Access("create", "secrets", "", "flux-system"), Access("bind", "clusterroles", "rbac", name="cluster-admin")]
    assert access_problem(missing, is_installing=True) == (
        "installing needs cluster-admin; the current identity may not: create secrets in flux-system, "
        'bind clusterroles.rbac "cluster-admin"'
    )
