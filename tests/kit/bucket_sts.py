"""MinIO's STS before an LDAP directory, and an object store that lets in only who comes with given credentials of a session."""

import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web

from tests.kit.tls import Authority, Pair

LDAP_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
HOP_HEADERS = {"content-length", "transfer-encoding", "content-encoding", "connection"}


@dataclass
class LdapSts:
    """HTTPS, for clients with a certificate of `authority`. One user, `reader`."""

    url: str = ""
    authority: Authority = field(default_factory=Authority)
    password: str = "open sesame"
    key, secret, token = "STSLDAP", "ldap-secret", "ldap-session"
    lifetime: datetime.timedelta = datetime.timedelta(hours=1)
    asked: int = 0
    answer: bytes | None = None  # in place of all others

    @property
    def client(self) -> Pair:
        return self.authority.pair("client")

    async def assume(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.answer is not None:
            return web.Response(content_type="application/xml", body=self.answer)
        form = {key: str(value) for key, value in (await request.post()).items()}
        if (form.get("Action"), form.get("Version")) != ("AssumeRoleWithLDAPIdentity", "2011-06-15"):
            return _error("InvalidParameterValue", f"Unsupported action {form.get('Action')}")
        if (form.get("LDAPUsername"), form.get("LDAPPassword")) != ("reader", self.password):
            return _error("InvalidParameterValue", "LDAP server error: Unable to find user")
        until = (datetime.datetime.now(datetime.UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        credentials = (
            f"<AccessKeyId>{self.key}</AccessKeyId><SecretAccessKey>{self.secret}</SecretAccessKey>"
            f"<Expiration>{until}</Expiration><SessionToken>{self.token}</SessionToken>"
        )
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<AssumeRoleWithLDAPIdentityResponse xmlns="{LDAP_NAMESPACE}">'
            f"<AssumeRoleWithLDAPIdentityResult><Credentials>{credentials}</Credentials></AssumeRoleWithLDAPIdentityResult>"
            "<ResponseMetadata/></AssumeRoleWithLDAPIdentityResponse>"
        )
        return web.Response(content_type="application/xml", text=body)


def _error(code: str, message: str) -> web.Response:
    error = f"<Error><Type></Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f'<ErrorResponse xmlns="{LDAP_NAMESPACE}">{error}<RequestId>1</RequestId></ErrorResponse>'
    return web.Response(status=400, content_type="application/xml", text=text)


@asynccontextmanager
async def ldap_sts(folder: Path) -> AsyncIterator[LdapSts]:
    sts = LdapSts()
    app = web.Application()
    app.router.add_post("/", sts.assume)
    async with _serving(app, sts.authority.server_context(folder, clients=sts.authority.ca)) as address:
        sts.url = f"https://{address}"
        yield sts


@asynccontextmanager
async def guarded(endpoint: str, key: str, token: str) -> AsyncIterator[str]:
    """The endpoint of the store behind `endpoint`, for requests that are signed with this key and carry this session's token."""

    async def forward(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if f"Credential={key}/" not in authorization or request.headers.get("x-amz-security-token") != token:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with http.request(request.method, f"http://{endpoint}{request.rel_url}", headers=headers) as answer:
            body = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_HEADERS}
            return web.Response(status=answer.status, headers=kept, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    async with aiohttp.ClientSession() as http, _serving(app, None) as address:
        yield address


@asynccontextmanager
async def _serving(app: web.Application, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
