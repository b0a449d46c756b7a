"""The login of a ServiceAccount at HashiCorp Vault, by its protocol."""

import time
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest

from fleetloop.auth.errors import IdentityError
from fleetloop.auth.vault import vault_token
from tests.kit.key_services.vault import FakeVault, vault

SUBJECT = "system:serviceaccount:apps:web"
PATH = "auth/kubernetes/login"


@pytest.fixture
async def fake() -> AsyncIterator[FakeVault]:
    async with vault() as running:
        running.roles["apps_web"] = SUBJECT
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def token_for(audience: str, subject: str = SUBJECT) -> str:
    return jwt.encode({"sub": subject, "aud": [audience]}, "x" * 32)


async def test_a_token_and_its_end(fake: FakeVault, session: aiohttp.ClientSession) -> None:
    before = time.time()
    token = await vault_token(session, fake.address + "/", f"/{PATH}/", "apps_web", token_for(fake.address))
    assert token.value in fake.tokens
    assert before + 3600 <= token.expires_at <= time.time() + 3600
    assert token.value not in repr(token)


@pytest.mark.parametrize(
    ("path", "role", "reason"),
    [
        (PATH, "apps_other", "as role 'apps_other': HTTP status 400 invalid role name \"apps_other\""),
        ("auth/elsewhere", "apps_web", "as role 'apps_web': HTTP status 404"),
    ],
)
async def test_a_refused_login(path: str, role: str, reason: str, fake: FakeVault, session: aiohttp.ClientSession) -> None:
    sent = token_for(fake.address)
    with pytest.raises(IdentityError) as refused:
        await vault_token(session, fake.address, path, role, sent)
    assert str(refused.value) == f"failed to log in to Vault at {fake.address}/v1/{path} {reason}"
    assert sent not in str(refused.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "ftp://127.0.0.1", "vault", "http://[", "https://:x"])
async def test_addresses_that_lead_nowhere(address: str, session: aiohttp.ClientSession) -> None:
    with pytest.raises(IdentityError, match=r"^failed to log in to Vault"):
        await vault_token(session, address, PATH, "r", "j")
