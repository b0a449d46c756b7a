"""Object stores of Google and Azure as far as reading goes, over HTTPS: each wants one bearer token, or none for anonymous."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

MADE = "2026-01-01T00:00:00Z"


@dataclass
class CloudBucket:
    """`address`: host:port. `logins`: the Authorization headers that came."""

    token: str = ""
    address: str = ""
    objects: dict[str, str] = field(default_factory=lambda: {"app.yaml": "a: 1\n"})
    logins: list[str] = field(default_factory=list)

    async def google(self, request: web.Request) -> web.Response:
        return self._answer(request, "prefix" in request.query or "list-type" in request.query, self._listed_by_google())

    async def azure(self, request: web.Request) -> web.Response:
        return self._answer(request, request.query.get("comp") == "list", self._listed_by_azure())

    def _answer(self, request: web.Request, is_list: bool, listing: str) -> web.Response:
        login = request.headers.get("Authorization", "")
        self.logins.append(login)
        if login != (f"Bearer {self.token}" if self.token else ""):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if is_list:
            return web.Response(text=listing, content_type="application/xml")
        text = self.objects.get(request.match_info["key"])
        if text is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(text=text, headers={"ETag": '"e1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})

    def _listed_by_google(self) -> str:
        found = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{MADE}</LastModified><ETag>e1</ETag><Size>{len(text)}</Size></Contents>"
            for key, text in self.objects.items()
        )
        return f"<ListBucketResult>{found}</ListBucketResult>"

    def _listed_by_azure(self) -> str:
        facts = "<Content-Type>text/yaml</Content-Type><BlobType>BlockBlob</BlobType><Etag>e1</Etag>"
        facts += "<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>"
        found = "".join(
            f"<Blob><Name>{key}</Name><Properties>{facts}<Content-Length>{len(text)}</Content-Length></Properties></Blob>"
            for key, text in self.objects.items()
        )
        return f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker /></EnumerationResults>"


@asynccontextmanager
async def cloud_bucket(provider: str, tls: ssl.SSLContext) -> AsyncIterator[CloudBucket]:
    bucket, app = CloudBucket(), web.Application()
    app.router.add_get("/{bucket}{slash:/?}{key:.*}", bucket.google if provider == "gcp" else bucket.azure)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        bucket.address = f"127.0.0.1:{runner.addresses[0][1]}"
        yield bucket
    finally:
        await runner.cleanup()
