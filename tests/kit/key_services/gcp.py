"""Google's logins and Cloud KMS: the JWT bearer grant of a service account, the exchange of a Kubernetes token, and `:decrypt` of
the JSON API.
"""

import base64
import json
import secrets

import jwt
from aiohttp import web
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kit.key_services.azure import subject_of
from tests.kit.key_services.front import Handler

LOGIN, EXCHANGE, KMS = "oauth2.googleapis.com", "sts.googleapis.com", "cloudkms.googleapis.com"
PROVIDER = "projects/1/locations/global/workloadIdentityPools/fleet/providers/cluster"
KEY = "projects/fleet/locations/global/keyRings/sops/cryptoKeys/app"
ACCOUNT = "sops@fleet.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = {"https://www.googleapis.com/auth/cloudkms", "https://www.googleapis.com/auth/cloud-platform"}


class FakeGCP:
    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.federated: set[str] = set()  # subjects of Kubernetes tokens that are let in
        self._account = rsa.generate_private_key(65537, 2048)
        self._key = Fernet(Fernet.generate_key())

    @property
    def hosts(self) -> dict[str, Handler]:
        return {LOGIN: self._login, EXCHANGE: self._exchange, KMS: self._kms}

    @property
    def credentials(self) -> str:
        """The service account's key file."""
        key = self._account.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = {
            "type": "service_account",
            "project_id": "fleet",
            "private_key_id": "1",
            "private_key": key.decode(),
            "client_email": ACCOUNT,
            "token_uri": f"https://{LOGIN}/token",
        }
        return json.dumps(file)

    def new_token(self) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    def seal(self, data_key: bytes) -> dict[str, str]:
        """An entry of `gcp_kms`."""
        return {"resource_id": KEY, "enc": base64.b64encode(self._key.encrypt(data_key)).decode()}

    async def _login(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert (request.path, form["grant_type"]) == ("/token", GRANT)
        try:
            claims = jwt.decode(
                str(form["assertion"]), self._account.public_key(), ["RS256"], audience=f"https://{LOGIN}/token", issuer=ACCOUNT
            )
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, status=400)
        if not SCOPES & set(claims["scope"].split()):
            return web.json_response({"error": "invalid_scope"}, status=400)
        return web.json_response({"access_token": self.new_token(), "expires_in": 3599, "token_type": "Bearer"})

    async def _exchange(self, request: web.Request) -> web.Response:
        form, audience = await request.post(), f"//iam.googleapis.com/{PROVIDER}"
        assert (request.path, form["audience"]) == ("/v1/token", audience)
        if subject_of(str(form["subject_token"]), audience) not in self.federated:
            return web.json_response({"error": "invalid_grant", "error_description": "the token is not accepted"}, status=400)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        answer = {"access_token": self.new_token(), "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3599}
        return web.json_response(answer)

    async def _kms(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            message = "Request had invalid authentication credentials."
            return web.json_response({"error": {"code": 401, "message": message, "status": "UNAUTHENTICATED"}}, status=401)
        if (request.method, request.path) != ("POST", f"/v1/{KEY}:decrypt"):
            error = {"code": 404, "message": "CryptoKey not found.", "status": "NOT_FOUND"}
            return web.json_response({"error": error}, status=404)
        try:
            plain = self._key.decrypt(base64.b64decode((await request.json())["ciphertext"]))
        except InvalidToken:
            error = {"code": 400, "message": "Decryption failed: the ciphertext is invalid.", "status": "INVALID_ARGUMENT"}
            return web.json_response({"error": error}, status=400)
        return web.json_response({"plaintext": base64.b64encode(plain).decode(), "usedPrimary": True})
