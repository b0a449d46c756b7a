"""Azure's login and a Key Vault in it, as far as decrypting with an RSA key goes.

Login: the OAuth 2.0 client credentials grant of Microsoft Entra ID, by secret or by certificate. Vault: `POST
/keys/{name}/{version}/decrypt`, with the challenge that tells a client where to log in.
"""

import base64
import datetime
import secrets
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.kit.key_services.front import Handler

LOGIN, VAULT = "login.microsoftonline.com", "fleet-test.vault.azure.net"
TENANT, CLIENT = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-8999-000000000000"
SCOPE = "https://vault.azure.net/.default"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class FakeAzure:
    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(24)
        self.tokens: set[str] = set()
        self.federated: set[str] = set()  # subjects of Kubernetes tokens that pass for the client
        self._client_key = rsa.generate_private_key(65537, 2048)
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def hosts(self) -> dict[str, Handler]:
        return {LOGIN: self._login, VAULT: self._vault}

    def seal(self, data_key: bytes, vault: str = f"https://{VAULT}") -> dict[str, str]:
        """An entry of `azure_kv`."""
        sealed = self._key.public_key().encrypt(data_key, _oaep())
        return {"vault_url": vault, "name": "sops", "version": "1", "enc": _unpadded(sealed)}

    def new_token(self) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    def certificate(self, password: str = "") -> str:
        """The client's certificate with its key, as PEM."""
        now, name = datetime.datetime.now(datetime.UTC), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._client_key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self._client_key, hashes.SHA256())
        )
        if password:
            old = serialization.PrivateFormat.PKCS12.encryption_builder()  # the only form that Microsoft's Go library reads
            old = old.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
            encryption = old.build(password.encode())
            bundle = pkcs12.serialize_key_and_certificates(b"client", self._client_key, signed, None, encryption)
            return base64.b64encode(bundle).decode()
        key = self._client_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (signed.public_bytes(serialization.Encoding.PEM) + key).decode()

    async def _login(self, request: web.Request) -> web.Response:
        endpoint = f"https://{LOGIN}/{TENANT}/oauth2/v2.0/token"
        if request.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            issuer = f"https://{LOGIN}/{TENANT}/v2.0"
            authorize = endpoint.replace("/token", "/authorize")
            return web.json_response({"token_endpoint": endpoint, "authorization_endpoint": authorize, "issuer": issuer})
        if (request.method, request.path) != ("POST", f"/{TENANT}/oauth2/v2.0/token"):
            return web.json_response({"error": "invalid_request", "error_description": request.path}, status=404)
        form = await request.post()
        if form["grant_type"] != "client_credentials" or SCOPE not in str(form["scope"]).split():
            return web.json_response({"error": "invalid_scope", "error_description": str(form["scope"])}, status=400)
        if form["client_id"] != CLIENT or not self._is_client(form, endpoint):
            return web.json_response(
                {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}, status=401
            )
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": self.new_token()})

    def _is_client(self, form: Any, endpoint: str) -> bool:
        if form.get("client_assertion_type") != ASSERTION:
            return bool(form.get("client_secret") == self.secret)
        if subject_of(str(form["client_assertion"]), "api://AzureADTokenExchange") in self.federated:
            return True
        try:
            jwt.decode(form["client_assertion"], self._client_key.public_key(), ["PS256", "RS256"], audience=endpoint)
        except jwt.InvalidTokenError:
            return False
        return True

    async def _vault(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            challenge = f'Bearer authorization="https://{LOGIN}/{TENANT}", resource="https://vault.azure.net"'
            return web.json_response(
                {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}},
                status=401,
                headers={"WWW-Authenticate": challenge},
            )
        if (request.method, request.path) != ("POST", "/keys/sops/1/decrypt") or "api-version" not in request.query:
            error = {"code": "KeyNotFound", "message": "A key with (name/id) sops/1 was not found in this key vault."}
            return web.json_response({"error": error}, status=404)
        body = await request.json()
        assert body["alg"] == "RSA-OAEP-256"
        try:
            plain = self._key.decrypt(base64.urlsafe_b64decode(body["value"] + "=="), _oaep())
        except ValueError:
            return web.json_response({"error": {"code": "BadParameter", "message": "Decryption failed"}}, status=400)
        return web.json_response({"kid": f"https://{VAULT}/keys/sops/1", "value": _unpadded(plain)})


def subject_of(token: str, audience: str) -> str:
    """Of a token of Kubernetes for this audience. Its signature is not checked: the cluster's keys are not published here."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["sub"]) if audience in claims["aud"] else ""


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
