"""What notification-controller can be told by flags. Flux: helm-notification-image.md 3.8.

`--queue-path` is ours: where accepted events are kept until they are delivered. Of a container it must outlive a restart;
each replica has its own.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fleetloop.api import names
from fleetloop.runtime.settings import CommonSettings, Flags, common_settings, needing_gate

GATES = {"CacheSecretsAndConfigMaps": False, "DisableConfigWatchers": False, names.WORKLOAD_IDENTITY_GATE: False}


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """`rate_limit_interval` in seconds. `common.events_addr` is empty: nobody is told of our own events over HTTP."""

    common: CommonSettings
    events_addr: str
    receiver_addr: str
    rate_limit_interval: float
    export_http_path_metrics: bool
    watch_configs_label_selector: str
    queue_path: Path
    azure_authority: str


def register(flags: Flags, environment: Mapping[str, str]) -> None:
    flags.set_defaults(events_addr=":9090")
    flags.text("receiverAddr", ":9292", "address the webhooks are served on")
    flags.duration("rate-limit-interval", "5m", "time in which equal events count once")
    flags.switch("export-http-path-metrics", False, "metrics of requests carry the whole path")
    default = str(Path(environment.get("TMPDIR") or "/tmp") / "notification-queue")
    flags.text("queue-path", default, "folder, of each replica its own, of events that are not delivered yet")


def settings_of(found: argparse.Namespace, environment: Mapping[str, str]) -> NotificationSettings:
    """Raises BadFlag."""
    common = common_settings(found, GATES)
    needing_gate("default-service-account", found, common, names.WORKLOAD_IDENTITY_GATE)  # HN1
    return NotificationSettings(
        replace(common, events_addr=""),
        found.events_addr,
        found.receiverAddr,
        found.rate_limit_interval,
        found.export_http_path_metrics,
        found.watch_configs_label_selector,
        Path(found.queue_path),
        environment.get("AZURE_AUTHORITY_HOST", ""),
    )
