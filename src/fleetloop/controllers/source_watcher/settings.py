"""What source-watcher can be told by flags. Flux: source-kustomize.md 7.3."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, Place, common_settings
from fleetloop.storage.digest import ALGORITHMS
from fleetloop.storage.store import Retention

GATES = {"DirectSourceFetch": False}


@dataclass(frozen=True, slots=True)
class WatcherSettings:
    """`requeue_dependency`, `reconciliation_timeout`: seconds. `serve_at`: address and port. `advertised`: what URLs begin
    with."""

    common: CommonSettings
    storage_path: Path
    serve_at: tuple[str, int]
    advertised: str
    retention: Retention
    digest_algorithm: str
    reconciliation_timeout: float
    requeue_dependency: float


def register(flags: Flags, environment: Mapping[str, str]) -> None:
    flags.text("storage-path", environment.get("STORAGE_PATH") or "/data", "directory of the artifact store, must exist")
    flags.text("storage-addr", environment.get("STORAGE_ADDRESS") or ":9090", "address the artifacts are served on")
    flags.text("storage-adv-addr", environment.get("STORAGE_ADV_ADDR") or "", "address that artifact URLs begin with")
    flags.duration("artifact-retention-ttl", "1m", "artifacts older than this are deleted, but for the current one")
    flags.number("artifact-retention-records", 2, "number of artifacts kept of one object")
    flags.choice("artifact-digest-algo", ALGORITHMS, "sha256")
    flags.number("http-retry", 9, "accepted; a download that failed is tried again after --requeue-dependency")
    flags.duration("reconciliation-timeout", "10m", "longest time that one object may take")
    flags.duration("requeue-dependency", "5s")


def settings_of(found: argparse.Namespace, place: Place) -> WatcherSettings:
    """Raises BadFlag."""
    path = Path(found.storage_path)
    if not path.is_dir():
        raise BadFlag(f"--storage-path={path}: the directory does not exist")
    return WatcherSettings(
        common=common_settings(found, GATES),
        storage_path=path,
        serve_at=place.address(found.storage_addr),
        advertised=place.advertised(found.storage_adv_addr, found.storage_addr),
        retention=Retention(found.artifact_retention_ttl, found.artifact_retention_records),
        digest_algorithm=found.artifact_digest_algo,
        reconciliation_timeout=found.reconciliation_timeout,
        requeue_dependency=found.requeue_dependency,
    )
