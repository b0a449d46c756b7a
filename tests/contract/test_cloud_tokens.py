"""The clouds' own libraries, behind `auth`, against servers that speak their protocols."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.kit.clouds import CLIENT, EMAIL, PROVIDER, ROLE, TENANT, Clouds, running_clouds
from tests.kit.proxies import http_proxy, socks5_proxy

AWS = {"eks.amazonaws.com/role-arn": ROLE}
AZURE = {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": CLIENT}
GCP = {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER}
OWN = None


@pytest_asyncio.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[Clouds]:
    async with running_clouds(tmp_path) as made:
        yield made


async def asked(
    clouds: Clouds, cloud: str, annotations: dict[str, str] | None, *, proxy: str = "", **environment: str
) -> dict[str, Any]:
    base = {"PATH": os.environ["PATH"], "HOME": str(clouds.ca_file.parent), **clouds.environment(), **environment}
    who = "own" if annotations is None else json.dumps(annotations)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kit.cloud_token", cloud, who, proxy, clouds.url),
        env=base,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return dict(json.loads(out))


def is_for_an_hour(expires_at: float) -> bool:
    return abs(expires_at - time.time() - 3600) < 120


async def test_aws_role_of_a_service_account(clouds: Clouds) -> None:
    found = await asked(clouds, "aws", AWS)
    assert is_for_an_hour(found.pop("expires_at"))
    assert found == {"access_key": "ASIAROLE", "secret_key": "role-secret", "session_token": "role-session"}
    (seen,) = clouds.asked("aws")
    assert seen["claims"] == {"raw": "token-for-sts.amazonaws.com"}
    assert seen["RoleSessionName"] == "sa.team.eu-central-1.fluxcd.io"


async def test_aws_of_the_process(clouds: Clouds, tmp_path: Path) -> None:
    found = await asked(clouds, "aws", OWN, AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="s", AWS_SESSION_TOKEN="t")
    assert (found["access_key"], found["secret_key"], found["session_token"]) == ("AKIA", "s", "t")
    (tmp_path / "token").write_text("of-the-pod")
    pod = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    found = await asked(clouds, "aws", OWN, **pod)
    assert found["access_key"] == "ASIAROLE" and is_for_an_hour(found["expires_at"])
    assert (await asked(clouds, "aws", OWN))["error"] == "failed to get credentials of AWS: the environment has none"


async def test_azure_federation_of_a_service_account(clouds: Clouds) -> None:
    found = await asked(clouds, "azure", AZURE)
    assert is_for_an_hour(found.pop("expires_at")) and found == {"value": "azure-token"}
    (seen,) = clouds.asked("azure")
    assert seen["claims"] == {"raw": "token-for-api://AzureADTokenExchange"}
    assert seen["scope"].split()[0] == "499b84ac-1321-427f-aa17-267ca6975798/.default"
    assert (seen["client_id"], seen["grant_type"]) == (CLIENT, "client_credentials")


async def test_azure_of_the_process(clouds: Clouds, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    pod = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    assert (await asked(clouds, "azure", OWN, **pod))["value"] == "azure-token"
    assert clouds.asked("azure")[0]["claims"] == {"raw": "of-the-pod"}


async def test_gcp_federation_of_a_service_account(clouds: Clouds) -> None:
    found = await asked(clouds, "gcp", GCP)
    assert is_for_an_hour(found.pop("expires_at")) and found == {"value": "gcp-federated"}
    (seen,) = clouds.asked("gcp")
    assert seen["audience"] == f"//iam.googleapis.com/{PROVIDER}"
    assert seen["claims"] == {"raw": f"token-for-//iam.googleapis.com/{PROVIDER}"}
    found = await asked(clouds, "gcp", GCP | {"iam.gke.io/gcp-service-account": EMAIL})
    assert is_for_an_hour(found.pop("expires_at")) and found == {"value": "gcp-impersonated"}
    assert clouds.asked("gcp-impersonation")[0]["account"] == f"{EMAIL}:generateAccessToken"


async def test_gcp_inside_gke(clouds: Clouds) -> None:
    """Without an annotation the cluster's own pool is used, of which the metadata server tells."""
    assert (await asked(clouds, "gcp", {}))["value"] == "gcp-federated"
    (seen,) = clouds.asked("gcp")
    assert seen["claims"] == {"raw": "token-for-team-project.svc.id.goog"}
    place = "projects/team-project/locations/europe-west1/clusters/fleet"
    assert seen["audience"] == f"identitynamespace:team-project.svc.id.goog:https://container.googleapis.com/v1/{place}"


