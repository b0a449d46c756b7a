"""What helm-controller can be told by flags. Flux: helm-notification-image.md 1.3, 2.15."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from fleetloop.api import names
from fleetloop.controllers.helm.history import ALGORITHMS
from fleetloop.controllers.helm.memory_watch import SHORTEST_INTERVAL, MemoryLimits
from fleetloop.kube.foreign_kubeconfig import ForeignRules
from fleetloop.runtime import kubeconfig_flags
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, common_settings
from fleetloop.storage.reader import hosts_of

GATES = {
    "CacheSecretsAndConfigMaps": False,
    "AllowDNSLookups": False,
    "OOMWatch": False,
    "DisableChartDigestTracking": False,
    "AdditiveCELDependencyCheck": False,
    "ExternalArtifact": False,
    "DisableConfigWatchers": False,
    "DirectSourceFetch": False,
    "UseHelm3Defaults": False,
    "CancelHealthCheckOnNewRevision": False,
    "DefaultToRetryOnFailure": False,
    names.WORKLOAD_IDENTITY_GATE: False,
    "DetectDrift": False,
    "CorrectDrift": False,
    "AdoptLegacyReleases": False,
}


@dataclass(frozen=True, slots=True)
class HelmSettings:
    """`requeue_dependency` and `http_timeout` in seconds; `digest_algorithm` of snapshots. `drift_repair`: what others change is
    put back at once, else at the interval. `artifact_hosts`: to be asked instead of those that artifacts name."""

    common: CommonSettings
    requeue_dependency: float
    http_timeout: float
    digest_algorithm: str
    override_managers: tuple[str, ...]
    drift_repair: bool
    watch_configs_label_selector: str
    memory: MemoryLimits
    kubeconfigs: ForeignRules
    artifact_hosts: Mapping[str, str]

    def gate(self, name: str) -> bool:
        return self.common.gates[name]


def register(flags: Flags) -> None:
    flags.duration("requeue-dependency", "30s")
    flags.duration("graceful-shutdown-timeout", "600s")
    flags.switch("drift-repair", True, "put back at once what others change; when false, at the next interval")
    flags.number("http-retry", 9, "accepted; a download that failed is tried again by the next pass, after a growing pause")
    flags.duration("http-timeout", "30s")
    kubeconfig_flags.register(flags)
    flags.choice("snapshot-digest-algo", ALGORITHMS, "sha256")
    flags.many("override-manager", "field manager whose fields are taken over")
    flags.number("oom-watch-memory-threshold", 95)
    flags.duration("oom-watch-interval", "500ms")
    flags.text("oom-watch-max-memory-path")
    flags.text("oom-watch-current-memory-path")


def settings_of(found: argparse.Namespace, environment: Mapping[str, str]) -> HelmSettings:
    """Raises BadFlag."""
    common = common_settings(found, GATES)
    return HelmSettings(
        common=common,
        requeue_dependency=found.requeue_dependency,
        http_timeout=found.http_timeout,
        digest_algorithm=found.snapshot_digest_algo,
        override_managers=tuple(found.override_manager),
        drift_repair=found.drift_repair,
        watch_configs_label_selector=found.watch_configs_label_selector,
        memory=_memory_limits(found),
        kubeconfigs=kubeconfig_flags.foreign_rules(found, common, environment),
        artifact_hosts=hosts_of(environment),
    )


def _memory_limits(found: argparse.Namespace) -> MemoryLimits:
    if found.oom_watch_interval < SHORTEST_INTERVAL:
        raise BadFlag(f"--oom-watch-interval must be at least {SHORTEST_INTERVAL * 1000:g}ms")
    if not 1 <= found.oom_watch_memory_threshold <= 100:
        raise BadFlag("--oom-watch-memory-threshold must be between 1 and 100")
    return MemoryLimits(
        found.oom_watch_memory_threshold,
        found.oom_watch_interval,
        found.oom_watch_max_memory_path,
        found.oom_watch_current_memory_path,
    )
