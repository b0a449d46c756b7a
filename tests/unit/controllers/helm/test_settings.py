"""Flags of helm-controller, and the watch over its memory."""

import asyncio
import signal
from pathlib import Path

import pytest

from fleetloop.api import names
from fleetloop.controllers.helm.memory_watch import MemoryLimits, watch_memory
from fleetloop.controllers.helm.settings import HelmSettings, register, settings_of
from fleetloop.runtime.settings import BadFlag, common_flags


def settings(*arguments: str, **environment: str) -> HelmSettings:
    flags = common_flags(names.HELM_CONTROLLER, concurrent=4)
    register(flags)
    return settings_of(flags.read(list(arguments)), environment)


def test_defaults() -> None:
    found = settings()
    assert (found.requeue_dependency, found.http_timeout, found.digest_algorithm) == (30, 30, "sha256")
    assert (found.override_managers, found.drift_repair) == ((), True)
    assert found.watch_configs_label_selector == "reconcile.fluxcd.io/watch=Enabled"
    assert found.memory == MemoryLimits(95, 0.5, "", "")
    assert not any(found.common.gates.values())
    assert not any(found.artifact_hosts.values())
    assert settings(SOURCE_CONTROLLER_LOCALHOST="localhost:8080").artifact_hosts[""] == "localhost:8080"


@pytest.mark.parametrize(
    "flag",
    [
        "--default-kubeconfig-service-account=x",  # HN1: needs a gate; --default-service-account does not
        "--oom-watch-interval=10ms",
        "--oom-watch-memory-threshold=0",
        "--oom-watch-memory-threshold=101",
        "--feature-gates=Nonsense=true",
    ],
)
def test_bad_flags(flag: str) -> None:
    with pytest.raises(BadFlag):
        settings(flag)


def test_what_is_allowed_to_kubeconfigs() -> None:
    """Nothing that runs or is not verified, unless an operator says so. helm-notification-image.md 2.15, 2.16."""
    found = settings().kubeconfigs
    assert (found.allowed, found.accounts, found.default_account) == (frozenset(), False, "")
    gate = "--feature-gates=ObjectLevelWorkloadIdentity=true"
    account = "--default-kubeconfig-service-account=fetcher"
    found = settings("--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls", gate, account).kubeconfigs
    assert (found.allowed, found.accounts, found.default_account) == ({"exec", "insecure-skip-tls-verify"}, True, "fetcher")


def test_hn1_the_default_account_is_for_impersonation() -> None:
    """HN1: always legal here, unlike in the controllers of notifications and images."""
    assert settings("--default-service-account=tenant").common.default_service_account == "tenant"


async def test_the_process_is_asked_to_end_before_the_kernel_does_it(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("1000\n")
    (tmp_path / "current").write_text("100\n")
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    try:
        limits = MemoryLimits(95, 0.05, str(tmp_path / "max"), str(tmp_path / "current"))
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(watch_memory(limits))
            await asyncio.sleep(0.2)
            assert not asked.is_set()
            (tmp_path / "current").write_text("951\n")
            await asked.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_no_limit_is_nothing_to_watch(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("max\n")
    await watch_memory(MemoryLimits(95, 0.05, str(tmp_path / "max"), ""))
