"""What a process answers on its two ports, asked over HTTP, and how its log lines look."""

import io
import json
import re

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from fleetloop.runtime.log import LEVELS, bound_contextvars, configure, logger
from fleetloop.runtime.probes import metrics_app, probe_app, serving


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz/ping", "/readyz/ping"])
async def test_probes(path: str) -> None:
    async with (
        TestServer(probe_app()) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url(path)) as answer,
    ):
        assert (answer.status, await answer.text()) == (200, "ok")


@pytest.mark.parametrize(("longest", "status"), [(256 << 10, 200), (8190, 400)])
async def test_long_heads_of_requests(longest: int, status: int, unused_tcp_port: int) -> None:
    async with serving(probe_app(), ("127.0.0.1", unused_tcp_port), longest), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{unused_tcp_port}/healthz"
        async with session.get(url, headers={"X-Long": "x" * 200_000}) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("", 200, "goroutine\t"),
        ("cmdline", 200, "python"),
        ("goroutine", 200, "test_profiles"),
        ("heap", 200, "dict"),
        ("threadcreate", 200, "MainThread"),
        ("profile?seconds=0.05", 200, ";"),
        ("profile?seconds=x", 400, "a number is expected"),
        ("symbol", 501, "Python"),
        ("trace", 501, "Python"),
        ("block", 501, "Python"),
        ("mutex", 501, "Python"),
    ],
)
async def test_profiles(path: str, status: int, says: str) -> None:
    async with (
        TestServer(metrics_app(CollectorRegistry())) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/debug/pprof/" + path)) as answer,
    ):
        assert answer.status == status
        assert says in await answer.text()


def test_a_log_line_has_what_flux_logs_reads() -> None:
    out = io.StringIO()
    configure("trace", "json", out)
    with bound_contextvars(controller="kustomization", name="app", namespace="team"):
        logger().info("Reconciliation finished in 1s", revision="main@sha1:abc")
        logger().error("Reconciliation failed", error="no")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("ts"))
    named = {"controller": "kustomization", "name": "app", "namespace": "team"}
    assert first == {"level": "info", "msg": "Reconciliation finished in 1s", "revision": "main@sha1:abc"} | named
    assert second["level"] == "error"


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level: str) -> None:
    out = io.StringIO()
    configure(level, "json", out)
    for write in (logger().debug, logger().info, logger().error):
        write("x")
    written = [json.loads(line)["level"] for line in out.getvalue().splitlines()]
    order = ["debug", "info", "error"]
    assert written == order[order.index(level) if level in order else 0 :]
