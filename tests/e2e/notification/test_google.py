"""CVE-2026-40109: of the tokens that Google signs for anybody, one account's for one audience opens a gcr Receiver."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fleetloop.api.meta import ObjectMeta
from fleetloop.api.notification import Receiver, ReceiverSpec
from fleetloop.controllers.notification.cel import Cel
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.oidc import Oidc
from fleetloop.controllers.notification.verification import Call, verify
from fleetloop.controllers.notification.verification_errors import Unverified
from fleetloop.engine import Engines
from tests.e2e.notification.issuer import Issuer, issuer

SECRET = {"token": b"t", "email": b"ci@acme.iam", "audience": b"https://hooks"}
GOOD: dict[str, Any] = {
    "iss": "https://accounts.google.com",
    "aud": "https://hooks",
    "email": "ci@acme.iam",
    "email_verified": True,
}
MEANT = b'{"action": "INSERT"}'
WRAPPED = json.dumps({"message": {"data": base64.b64encode(MEANT).decode()}}).encode()


@pytest.fixture
async def google() -> AsyncIterator[tuple[Issuer, Oidc]]:
    async with issuer() as found, Http.open(None) as http, Engines() as engines:
        yield found, Oidc(http, Cel(engines), f"{found.url}/keys")


def receiver() -> Receiver:
    spec = ReceiverSpec(resources=(), type="gcr")
    return Receiver(api_version="notification.toolkit.fluxcd.io/v1", kind="Receiver", metadata=ObjectMeta(name="r"), spec=spec)


async def verified(oidc: Oidc, token: str, secret: dict[str, bytes], body: bytes = WRAPPED) -> bytes:
    return (await verify(Call({"Authorization": f"Bearer {token}"}, body), receiver(), secret, oidc)).body


async def test_the_account_and_the_audience_of_the_secret(google: tuple[Issuer, Oidc]) -> None:
    found, oidc = google
    assert await verified(oidc, found.token(**GOOD), SECRET) == MEANT


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://somebody"},
        {"email": "other@evil.iam"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"iss": "https://evil.example"},
        {"exp": int(time.time()) - 10},
    ],
)
async def test_wrong_in_one_thing(google: tuple[Issuer, Oidc], claims: dict[str, Any]) -> None:
    found, oidc = google
    with pytest.raises(Unverified):
        await verified(oidc, found.token(**{**GOOD, **claims}), SECRET)


@pytest.mark.parametrize("missing", ["email", "audience", "token"])
async def test_a_secret_without_them_opens_nothing(google: tuple[Issuer, Oidc], missing: str) -> None:
    found, oidc = google
    with pytest.raises(Unverified):
        await verified(oidc, found.token(**GOOD), {key: value for key, value in SECRET.items() if key != missing})


async def test_signed_by_somebody_else_and_not_wrapped(google: tuple[Issuer, Oidc]) -> None:
    found, oidc = google
    with pytest.raises(Unverified):
        await verified(oidc, found.token(Issuer().key, **GOOD), SECRET)
    with pytest.raises(Unverified):
        await verified(oidc, found.token(**GOOD), SECRET, b"no")


async def test_an_issuer_that_hangs_holds_no_caller() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, Http.open(None) as http, Engines() as engines:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        with pytest.raises(Unverified, match=f"'{url}': no answer within 0.2s"):
            await verified(Oidc(http, Cel(engines), url, patience=0.2), Issuer().token(**GOOD), SECRET)
