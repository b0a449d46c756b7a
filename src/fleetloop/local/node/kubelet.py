"""The part of a kubelet's HTTPS interface that the API server asks for: container logs. Only it and administrators may."""

import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from aiohttp import web

from fleetloop.local.network import KUBELET_PORT
from fleetloop.local.node.log_file import LogWish, read
from fleetloop.local.node.pod_life import PodLife
from fleetloop.local.node.pods import Pods
from fleetloop.local.pki import Pair

PRETENDED = b"the virtual node only pretends this container: no process, no output\n"


class Kubelet:
    def __init__(self, pods: Pods, clock: Callable[[], datetime.datetime]) -> None:
        self._pods = pods
        self._clock = clock

    @contextlib.asynccontextmanager
    async def serving(self, address: str, identity: Pair, folder: Path, authority: str) -> AsyncIterator[None]:
        """`folder`: where the key is kept while it is in use, since TLS takes files only."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", _healthz),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs),
                *(web.route("*", f"/{verb}/{{rest:.*}}", _unsupported) for verb in ("exec", "attach", "run", "portForward")),
            ]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            context = _tls(identity, folder, authority)
            await web.TCPSite(runner, address, KUBELET_PORT, ssl_context=context).start()
            yield
        finally:
            await runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        life = self._pods.find(request.match_info["namespace"], request.match_info["pod"])
        if life is None:
            raise web.HTTPNotFound(text="pod not found on this node")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # whoever followed has seen enough
            async for block in self._blocks(life, request):
                await response.write(block)
            await response.write_eof()
        return response

    async def _blocks(self, life: PodLife, request: web.Request) -> AsyncIterator[bytes]:
        container, query = request.match_info["container"], request.query
        pod = life.process
        if pod is None or container != pod.container_name:
            yield PRETENDED
            return
        previous = query.get("previous") == "true"
        path = pod.files.log(container, pod.restarts - 1 if previous else pod.restarts)
        writer = pod.log if query.get("follow") == "true" and not previous else None
        if path.exists():
            async for block in read(path, log_wish(query, self._clock()), writer):
                yield block


def log_wish(query: Mapping[str, str], now: datetime.datetime) -> LogWish:
    """The options of `kubectl logs`, as the API server passes them on. Pure."""
    since = query.get("sinceTime", "")
    if seconds := query.get("sinceSeconds"):
        since = (now - datetime.timedelta(seconds=int(seconds))).astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return LogWish(
        tail=int(query.get("tailLines", "-1")),
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit=int(query.get("limitBytes", "-1")),
    )


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _unsupported(request: web.Request) -> web.Response:
    return web.Response(status=501, text="the virtual node runs no containers to enter\n")


def _tls(identity: Pair, folder: Path, authority: str) -> ssl.SSLContext:
    identity.write(folder, "kubelet")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kubelet.crt", folder / "kubelet.key")
    context.load_verify_locations(cadata=authority)
    context.verify_mode = ssl.CERT_REQUIRED  # every client certificate of this authority is an administrator's
    return context
