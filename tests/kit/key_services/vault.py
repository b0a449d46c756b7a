"""HashiCorp Vault: the transit engine's `decrypt`, and the login of Kubernetes service accounts, by plain HTTP."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.fernet import Fernet, InvalidToken


class FakeVault:
    """`roles`: role -> subject of the tokens that may log in with it. `logins`: what came, for tests to look at."""

    def __init__(self) -> None:
        self.address = ""
        self.tokens: set[str] = set()
        self.roles: dict[str, str] = {}
        self.logins: list[dict[str, Any]] = []
        self.lease = 3600
        self._key = Fernet(Fernet.generate_key())

    def new_token(self) -> str:
        token = "hvs." + secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    def seal(self, data_key: bytes, address: str = "") -> dict[str, str]:
        """An entry of `hc_vault`."""
        sealed = "vault:v1:" + self._key.encrypt(base64.b64encode(data_key)).decode()
        where = {"vault_address": address or self.address, "engine_path": "team/transit", "key_name": "app"}
        return {**where, "enc": sealed}

    async def decrypt(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Vault-Token") not in self.tokens:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        try:
            sealed = (await request.json())["ciphertext"].removeprefix("vault:v1:")
            plain = self._key.decrypt(sealed.encode())
        except InvalidToken:
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)
        return web.json_response({"request_id": "1", "data": {"plaintext": plain.decode()}})

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        claims = jwt.decode(body["jwt"], options={"verify_signature": False})
        self.logins.append({"path": request.path, "role": body["role"], "claims": claims})
        if self.roles.get(body["role"]) != claims["sub"] or self.address not in claims["aud"]:
            return web.json_response({"errors": [f'invalid role name "{body["role"]}"']}, status=400)
        auth = {"client_token": self.new_token(), "lease_duration": self.lease, "renewable": True}
        return web.json_response({"auth": auth})


@asynccontextmanager
async def vault() -> AsyncIterator[FakeVault]:
    fake = FakeVault()
    app = web.Application()
    app.router.add_route("*", "/v1/team/transit/decrypt/app", fake.decrypt)
    app.router.add_post("/v1/auth/{mount}/login", fake.login)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
