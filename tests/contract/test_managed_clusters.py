"""Where a cloud's cluster is and what opens it, against servers that speak the clouds' protocols."""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.contract.test_cloud_tokens import AWS, AZURE, GCP, is_for_an_hour
from tests.kit.clouds import Clouds, running_clouds
from tests.kit.managed_clusters import ADDRESSES, AKS, CA, EKS, GKE, GKE_DNS

NAMES = {"aws": EKS, "azure": AKS, "gcp": GKE}
ANNOTATIONS = {"aws": AWS, "azure": AZURE, "gcp": GCP}
NOWHERE = "https://127.0.0.1:1"


@pytest_asyncio.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[Clouds]:
    async with running_clouds(tmp_path) as made:
        yield made


async def asked(clouds: Clouds, provider: str, name: str = "", address: str = "", ca: str = "", **more: str) -> dict[str, Any]:
    own = {"PATH": os.environ["PATH"], "HOME": str(clouds.ca_file.parent), "AWS_ENDPOINT_URL_EKS": f"{clouds.url}/eks"}
    arguments = [provider, name or NAMES[provider], address, ca, json.dumps(ANNOTATIONS[provider]), clouds.url]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kit.managed_clusters", *arguments),
        env={**clouds.environment(), **own, **more},
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return dict(json.loads(out))


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
async def test_the_cloud_is_asked_where_the_cluster_is(clouds: Clouds, provider: str) -> None:
    found = await asked(clouds, provider)
    assert (found["address"], found["ca"]) == (ADDRESSES[provider], CA)


@pytest.mark.parametrize("provider", ["azure", "gcp"])
async def test_what_is_known_is_not_asked_for(clouds: Clouds, provider: str) -> None:
    found = await asked(clouds, provider, "any name", NOWHERE, "known")
    assert (found["address"], found["ca"]) == (NOWHERE, "known")
    assert found["token"] == {"azure": "azure-token", "gcp": "gcp-federated"}[provider]
    assert is_for_an_hour(found["expires_at"])


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
async def test_a_token_goes_to_no_address_that_is_not_the_clusters(clouds: Clouds, provider: str) -> None:
    found = await asked(clouds, provider, address="https://evil.example")
    assert found["error"].startswith(f"address 'https://evil.example' is none of the cluster's: {ADDRESSES[provider]}")


async def test_one_of_several_addresses(clouds: Clouds) -> None:
    assert (await asked(clouds, "gcp", address=GKE_DNS))["address"] == GKE_DNS


async def test_a_token_of_eks_is_a_signed_question_to_sts(clouds: Clouds) -> None:
    """As `aws eks get-token` makes it: the cluster's name is signed, and it is good for 15 minutes."""
    found = await asked(clouds, "aws", address=NOWHERE, ca="known")
    assert found["token"].startswith("k8s-aws-v1.")
    encoded = found["token"].removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (query["Action"], query["X-Amz-Expires"], query["X-Amz-SignedHeaders"]) == (
        "GetCallerIdentity",
        "60",
        "host;x-k8s-aws-id",
    )
    assert query["X-Amz-Credential"].startswith("ASIAROLE/") and query["X-Amz-Credential"].endswith("/eu-west-1/sts/aws4_request")
    assert 780 < found["expires_at"] - time.time() < 900
    assert clouds.asked("aws")[0]["claims"] == {"raw": "token-for-sts.amazonaws.com"}


async def test_a_cluster_that_is_not_there_is_named(clouds: Clouds) -> None:
    error = (await asked(clouds, "aws", EKS.replace("prod", "other")))["error"]
    assert "failed to describe EKS cluster 'other' in eu-west-1" in error and "No cluster found" in error
    error = (await asked(clouds, "gcp", GKE.replace("prod", "other")))["error"]
    assert error.endswith("/gke/v1/projects/p-1/locations/europe-west1/clusters/other: status 404")


@pytest.mark.parametrize(
    ("provider", "name"),
    [("aws", "arn:aws:eks:eu-west-1:123456789012:cluster/../x"), ("azure", f"{AKS}/../../x"), ("gcp", f"{GKE}/../../x?y")],
)
async def test_a_name_is_no_path(clouds: Clouds, provider: str, name: str) -> None:
    """Tenants write it, and our own identity may be what asks."""
    assert (await asked(clouds, provider, name))["error"].startswith("cluster is no ")
    assert not clouds.asked("azure") and not clouds.asked("aws")
