"""The families that dashboards read, by name and labels, and when their series go. Flux: helm-notification-image.md 1.6."""

import asyncio
import itertools

from prometheus_client import generate_latest

from fleetloop.api.meta import Key
from fleetloop.runtime.metrics import Metrics
from fleetloop.runtime.outcome import Done, Failure, PassEnd, Retry, Waiting, pass_end
from fleetloop.runtime.queue import WorkQueue

APP = Key("Kustomization", "team", "app")
LOOP = 'controller="kustomization"'
QUEUE = f'{LOOP},name="kustomization"'


def lines_of(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_a_pass() -> None:
    metrics = Metrics()
    loop = metrics.loop("kustomization", workers=4)
    ends: list[PassEnd] = ["success", "requeue_after", "requeue_after", "error", "terminal_error", "bug"]
    for end in ends:
        loop.passed(end, 0.3)
    found = lines_of(metrics)
    for line in (
        f'controller_runtime_reconcile_total{{{LOOP},result="success"}} 1.0',
        f'controller_runtime_reconcile_total{{{LOOP},result="requeue_after"}} 2.0',
        f'controller_runtime_reconcile_total{{{LOOP},result="requeue"}} 0.0',
        f'controller_runtime_reconcile_total{{{LOOP},result="error"}} 3.0',
        f"controller_runtime_reconcile_errors_total{{{LOOP}}} 3.0",
        f"controller_runtime_terminal_reconcile_errors_total{{{LOOP}}} 1.0",
        f"controller_runtime_reconcile_panics_total{{{LOOP}}} 1.0",
        f"controller_runtime_reconcile_timeouts_total{{{LOOP}}} 0.0",
        f"controller_runtime_max_concurrent_reconciles{{{LOOP}}} 4.0",
        f"controller_runtime_active_workers{{{LOOP}}} 0.0",
        f'controller_runtime_reconcile_time_seconds_bucket{{{LOOP},le="0.25"}} 0.0',
        f'controller_runtime_reconcile_time_seconds_bucket{{{LOOP},le="0.3"}} 6.0',
        "certwatcher_read_certificate_total 0.0",
        "certwatcher_read_certificate_errors_total 0.0",
    ):
        assert line in found


async def test_a_queue() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.loop("kustomization", workers=4))
    queue.add(APP)
    queue.add(APP)  # already there
    queue.add_after(Key("Kustomization", "team", "other"), 100)
    assert f'workqueue_depth{{{QUEUE},priority="0"}} 1.0' in lines_of(metrics)
    assert await queue.next() == APP
    await asyncio.sleep(0)
    found = lines_of(metrics)
    for line in (
        f"workqueue_adds_total{{{QUEUE}}} 1.0",
        f"workqueue_retries_total{{{QUEUE}}} 1.0",
        f'workqueue_depth{{{QUEUE},priority="0"}} 0.0',
        f"controller_runtime_active_workers{{{LOOP}}} 1.0",
        f"workqueue_queue_duration_seconds_count{{{QUEUE}}} 1.0",
        f"workqueue_work_duration_seconds_count{{{QUEUE}}} 0.0",
    ):
        assert line in found
    for family in ("unfinished_work", "longest_running_processor"):
        value = next(line for line in found if line.startswith(f"workqueue_{family}_seconds{{{QUEUE}}} ")).rpartition(" ")[2]
        assert 0 < float(value) < 60
    queue.done(APP)
    found = lines_of(metrics)
    assert f"workqueue_work_duration_seconds_count{{{QUEUE}}} 1.0" in found
    assert f"workqueue_longest_running_processor_seconds{{{QUEUE}}} 0.0" in found


def test_series_of_an_object_go_with_it() -> None:
    metrics = Metrics()
    metrics.reconciled(APP, 1.0)
    labels = 'kind="Kustomization",name="app",namespace="team"'
    found = [line for line in lines_of(metrics) if line.startswith("gotk_reconcile_duration_seconds_bucket")]
    limits = [float(line.partition('le="')[2].partition('"')[0]) for line in found]
    assert limits[0] == 0.01
    assert (round(limits[9], 6), limits[10]) == (1800.0, float("inf"))
    assert all(abs(after / before - 3.8356) < 0.001 for before, after in itertools.pairwise(limits[:10]))
    assert f"gotk_reconcile_duration_seconds_count{{{labels}}} 1.0" in lines_of(metrics)
    metrics.forget(APP)
    assert not [line for line in lines_of(metrics) if labels in line]


def test_requests_and_leadership() -> None:
    metrics = Metrics()
    metrics.requested("GET", "10.0.0.1:443", "200")
    metrics.leads("kustomize-controller-leader-election", held=True)
    found = lines_of(metrics)
    assert 'rest_client_requests_total{code="200",host="10.0.0.1:443",method="GET"} 1.0' in found
    assert 'leader_election_master_status{name="kustomize-controller-leader-election"} 1.0' in found
    assert any(line.startswith("process_resident_memory_bytes ") for line in found)


def test_what_a_pass_ended_with() -> None:
    failure = Failure("no")
    assert pass_end(failure) == "error"
    assert pass_end(Failure("no", after=30)) == "requeue_after"
    failure.retry = Retry.NEVER
    assert pass_end(failure) == "terminal_error"
    assert pass_end(Done(after=None)) == "success"
    assert pass_end(Done(after=60)) == "requeue_after"
    assert pass_end(Waiting("t", frozenset(), 30, "")) == "success"