async def test_gcp_of_the_process(clouds: Clouds) -> None:
    for proxy in ("", "http://127.0.0.1:1"):  # a tenant's, which would read along
        found = await asked(clouds, "gcp", OWN, proxy=proxy)
        assert is_for_an_hour(found["expires_at"]) and found["value"] == "gcp-node"
    found = await asked(clouds, "gcp", OWN, GCE_METADATA_HOST="127.0.0.1:1", GCE_METADATA_IP="127.0.0.1:1", NO_GCE_CHECK="true")
    assert found["error"].startswith("failed to get a token of Google Cloud: ")


@pytest.mark.parametrize(
    ("cloud", "annotations", "error"),
    [
        ("aws", {}, "service account 'team/sa' has no annotation eks.amazonaws.com/role-arn"),
        ("aws", {"eks.amazonaws.com/role-arn": "admin"}, "annotation eks.amazonaws.com/role-arn is no role ARN: 'admin'"),
        ("aws", {"eks.amazonaws.com/role-arn": ROLE + "2"}, "AccessDenied"),
        ("azure", {"azure.workload.identity/tenant-id": TENANT}, "has no annotation azure.workload.identity/client-id"),
        ("azure", AZURE | {"azure.workload.identity/client-id": "other"}, "AADSTS700016"),
        ("gcp", {"gcp.auth.fluxcd.io/workload-identity-provider": "x"}, "is no workload identity provider: 'x'"),
        ("gcp", GCP | {"iam.gke.io/gcp-service-account": "a@b/../c"}, "is no service account of Google Cloud"),
    ],
)
async def test_refusals(clouds: Clouds, cloud: str, annotations: dict[str, str], error: str) -> None:
    found = await asked(clouds, cloud, annotations)
    assert error in found["error"] and "token-for" not in found["error"] and "\n" not in found["error"]


@pytest.mark.parametrize(("cloud", "annotations"), [("aws", AWS), ("azure", AZURE), ("gcp", GCP)])
async def test_through_proxies(clouds: Clouds, cloud: str, annotations: dict[str, str]) -> None:
    target = clouds.url.removeprefix("https://")
    async with http_proxy("ada", "p@ss") as proxy:
        found = await asked(clouds, cloud, annotations, proxy=proxy.address.replace("//", "//ada:p%40ss@"))
        assert "error" not in found and set(proxy.targets) == {target}
    async with socks5_proxy("ada", "p@ss") as proxy:
        found = await asked(clouds, cloud, annotations, proxy=proxy.address.replace("//", "//ada:p%40ss@"))
        if cloud == "aws":
            assert found["error"] == "credentials of AWS cannot be fetched through a SOCKS5 proxy, use an HTTP proxy"
        else:
            assert "error" not in found and set(proxy.targets) == {target}
    for kind in (http_proxy, socks5_proxy):
        async with kind("ada", "p@ss") as proxy:
            found = await asked(clouds, cloud, annotations, proxy=proxy.address.replace("//", "//ada:wr0ng@"))
            assert "error" in found and "wr0ng" not in found["error"] and proxy.targets == []


@pytest.mark.parametrize(("cloud", "annotations"), [("aws", AWS), ("azure", AZURE), ("gcp", GCP)])
async def test_a_library_that_is_not_installed(clouds: Clouds, tmp_path: Path, cloud: str, annotations: dict[str, str]) -> None:
    for package in ("botocore", "azure", "google"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not here')")
    found = await asked(clouds, cloud, annotations, PYTHONPATH=str(tmp_path))
    assert found["class"] == "SdkMissing" and found["error"].endswith(f"install fleetloop[{cloud}]")
