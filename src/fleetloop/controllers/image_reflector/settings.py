"""What image-reflector-controller can be told by flags. Flux: helm-notification-image.md 4.5."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from fleetloop.api import names
from fleetloop.runtime.settings import CommonSettings, Flags, common_settings, needing_gate

FLUX_STORAGE = "FluxStorage"
GATES = {"CacheSecretsAndConfigMaps": False, FLUX_STORAGE: False, names.WORKLOAD_IDENTITY_GATE: False}


@dataclass(frozen=True, slots=True)
class ReflectorSettings:
    """`requeue_dependency` in seconds."""

    common: CommonSettings
    storage_path: Path
    requeue_dependency: float


def register(flags: Flags) -> None:
    flags.text("storage-path", "/data", "where the tags of scanned images are kept")
    flags.number("storage-value-log-file-size", 268435456)
    flags.number("storage-compression-threshold", 64)
    flags.number("gc-interval", 10)
    flags.duration("requeue-dependency", "30s")


def settings_of(found: argparse.Namespace) -> ReflectorSettings:
    """Raises BadFlag."""
    common = common_settings(found, GATES)
    needing_gate("default-service-account", found, common, names.WORKLOAD_IDENTITY_GATE)
    return ReflectorSettings(common, Path(found.storage_path), found.requeue_dependency)
