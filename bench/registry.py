"""An OCI registry as a process, and a door before it that counts what is asked there."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.phases import Phase, at_once
from bench.place import served
from fleetloop import oci
from fleetloop.local.child import ServerProcess
from fleetloop.local.programs import Programs
from fleetloop.oci.content import OCI_MANIFEST

HOPS = {"Content-Length", "Transfer-Encoding", "Connection"}  # headers of one connection
AT_A_TIME = 32


@dataclass(slots=True)
class LocalRegistry:
    """`address` is the door's, host:port; `asked`: requests that came through it. `push` goes past it."""

    address: str
    upstream: str
    http: aiohttp.ClientSession
    client: oci.Registry
    asked: int = 0

    def repository(self, path: str) -> oci.Repository:
        return oci.Repository.parse(f"{self.address}/{path}")

    async def push(self, path: str, tags: Sequence[str], layer: bytes, layer_type: str, config_type: str) -> None:
        """The same content under each tag; read back once through the door."""
        repository = oci.Repository.parse(f"{self.upstream}/{path}")
        digest, size = await self.client.push_blob(repository, layer)
        await self.client.push_blob(repository, b"{}")
        raw = oci.pushed_manifest(b"{}", [(layer_type, digest, size)], {}, config_type)
        for start in range(0, len(tags), AT_A_TIME):
            references = [repository.tagged(tag) for tag in tags[start : start + AT_A_TIME]]
            await at_once([self.client.push_manifest(reference, raw, OCI_MANIFEST) for reference in references])
        await self.client.manifest(self.repository(path).tagged(tags[0]))

    @contextlib.contextmanager
    def counting_for(self, phase: Phase) -> Iterator[None]:
        before = self.asked
        yield
        phase.registry_requests = self.asked - before

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        url = f"http://{self.upstream}{request.path_qs}"
        async with self.http.request(request.method, url, headers=headers, data=await request.read()) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in HOPS}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@contextlib.asynccontextmanager
async def registry_in(folder: Path) -> AsyncIterator[LocalRegistry]:
    command = [str(Programs().cluster), "registry", "--state-dir", str(folder), "--port", "0", "--exit-with-parent"]
    server = ServerProcess("registry", command, folder.with_suffix(".log"))
    async with server.running(), aiohttp.ClientSession(auto_decompress=False) as http:
        upstream = json.loads(await server.announcement())["address"]
        found = LocalRegistry("", upstream, http, oci.Registry(http))
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", found.answer)
        async with served(app) as found.address:
            yield found
