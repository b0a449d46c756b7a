"""The artifact server and its reader together, over real HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fleetloop.storage import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactReader,
    ArtifactStore,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ReaderSettings,
    Stored,
    UnsafeArchive,
    artifact_server,
    write_tarball,
)
from fleetloop.storage.reader import hosts_of, redirected


class Service:
    """A store, its server, a client."""

    def __init__(self, folder: Path, store: ArtifactStore, url: str, http: aiohttp.ClientSession) -> None:
        self.folder, self.store, self.url, self.http = folder, store, url, http

    def publish(self, name: str, text: str) -> tuple[str, Stored]:
        tree = self.folder / f"tree-{name}"
        tree.mkdir()
        (tree / "a.yaml").write_text(text)
        stored = self.store.write(f"gitrepository/ns/app/{name}.tar.gz", lambda out: write_tarball(tree, out))
        return f"{self.url}/{stored.path}", stored

    def reader(self, settings: ReaderSettings | None = None) -> ArtifactReader:
        return ArtifactReader(self.folder / "cache", self.http, settings or ReaderSettings())


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = ArtifactStore(tmp_path / "data")
    store.root.mkdir()
    async with artifact_server(store.root, "127.0.0.1", 0) as (host, port), aiohttp.ClientSession() as http:
        yield Service(tmp_path, store, f"http://{host}:{port}", http)


async def test_reads_once_for_all(service: Service) -> None:
    url, stored = service.publish("one", "a: 1")
    reader = service.reader()
    async with AsyncExitStack() as stack:
        trees = [await stack.enter_async_context(reader.open(url, stored.digest)) for _ in range(50)]
        assert len(set(trees)) == 1 and (trees[0] / "a.yaml").read_text() == "a: 1"
        service.store.remove(stored.path)
        async with reader.open(url, stored.digest) as again:  # no download, the file is gone
            assert again == trees[0]


async def test_concurrent_readers_download_once(service: Service, tmp_path: Path) -> None:
    _, stored = service.publish("one", "a: 1")
    content, asked = (service.store.root / stored.path).read_bytes(), 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=content)

    async with serving(answer) as url:
        reader = service.reader()

        async def read() -> str:
            async with reader.open(url, stored.digest) as tree:
                return (tree / "a.yaml").read_text()

        assert set(await asyncio.gather(*(read() for _ in range(20)))) == {"a: 1"}
    assert asked == 1


async def test_kept_until_the_bound_never_while_read(service: Service) -> None:
    reader = service.reader(ReaderSettings(kept_bytes=5))
    (url, one), (url2, two) = service.publish("one", "a: 1"), service.publish("two", "a: 2")
    async with reader.open(url, one.digest) as first:
        async with reader.open(url2, two.digest) as second:
            assert first.exists() and second.exists()
        assert first.exists()
    assert not first.exists() or not second.exists()
    assert len(list((service.folder / "cache").iterdir())) == 1


async def test_missing_corrupt_large(service: Service) -> None:
    url, stored = service.publish("one", "a: 1")
    digest = "sha256:" + "0" * 64
    with pytest.raises(ArtifactCorrupt, match="doesn't match"):
        async with service.reader().open(url, digest):
            pass
    with pytest.raises(ArtifactMissing):
        async with service.reader().open(url + "x", digest):
            pass
    with pytest.raises(ArtifactTooLarge):
        async with service.reader(ReaderSettings(max_bytes=10)).open(url, stored.digest):
            pass
    with pytest.raises(ArtifactUnreachable):
        async with service.reader().open("http://127.0.0.1:1/x", digest):
            pass
    assert list((service.folder / "cache").iterdir()) == []


async def test_a_right_digest_of_a_bad_archive(service: Service) -> None:
    service.store.write("a/b/c/x.tar.gz", lambda out: out.write(b"rubbish") and None)
    digest = "sha256:" + hashlib.sha256(b"rubbish").hexdigest()
    with pytest.raises(UnsafeArchive):
        async with service.reader().open(f"{service.url}/a/b/c/x.tar.gz", digest):
            pass


async def test_host_can_be_replaced(service: Service) -> None:
    url, stored = service.publish("one", "a: 1")
    settings = replace(ReaderSettings(), hosts=hosts_of({"SOURCE_CONTROLLER_LOCALHOST": url.split("/")[2]}))
    async with service.reader(settings).open(
        f"http://source-controller.ns.svc./{stored.path}".replace("svc.", "svc"), stored.digest
    ):
        pass


@pytest.mark.parametrize(
    ("host", "asked"),
    [("source-controller.x.svc", "one:1"), ("bucket.example.com:9", "one:1"), ("source-watcher.x.svc", "two:2")],
)
def test_hosts_from_the_environment(host: str, asked: str) -> None:
    hosts = hosts_of({"SOURCE_CONTROLLER_LOCALHOST": "one:1", "SOURCE_WATCHER_LOCALHOST": "two:2"})
    assert redirected(f"http://{host}/a/b.tar.gz", hosts) == f"http://{asked}/a/b.tar.gz"
    only = hosts_of({"SOURCE_CONTROLLER_LOCALHOST": "one:1"})
    assert redirected("http://source-watcher.x.svc/a", only) == "http://source-watcher.x.svc/a"
    assert redirected(f"http://{host}/a", hosts_of({})) == f"http://{host}/a"


async def test_server_speaks_as_expected(service: Service) -> None:
    url, stored = service.publish("one", "a: 1")
    service.store.link(stored.path)
    size = str(stored.size)
    async with service.http.get(service.url + "/", auto_decompress=False) as answer:
        assert (answer.status, "gitrepository/" in await answer.text()) == (200, True)
    async with service.http.head(url) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, size)
        assert "Content-Encoding" not in answer.headers and answer.headers["Content-Type"] == "application/x-gzip"
        modified = answer.headers["Last-Modified"]
        assert "ETag" not in answer.headers
    async with service.http.get(url, headers={"If-Modified-Since": modified}) as answer:
        assert answer.status == 304 and "ETag" not in answer.headers
    async with service.http.get(url, headers={"Range": "bytes=0-3"}, auto_decompress=False) as answer:
        assert (answer.status, await answer.read()) == (206, bytes.fromhex("1f8b0800"))
    async with service.http.get(f"{service.url}/gitrepository/ns/app/latest.tar.gz") as answer:
        assert answer.status == 200
    async with service.http.get(f"{service.url}/gitrepository", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "gitrepository/")
    async with service.http.get(f"{service.url}/gitrepository/index.html", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "./")
    async with service.http.post(url) as answer:
        assert answer.status == 405


@pytest.mark.parametrize("path", ["/x", "/%2e%2e/secret", "/..%2fsecret", "/gitrepository/%00", "/out"])
async def test_nothing_outside_is_served(service: Service, path: str) -> None:
    (service.folder / "secret").write_text("s")
    (service.store.root / "out").symlink_to(service.folder / "secret")
    from yarl import URL

    async with service.http.get(URL(service.url + path, encoded=True)) as answer:
        assert answer.status == 404


class serving:  # noqa: N801 - read as a statement
    """A web server of one answer."""

    def __init__(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        app = web.Application()
        app.router.add_get("/{_:.*}", answer)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return "http://{}:{}/x".format(*self._runner.addresses[0])

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
