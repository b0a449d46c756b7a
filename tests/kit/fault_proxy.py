"""`FaultProxy`: a TLS reverse proxy before a real API server that deals the faults of a plan and changes nothing else.

Clients prove themselves with bearer tokens: a client certificate ends where TLS does. Impersonation headers pass.
"""

import asyncio
import base64
import contextlib
import json
import re
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from fleetloop.kube import Connection, Kube
from fleetloop.local import kubeconfig
from fleetloop.local.pki import Authority
from tests.kit.faults import Fault, FaultPlan, Request

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}
SLOWNESS = 3000  # milliseconds at most
LARGEST_BODY = 64 << 20
LONGEST_LINE = 4 << 20
REFUSALS = {
    Fault.CONFLICT: (409, "Conflict", {}),
    Fault.THROTTLED: (429, "TooManyRequests", {"Retry-After": "1"}),
    Fault.THROTTLED_BARE: (429, "TooManyRequests", {}),
    Fault.INTERNAL: (500, "InternalError", {}),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", {}),
    Fault.TIMED_OUT: (504, "Timeout", {}),
    Fault.WATCH_EXPIRED: (410, "Expired", {}),
}


class _Abort(Exception):
    """The client's connection is to be cut now."""


@dataclass(slots=True)
class FaultProxy:
    """`url` is where it listens, `authority` the PEM of who signed its certificate."""

    upstream: Connection
    plan: FaultPlan
    context: ssl.SSLContext
    authority: str
    port: int = 0
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None
    _clients: set[asyncio.Transport] = field(default_factory=set)
    _held: re.Pattern[str] | None = None
    _holding: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, on the port that it had before."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self.upstream_tls())
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=LONGEST_LINE
        )
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.context, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cuts every connection; new ones are refused."""
        for transport in tuple(self._clients):
            transport.abort()
        assert self._session and self._runner
        await self._runner.cleanup()
        await self._session.close()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """As if the API server were being restarted."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    def hold(self, paths: re.Pattern[str] | None) -> None:
        """Requests whose path has such a part are taken and never answered; None: no more of it."""
        self._held = paths
        self._holding.clear()

    async def until_holding(self) -> None:
        """Until such a request has come."""
        await self._holding.wait()

    def upstream_tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.upstream.ca)  # no certificate of ours: the client's token must do

    def connection(self, token: str) -> Connection:
        return Connection(server=self.url, ca=self.authority, token=lambda: token)

    def write_kubeconfig(self, path: Path, token: str) -> None:
        cluster = {"server": self.url, "certificate-authority-data": base64.b64encode(self.authority.encode()).decode()}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "faulty", "cluster": cluster}],
            "users": [{"name": "faulty", "user": {"token": token}}],
            "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}],
            "current-context": "faulty",
        }
        kubeconfig.write(path, document)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        transport = request.transport
        self._clients.add(transport)
        asked = Request(request.method, request.raw_path)
        try:
            return await self._answer(request, asked, self.plan.next_fault(asked))
        except (_Abort, aiohttp.ClientError, ConnectionError):
            transport.abort()
            return web.Response()  # nobody hears it
        finally:
            self._clients = {client for client in self._clients if not client.is_closing()}

    async def _answer(self, request: web.Request, asked: Request, fault: Fault | None) -> web.StreamResponse:
        body = await request.read()
        if self._held and self._held.search(asked.path):
            self._holding.set()
            await asyncio.get_running_loop().create_future()
        match fault:
            case Fault.CUT_BEFORE:
                raise _Abort
            case Fault.TIMED_OUT:
                await self._forwarded(request, body)
                return _refusal(fault)
            case _ if fault in REFUSALS:
                return _refusal(fault)
            case Fault.SLOW:
                await asyncio.sleep(self.plan.number(asked, SLOWNESS) / 1000)
        if asked.is_watch:
            return await self._watch(request, asked, fault)
        status, headers, answer = await self._forwarded(request, body)
        match fault:
            case Fault.CUT_AFTER:
                raise _Abort
            case Fault.TRUNCATED if answer:
                answer = answer[: self.plan.number(asked, len(answer))]
            case Fault.RESET_IDLE:
                assert isinstance(request.transport, asyncio.Transport)
                asyncio.get_running_loop().call_later(self.plan.number(asked, 20) / 1000, request.transport.abort)
        return web.Response(status=status, headers=headers, body=answer)

    async def _forwarded(self, request: web.Request, body: bytes) -> tuple[int, CIMultiDict[str], bytes]:
        async with self._request(request, body) as answer:
            return answer.status, _end_to_end(answer.headers), await answer.read()

    def _request(self, request: web.Request, body: bytes) -> Any:
        assert self._session
        headers, url = _end_to_end(request.headers), self.upstream.server + request.raw_path
        return self._session.request(
            request.method, URL(url, encoded=True), headers=headers, data=body or None, allow_redirects=False
        )

    async def _watch(self, request: web.Request, asked: Request, fault: Fault | None) -> web.StreamResponse:
        """A fault comes after a few events; a stalled stream stays open until the client leaves."""
        before = self.plan.number(asked, 4)
        async with self._request(request, b"") as upstream:
            response = web.StreamResponse(status=upstream.status, headers=_end_to_end(upstream.headers))
            await response.prepare(request)
            async for line in upstream.content:
                if fault is Fault.WATCH_DEAF and b'"BOOKMARK"' in line[:30]:
                    continue
                if fault in {Fault.WATCH_CUT, Fault.WATCH_TORN, Fault.WATCH_STALLED}:
                    before -= 1
                if before < 0 and fault is Fault.WATCH_STALLED:
                    continue
                if before < 0 and fault is not Fault.WATCH_DEAF:
                    await response.write(line[: len(line) // 2])
                    if fault is Fault.WATCH_TORN:
                        break
                    raise _Abort
                await response.write(line)
            await response.write_eof()
            return response


@contextlib.asynccontextmanager
async def fault_proxy(upstream: Connection, plan: FaultPlan) -> AsyncIterator[FaultProxy]:
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority.ensure(Path(folder), "faulty")
        authority.issue_server("faulty-server", ["127.0.0.1"]).write(Path(folder), "server")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(Path(folder, "server.crt"), Path(folder, "server.key"))
    proxy = FaultProxy(upstream, plan, context, authority.pem)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


async def token_of_administrator(kube: Kube, name: str = "faulty") -> str:
    """A service account's token with all rights, impersonation too."""
    metadata = {"name": name, "namespace": "default"}
    group = "rbac.authorization.k8s.io"
    await kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await kube.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        }
    )
    path = f"/api/v1/namespaces/default/serviceaccounts/{name}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 36000}}
    status, answer = await kube.raw("POST", path, request)
    assert status == 201, answer
    return str(json.loads(answer)["status"]["token"])


def _refusal(fault: Fault | None) -> web.Response:
    assert fault
    code, reason, headers = REFUSALS[fault]
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return web.json_response(status | {"message": f"injected: {fault.value}"}, status=code, headers=headers)


def _end_to_end(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in HOP_BY_HOP)
