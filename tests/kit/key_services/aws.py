"""AWS KMS and STS by moto, behind their real names. It checks signatures and rights."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import boto3
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

from tests.kit.key_services.azure import subject_of
from tests.kit.key_services.front import Handler

REGION = "eu-west-1"
AUDIENCE = "sts.amazonaws.com"
NOT_ACCEPTED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>\
<Code>InvalidIdentityToken</Code><Message>The token is not accepted</Message></Error></ErrorResponse>"""
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:*", "sts:*"], "Resource": "*"}]}

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}, "Resource": "*"}],
}


@dataclass
class FakeAWS:
    """`keys` of a user who may use the key; `powerless` of one who may not. `federated`: subjects of Kubernetes
    tokens that may have the role.
    """

    url: str
    session: aiohttp.ClientSession
    arn: str
    role: str
    keys: dict[str, str]
    powerless: dict[str, str]
    federated: set[str] = field(default_factory=set)

    @property
    def hosts(self) -> dict[str, Handler]:
        return {f"{service}.{REGION}.amazonaws.com": self._forward for service in ("kms", "sts")}

    def seal(self, data_key: bytes, **more: Any) -> dict[str, Any]:
        """An entry of `kms`; `context` and `role` as in the document."""
        with _client("kms", self.url, self.keys) as kms:
            sealed = kms.encrypt(KeyId=self.arn, Plaintext=data_key, EncryptionContext=more.get("context", {}))
        return {"arn": self.arn, "enc": base64.b64encode(sealed["CiphertextBlob"]).decode(), "aws_profile": "", **more}

    async def _forward(self, request: web.Request) -> web.Response:
        """With the original Host, which the signature covers."""
        url, sent, headers = self.url + request.path_qs, await request.read(), dict(request.headers)
        if "Authorization" not in headers:
            token = parse_qs(sent.decode()).get("WebIdentityToken", [""])[0]
            if not token or subject_of(token, AUDIENCE) not in self.federated:
                return web.Response(status=400, text=NOT_ACCEPTED, content_type="text/xml")
            headers |= self._signed(f"https://{request.host}{request.path_qs}", sent, headers)
        async with self.session.request(request.method, url, headers=headers, data=sent) as answer:
            body = await answer.read()
            if b"<Error" in body and "X-Amz-Target" in request.headers:
                return _as_json(answer.status, body.decode())
            headers = {name: answer.headers[name] for name in ("Content-Type", "x-amzn-RequestId") if name in answer.headers}
            return web.Response(status=answer.status, body=body, headers=headers)

    def _signed(self, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        """moto's gate asks for a signature where STS is open to tokens of other issuers."""
        request = AWSRequest("POST", url, data=body, headers={"Content-Type": headers["Content-Type"]})
        keys = self.keys
        credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
        SigV4Auth(credentials, "sts", REGION).add_auth(request)
        return dict(request.headers.items())


@asynccontextmanager
async def aws() -> AsyncIterator[FakeAWS]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        root = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        keys, powerless = _user(url, root, "fleet", POLICY), _user(url, root, "stranger", None)
        role = _role(url, root)
        with _client("kms", url, root) as kms:
            arn = kms.create_key()["KeyMetadata"]["Arn"]
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/moto-api/reset-auth", data="0"):  # from now on everybody has to be somebody
                pass
            yield FakeAWS(url, session, arn, role, keys, powerless)
            for place, data in (("reset-auth", "inf"), ("reset", "")):  # the process keeps what moto's servers hold
                async with session.post(f"{url}/moto-api/{place}", data=data):
                    pass
    finally:
        server.stop()


def _as_json(status: int, xml: str) -> web.Response:
    """A refusal as KMS writes it; moto writes those of its gate in the form of other services."""
    code, message = (re.search(f"<{name}>(.*?)</{name}>", xml, re.DOTALL) for name in ("Code", "Message"))
    assert code and message
    return web.json_response({"__type": f"{code[1]}Exception", "message": message[1]}, status=status)


def _client(service: str, url: str, keys: dict[str, str]) -> Any:
    return closing(boto3.client(service, region_name=REGION, endpoint_url=url, **keys))


def _user(url: str, root: dict[str, str], name: str, policy: dict[str, Any] | None) -> dict[str, str]:
    with _client("iam", url, root) as iam:
        iam.create_user(UserName=name)
        if policy:
            iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}


def _role(url: str, root: dict[str, str]) -> str:
    with _client("iam", url, root) as iam:
        arn: str = iam.create_role(RoleName="sops", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        iam.put_role_policy(RoleName="sops", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    return arn
