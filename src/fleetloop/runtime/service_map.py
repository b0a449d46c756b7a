"""Finds Services where there is no cluster DNS: a node that runs our processes directly writes a file of addresses.

The file is JSON, `{"<service>.<namespace>": "address:port"}`, for port 80 of each Service; it is read again when it changes.
Every other name is resolved as usual.
"""

import asyncio
import socket
from pathlib import Path

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult


class ServiceMapResolver(AbstractResolver):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        address = (await asyncio.to_thread(self._read)).get(service_of(host))
        if address is None:
            return await self._system.resolve(host, port, family)
        ip, _, mapped = address.rpartition(":")
        return [
            {
                "hostname": host,
                "host": ip,
                "port": int(mapped),
                "family": socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        await self._system.close()

    def _read(self) -> dict[str, str]:
        try:
            return dict(orjson.loads(self._path.read_bytes()))
        except (OSError, orjson.JSONDecodeError):
            return {}


def service_of(host: str) -> str:
    """`source-controller.flux-system.svc.cluster.local.` -> `source-controller.flux-system`; other hosts as they are."""
    parts = host.rstrip(".").split(".")
    return ".".join(parts[:2]) if len(parts) > 2 and parts[2] == "svc" else host


def http_session(service_map: Path | None) -> aiohttp.ClientSession:
    """The session for all tenants' requests, so it keeps no cookies. Must be made on a running loop."""
    resolver = ServiceMapResolver(service_map) if service_map else None
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=resolver is None)
    return aiohttp.ClientSession(
        connector=connector, trust_env=resolver is None, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )
