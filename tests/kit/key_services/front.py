"""`front`: names of the Internet answered on this machine, as behind a company's proxy that looks into TLS.

A client needs two settings, which everybody behind such a proxy makes: `HTTPS_PROXY` and `SSL_CERT_FILE`. Nothing in it is told
another address, so that the hosts it would really talk to are seen.
"""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Front:
    """`asked`: hosts that somebody wanted a connection to, known here or not."""

    proxy: str
    ca: Path
    asked: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), str(self.ca))
        return {**trusted, "HTTPS_PROXY": self.proxy, "NO_PROXY": "127.0.0.0/8,localhost"}


@asynccontextmanager
async def front(hosts: Mapping[str, Handler], folder: Path) -> AsyncIterator[Front]:
    """Each host's handler, by https on port 443. `folder` gets the certificates."""
    certificate, key = folder / "front.crt", folder / "front.key"
    _write_certificate(list(hosts), certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await hosts[request.host.partition(":")[0]](request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", dispatch)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        made = Front("", certificate)
        tunnel = _Tunnel(made, set(hosts), runner.addresses[0][1])
        server = await asyncio.start_server(tunnel.serve, "127.0.0.1", 0)
        stack.push_async_callback(_close, server)
        made.proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


async def _close(server: asyncio.Server) -> None:
    server.close()


class _Tunnel:
    def __init__(self, front: Front, hosts: set[str], port: int) -> None:
        self._front, self._hosts, self._port = front, hosts, port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(maxsplit=2)
            self._front.asked.append(target)
            host, _, port = target.rpartition(":")
            if method != "CONNECT" or host not in self._hosts or port != "443":
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.closing(inner_writer):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_pump(reader, inner_writer))
                    tasks.create_task(_pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def _write_certificate(names: list[str], certificate: Path, key: Path) -> None:
    """Signed by itself: it is its own authority."""
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "front")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
