"""Logins at registries of clouds, against servers that speak the clouds' protocols. Flux: source-kustomize.md 3.5."""

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

from fleetloop import auth
from tests.kit.cloud_registries import ACR, ECR, ECR_PUBLIC, GAR
from tests.kit.clouds import CLIENT, PROVIDER, ROLE, TENANT, Clouds, running_clouds

AWS = {"eks.amazonaws.com/role-arn": ROLE}
AZURE = {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": CLIENT}
GCP = {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER}


@pytest_asyncio.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[Clouds]:
    async with running_clouds(tmp_path) as made:
        yield made


async def asked(clouds: Clouds, provider: str, host: str, annotations: dict[str, str]) -> dict[str, Any]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(clouds.ca_file.parent), **clouds.environment()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kit.cloud_registries", provider, host),
        *(json.dumps(annotations), clouds.url, str(clouds.ca_file)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return dict(json.loads(out))


@pytest.mark.parametrize(("host", "password"), [(ECR, "password-ecr"), (ECR_PUBLIC, "password-ecr-public")])
async def test_ecr_by_a_role(clouds: Clouds, host: str, password: str) -> None:
    found = await asked(clouds, "aws", host, AWS)
    assert found.pop("expires_at") - time.time() > 11 * 3600
    assert found == {"username": "AWS", "password": password}
    assert clouds.asked("aws")[0]["claims"] == {"raw": "token-for-sts.amazonaws.com"}


async def test_acr_takes_a_token_of_azure_in_exchange(clouds: Clouds) -> None:
    found = await asked(clouds, "azure", ACR, AZURE)
    assert 10000 < found["expires_at"] - time.time() < 11000
    assert found["username"] == "00000000-0000-0000-0000-000000000000" and found["password"].startswith("e30.")
    assert clouds.asked("azure")[0]["scope"].split()[0] == "https://management.azure.com/.default"
    refused = await asked(clouds, "azure", "other.azurecr.io", AZURE)
    assert refused == {"error": "registry 'other.azurecr.io' did not take the token of Azure: status 401"}


async def test_artifact_registry_takes_the_token_as_it_is(clouds: Clouds) -> None:
    found = await asked(clouds, "gcp", GAR, GCP)
    assert (found["username"], found["password"]) == ("oauth2accesstoken", "gcp-federated")


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        *(
            ("aws", host)
            for host in (ACR, GAR, "127.0.0.1:5000", ECR + ".evil.example", f"evil.example/{ECR}", "x.public.ecr.aws")
        ),
        *(("azure", host) for host in (ECR, "azurecr.io", "team.azurecr.io.evil.example", "team.azurecr.io:5000")),
        *(("gcp", host) for host in (ECR, "evil-gcr.io.example", "xgcr.io", "docker.pkg.dev", "a.docker.pkg.dev")),
    ],
)
def test_tokens_go_to_their_cloud_alone(provider: str, host: str) -> None:
    with pytest.raises(auth.IdentityError, match=f"is no registry of provider '{provider}'"):
        auth.cloud_registry(provider, host)


def test_other_names_of_registries() -> None:
    for host in ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"):
        assert auth.cloud_registry("aws", host).zone in {"us-gov-west-1", "cn-north-1"}
    assert auth.cloud_registry("aws", "123456789012.dkr-ecr.eu-west-1.on.aws").zone == "eu-west-1"
    assert auth.cloud_registry("azure", "team.azurecr.cn").zone == "cn"
    assert auth.cloud_registry("gcp", "eu.gcr.io").cache_key == auth.cloud_registry("gcp", GAR).cache_key
