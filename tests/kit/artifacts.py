"""`ArtifactServer`: serves archives as a source-controller does, from the test's own process."""

import datetime
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class ArtifactServer:
    """`url` is where it listens; `serve` gives what a source's `status.artifact` holds."""

    def __init__(self) -> None:
        self.url = ""
        self.downloads = 0
        self._archives: dict[str, bytes] = {}

    def serve(self, files: Mapping[str, str], revision: str) -> dict[str, Any]:
        return self.serve_archive(archive_of(files), revision)

    def serve_archive(self, archive: bytes, revision: str) -> dict[str, Any]:
        """Any bytes, whatever they are."""
        digest = hashlib.sha256(archive).hexdigest()
        self._archives[digest] = archive
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "digest": f"sha256:{digest}",
            "lastUpdateTime": now,
            "path": f"{digest}.tar.gz",
            "url": f"{self.url}/{digest}.tar.gz",
            "revision": revision,
            "size": len(archive),
        }

    def forget(self, artifact: Mapping[str, Any]) -> None:
        """From now on this one is not found."""
        del self._archives[artifact["digest"].removeprefix("sha256:")]

    async def handle(self, request: web.Request) -> web.Response:
        archive = self._archives.get(request.match_info["digest"])
        if archive is None:
            return web.Response(status=404)
        self.downloads += 1
        return web.Response(body=archive)


@asynccontextmanager
async def artifact_server() -> AsyncIterator[ArtifactServer]:
    server = ArtifactServer()
    app = web.Application()
    app.router.add_get("/{digest}.tar.gz", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = site.name.replace("127.0.0.1:0", f"127.0.0.1:{runner.addresses[0][1]}")
        yield server
    finally:
        await runner.cleanup()


def archive_of(files: Mapping[str, str]) -> bytes:
    """A gzipped tar of these files, always the same for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()
