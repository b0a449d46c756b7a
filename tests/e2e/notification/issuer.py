"""An issuer of OpenID Connect tokens: a key, its discovery document, and the tokens it signs."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.notification.receiver import inbox


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=_new_key)

    def keys(self) -> dict[str, Any]:
        return {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())), "kid": "one", "use": "sig"}]}

    def token(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        now = int(time.time())
        found = {"iss": self.url, "aud": "notification-controller", "exp": now + 300, "sub": "repo:acme/app", **claims}
        return jwt.encode(found, key or self.key, algorithm="RS256", headers={"kid": "one"})


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    found = Issuer()
    async with inbox() as box:
        found.url = box.url

        def answers(method: str, path: str) -> tuple[int, Any]:
            if path == "/.well-known/openid-configuration":
                return 200, {"issuer": found.url, "jwks_uri": f"{found.url}/keys"}
            return (200, found.keys()) if path == "/keys" else (404, {})

        box.answers = answers
        yield found
