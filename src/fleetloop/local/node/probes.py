"""Probes of a container, really executed: HTTP and TCP. Others (exec, gRPC) always succeed here: there is no container to ask."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

EAGER_PERIOD = 0.5  # seconds between checks until the first success: nobody should wait 10 s for a ready pod


@dataclass(frozen=True, slots=True)
class Probe:
    """Times in seconds. `url` is empty for a TCP check of `port`; port 0 is a probe that cannot be executed here."""

    host: str
    port: int
    url: str
    headers: tuple[tuple[str, str], ...]
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, document: Mapping[str, Any], host: str, ports: Sequence[Mapping[str, Any]]) -> "Probe":
        """`ports`: the container's, for probes that name one."""
        http, tcp = document.get("httpGet") or {}, document.get("tcpSocket") or {}
        port = port_number(http.get("port") or tcp.get("port") or 0, ports)
        scheme = http.get("scheme", "HTTP").lower()
        return cls(
            host=host,
            port=port,
            url=f"{scheme}://{host}:{port}{http.get('path') or '/'}" if http else "",
            headers=tuple((h["name"], h["value"]) for h in http.get("httpHeaders") or []),
            initial_delay=document.get("initialDelaySeconds") or 0,
            period=document.get("periodSeconds") or 10,
            timeout=document.get("timeoutSeconds") or 1,
            successes=document.get("successThreshold") or 1,
            failures=document.get("failureThreshold") or 3,
        )


def port_number(port: int | str, ports: Sequence[Mapping[str, Any]]) -> int:
    """A port by name or number; 0 when the container has none of that name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    return next((p["containerPort"] for p in ports if p.get("name") == port), 0)


@dataclass(slots=True)
class Tally:
    """Counts equal answers in a row."""

    successes: int
    failures: int
    _row: int = 0  # positive: successes, negative: failures

    def count(self, success: bool) -> bool | None:
        """True or False when the threshold for it is reached, else None."""
        self._row = max(self._row, 0) + 1 if success else min(self._row, 0) - 1
        if self._row >= self.successes:
            return True
        return False if -self._row >= self.failures else None


async def verdicts(probe: Probe, session: aiohttp.ClientSession, first_period: float) -> AsyncIterator[bool]:
    """Whether the probe succeeds, each time a threshold is reached. `first_period`: seconds between checks until the
    first success."""
    await asyncio.sleep(probe.initial_delay)
    tally, pause = Tally(probe.successes, probe.failures), first_period
    while True:
        verdict = tally.count(await check(probe, session))
        if verdict is not None:
            yield verdict
            pause = probe.period if verdict else pause
        await asyncio.sleep(pause)


async def check(probe: Probe, session: aiohttp.ClientSession) -> bool:
    """One check, now."""
    if not probe.port:
        return True
    try:
        async with asyncio.timeout(probe.timeout):
            return await (_get(probe, session) if probe.url else _connect(probe))
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def _get(probe: Probe, session: aiohttp.ClientSession) -> bool:
    """As the kubelet: 200 to 399, and no certificate is checked."""
    async with session.get(probe.url, headers=probe.headers, ssl=False) as response:
        return 200 <= response.status < 400


async def _connect(probe: Probe) -> bool:
    _, writer = await asyncio.open_connection(probe.host, probe.port)
    writer.close()
    return True
