"""What a running controller serves to Prometheus. Flux: helm-notification-image.md 1.6."""

import aiohttp
import pytest

from tests.e2e.kustomize.conftest import Space

pytestmark = pytest.mark.asyncio(loop_scope="package")

REVISION = "main@sha1:" + "a" * 40
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
FAMILIES = {
    "gotk_reconcile_duration_seconds": "histogram",
    "controller_runtime_reconcile_total": "counter",
    "controller_runtime_reconcile_errors_total": "counter",
    "controller_runtime_terminal_reconcile_errors_total": "counter",
    "controller_runtime_reconcile_panics_total": "counter",
    "controller_runtime_reconcile_timeouts_total": "counter",
    "controller_runtime_reconcile_time_seconds": "histogram",
    "controller_runtime_max_concurrent_reconciles": "gauge",
    "controller_runtime_active_workers": "gauge",
    "workqueue_depth": "gauge",
    "workqueue_adds_total": "counter",
    "workqueue_retries_total": "counter",
    "workqueue_queue_duration_seconds": "histogram",
    "workqueue_work_duration_seconds": "histogram",
    "workqueue_unfinished_work_seconds": "gauge",
    "workqueue_longest_running_processor_seconds": "gauge",
    "rest_client_requests_total": "counter",
    "certwatcher_read_certificate_total": "counter",
    "certwatcher_read_certificate_errors_total": "counter",
    "gotk_token_cache_events_total": "counter",
    "gotk_token_cache_requests_total": "counter",
    "gotk_token_cache_evictions_total": "counter",
    "gotk_token_cached_items": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_cpu_seconds_total": "counter",
}


async def scraped(space: Space) -> list[str]:
    address = f"http://{space.world.controller.address}:8080/metrics"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return (await answer.text()).splitlines()


async def test_families_and_their_end(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, REVISION)
    ref = await space.kustomization()
    await space.ready(ref, REVISION)
    await space.event("Reconciliation finished")
    lines = await scraped(space)
    types = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    assert {name: types.get(name) for name in FAMILIES} == FAMILIES
    assert not [name for name in types if name.endswith("_created")]
    series = f'kind="Kustomization",name="app",namespace="{space.name}"'
    assert [line for line in lines if line.startswith(f"gotk_reconcile_duration_seconds_count{{{series}}}")]
    host = space.kube.connection.server.partition("://")[2]
    patched = f'rest_client_requests_total{{code="200",host="{host}",method="PATCH"}}'
    assert [line for line in lines if line.startswith(patched)]
    await space.kube.delete(ref)
    await space.until_gone(ref)
    await until_forgotten(space, series)


async def until_forgotten(space: Space, series: str) -> None:
    """The controller hears of the end from its own watch, at about the time that we do."""
    other = await space.kustomization("other")
    await space.ready(other, REVISION)  # by then it has heard
    assert not [line for line in await scraped(space) if series in line]
