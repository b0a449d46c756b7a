"""What source-controller can be told by flags. Flux: source-kustomize.md 6.6."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetloop.api import names
from fleetloop.git.credentials import SshAlgorithms
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, Place, common_settings, needing_gate
from fleetloop.storage.digest import ALGORITHMS

GATES = {"CacheSecretsAndConfigMaps": False, names.WORKLOAD_IDENTITY_GATE: False}
_ENVIRONMENT = {  # variables that a flag not given is read from
    "STORAGE_PATH": "storage_path",
    "STORAGE_ADDRESS": "storage_addr",
    "STORAGE_ADV_ADDR": "storage_adv_addr",
    "METRICS_ADDR": "metrics_addr",
    "EVENTS_ADDR": "events_addr",
}


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`retention_ttl`, `requeue_dependency`, `token_cache_duration`, `helm_cache_ttl`, `helm_cache_purge_interval`:
    seconds.

    `serve_at`: address and port. `advertised`: what URLs begin with."""

    common: CommonSettings
    storage_path: Path
    serve_at: tuple[str, int]
    advertised: str
    retention_ttl: float
    retention_records: int
    digest_algorithm: str
    requeue_dependency: float
    ssh: SshAlgorithms
    token_cache_size: int
    token_cache_duration: float
    helm_index_max_size: int  # bytes
    helm_chart_max_size: int
    helm_chart_file_max_size: int
    helm_cache_max_size: int  # indexes
    helm_cache_ttl: float
    helm_cache_purge_interval: float
    environment: Mapping[str, str]  # of the process, for the git program: PATH, proxies


def register(flags: Flags, environment: Mapping[str, str]) -> None:
    flags.text("storage-path", "/data", "directory of the artifact store, must exist")
    flags.text("storage-addr", ":9090", "address the artifacts are served on")
    flags.text("storage-adv-addr", "", "address that artifact URLs begin with")
    flags.duration("artifact-retention-ttl", "1m", "artifacts older than this are deleted, but for the current one")
    flags.number("artifact-retention-records", 2, "number of artifacts kept of one object")
    flags.choice("artifact-digest-algo", ALGORITHMS, "sha256")
    flags.duration("requeue-dependency", "30s")
    flags.text("ssh-kex-algos", help="comma separated list of key exchange algorithms")
    flags.text("ssh-hostkey-algos", help="comma separated list of host key algorithms")
    for name, default in (("index", 50 << 20), ("chart", 10 << 20), ("chart-file", 5 << 20)):
        flags.number(f"helm-{name}-max-size", default, "bytes")
    flags.number("helm-cache-max-size", 0, "number of indexes")
    flags.duration("helm-cache-ttl", "15m")
    flags.duration("helm-cache-purge-interval", "1m")
    flags.set_defaults(**{flag: environment[name] for name, flag in _ENVIRONMENT.items() if environment.get(name)})


def settings_of(found: argparse.Namespace, place: Place, environment: Mapping[str, str]) -> SourceSettings:
    """Raises BadFlag."""
    path = Path(found.storage_path)
    if not path.is_dir():
        raise BadFlag(f"--storage-path={path}: the directory does not exist")
    common = common_settings(found, GATES)
    needing_gate("default-service-account", found, common, names.WORKLOAD_IDENTITY_GATE)
    return SourceSettings(
        common=common,
        storage_path=path,
        serve_at=place.address(found.storage_addr),
        advertised=place.advertised(found.storage_adv_addr, found.storage_addr),
        retention_ttl=found.artifact_retention_ttl,
        retention_records=found.artifact_retention_records,
        digest_algorithm=found.artifact_digest_algo,
        requeue_dependency=found.requeue_dependency,
        ssh=_ssh_algorithms(found),
        token_cache_size=found.token_cache_max_size,
        token_cache_duration=found.token_cache_max_duration,
        helm_index_max_size=found.helm_index_max_size,
        helm_chart_max_size=found.helm_chart_max_size,
        helm_chart_file_max_size=found.helm_chart_file_max_size,
        helm_cache_max_size=found.helm_cache_max_size,
        helm_cache_ttl=found.helm_cache_ttl,
        helm_cache_purge_interval=found.helm_cache_purge_interval,
        environment=environment,
    )


def _ssh_algorithms(found: argparse.Namespace) -> SshAlgorithms:
    try:
        return SshAlgorithms(found.ssh_kex_algos, found.ssh_hostkey_algos)
    except ValueError:
        raise BadFlag("--ssh-kex-algos, --ssh-hostkey-algos: a comma-separated list of algorithm names is expected") from None
