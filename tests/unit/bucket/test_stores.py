"""As whom stores are asked: as the login says, whatever the process could be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from fleetloop.bucket.fetch import list_objects
from fleetloop.bucket.stores import AzureLogin, Login, Place, S3Login, open_bucket
from tests.kit.served import served

EMPTY = {
    "azure": "<EnumerationResults><Blobs/></EnumerationResults>",
    "aws": "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>",
}


@asynccontextmanager
async def store(answer: str) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Its address, and what it was asked: everything that the library sends ends there."""
    asked: list[web.Request] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(text=answer, content_type="application/xml")

    async with served(take) as address:
        yield address, asked


@pytest.mark.parametrize(
    ("login", "query", "authorization"),
    [
        (AzureLogin(sas_key="?sv=2020&sig=mine"), "sig=mine", ""),
        (AzureLogin(account_key="bWluZQ=="), "", "SharedKey "),
        (AzureLogin(token="mine"), "", "Bearer mine"),
        (AzureLogin(), "", ""),
        (S3Login("mine", "secret"), "", "AWS4-HMAC-SHA256 Credential=mine/"),
        (S3Login(), "", ""),
    ],
    ids=["sas key", "account key", "bearer token", "nobody", "keys", "nobody at S3"],
)
async def test_who_the_process_is_shows_nowhere(
    login: Login, query: str, authorization: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pod with identities of both clouds: a tenant's endpoint must not see these."""
    cloud = "azure" if isinstance(login, AzureLogin) else "aws"
    (tmp_path / "token").write_text("of-the-controller")
    async with store(EMPTY[cloud]) as (address, asked):
        for name, value in {
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
            "AZURE_CLIENT_ID": "controller",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_AUTHORITY_HOST": f"http://{address}/",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/controller",
            "AWS_SESSION_TOKEN": "of-the-controller",
            "AWS_ENDPOINT_URL_STS": f"http://{address}/",
        }.items():
            monkeypatch.setenv(name, value)
        endpoint = f"http://{address}/team" if cloud == "azure" else address
        opened = open_bucket(Place("apps", endpoint, insecure=True), login)
        assert await list_objects(opened, "", lambda key: True) == {}
    assert {request.method for request in asked} == {"GET"}
    for request in asked:
        assert query in request.query_string and request.headers.get("Authorization", "").startswith(authorization)
        assert bool(request.headers.get("Authorization")) is bool(authorization)
        assert "controller" not in str(request.headers) + request.query_string
