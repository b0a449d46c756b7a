"""What source-controller can be told by flags. Flux: source-kustomize.md 6.6."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, Place, common_settings

GATES = {"CacheSecretsAndConfigMaps": False, "ObjectLevelWorkloadIdentity": False}
_DIGESTS = ("sha256", "sha384", "sha512", "blake3")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`retention_ttl`, `requeue_dependency`: seconds. `serve_at`: address and port. `advertised`: what URLs begin with."""

    common: CommonSettings
    storage_path: Path
    serve_at: tuple[str, int]
    advertised: str
    retention_ttl: float
    retention_records: int
    digest_algorithm: str
    requeue_dependency: float
    ssh_key_exchange: str
    ssh_host_key: str
    environment: Mapping[str, str]  # of the process, for the git program: PATH, proxies


def register(flags: Flags) -> None:
    flags.text("storage-path", "/data", "directory of the artifact store, must exist")
    flags.text("storage-addr", ":9090", "address the artifacts are served on")
    flags.text("storage-adv-addr", "", "address that artifact URLs begin with")
    flags.duration("artifact-retention-ttl", "1m", "artifacts older than this are deleted, but for the current one")
    flags.number("artifact-retention-records", 2, "number of artifacts kept of one object")
    flags.choice("artifact-digest-algo", _DIGESTS, "sha256")
    flags.duration("requeue-dependency", "30s")
    flags.text("ssh-kex-algos", help="comma separated list of key exchange algorithms")
    flags.text("ssh-hostkey-algos", help="comma separated list of host key algorithms")
    for name, default in (("index", 50 << 20), ("chart", 10 << 20), ("chart-file", 5 << 20)):
        flags.number(f"helm-{name}-max-size", default, "bytes")
    flags.number("helm-cache-max-size", 0, "number of indexes")
    flags.duration("helm-cache-ttl", "15m")
    flags.duration("helm-cache-purge-interval", "1m")


def settings_of(found: argparse.Namespace, place: Place, environment: Mapping[str, str]) -> SourceSettings:
    """Raises BadFlag."""
    if found.artifact_digest_algo == "blake3":
        raise BadFlag("--artifact-digest-algo=blake3 is not supported, use one of: sha256, sha384, sha512")
    path = Path(found.storage_path)
    if not path.is_dir():
        raise BadFlag(f"--storage-path={path}: the directory does not exist")
    return SourceSettings(
        common=common_settings(found, GATES),
        storage_path=path,
        serve_at=place.address(found.storage_addr),
        advertised=advertised(found.storage_adv_addr, found.storage_addr, place),
        retention_ttl=found.artifact_retention_ttl,
        retention_records=found.artifact_retention_records,
        digest_algorithm=found.artifact_digest_algo,
        requeue_dependency=found.requeue_dependency,
        ssh_key_exchange=found.ssh_kex_algos,
        ssh_host_key=found.ssh_hostkey_algos,
        environment=environment,
    )


def advertised(given: str, storage_addr: str, place: Place) -> str:
    """What artifact URLs begin with, no slash at the end: the flag, else made from the address served."""
    if given:
        address = given.replace("$(RUNTIME_NAMESPACE)", place.namespace).rstrip("/")
    else:
        host, _, port = storage_addr.rpartition(":")
        address = f"{ {'': place.bind or 'localhost', '0.0.0.0': place.hostname}.get(host, host) }:{port}"
    return address if address.startswith(("http://", "https://")) else f"http://{address}"
