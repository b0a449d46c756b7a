"""Tokens of HashiCorp Vault or OpenBao for the token of a Kubernetes ServiceAccount.

The address is an operator's word; whether a document may name it is the caller's to decide.
"""

import asyncio
import time

import aiohttp
import orjson

from fleetloop.auth.errors import IdentityError
from fleetloop.auth.tokens import LONGEST, Token

_TIMEOUT = 10.0  # seconds
_LARGEST = 1 << 20  # bytes of an answer


async def vault_token(session: aiohttp.ClientSession, address: str, login_path: str, role: str, jwt: str) -> Token:
    """`login_path`: as in `auth/kubernetes/login`. Follows no redirect. Raises IdentityError."""
    url = f"{address.rstrip('/')}/v1/{login_path.strip('/')}"
    try:
        async with (
            asyncio.timeout(_TIMEOUT),
            session.post(url, json={"role": role, "jwt": jwt}, allow_redirects=False) as response,
        ):
            status, body = response.status, await response.content.read(_LARGEST)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or f"no answer within {_TIMEOUT:g}s"
        raise IdentityError(f"failed to log in to Vault at {url} as role '{role}': {reason}") from None
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = {}
    if status != 200:
        told = ", ".join(str(one) for one in answer.get("errors") or [])[:300]
        raise IdentityError(f"failed to log in to Vault at {url} as role '{role}': HTTP status {status} {told}".rstrip())
    auth = answer.get("auth") or {}
    if not auth.get("client_token"):
        raise IdentityError(f"failed to log in to Vault at {url} as role '{role}': the answer has no token")
    return Token(auth["client_token"], time.time() + (auth.get("lease_duration") or LONGEST))
