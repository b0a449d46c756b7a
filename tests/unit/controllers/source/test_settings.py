from pathlib import Path

import pytest

from fleetloop.controllers.source.settings import SourceSettings, register, settings_of
from fleetloop.runtime.settings import BadFlag, Place, common_flags

PLACE = Place(namespace="flux-system", hostname="pod-1", bind="", service_map=None, service_account=None)
LOCAL = Place(namespace="flux-system", hostname="pod-1", bind="127.0.0.9", service_map=None, service_account=None)


def read(*arguments: str, **environment: str) -> SourceSettings:
    flags = common_flags("source-controller", concurrent=2)
    register(flags, environment)
    return settings_of(flags.read(list(arguments)), PLACE, environment)


@pytest.mark.parametrize(
    ("given", "served", "place", "expected"),
    [
        ("", ":9090", PLACE, "http://localhost:9090"),
        ("", ":9090", LOCAL, "http://127.0.0.9:9090"),
        ("", "0.0.0.0:9090", PLACE, "http://pod-1:9090"),
        ("", "10.0.0.1:80", PLACE, "http://10.0.0.1:80"),
        (
            "source-controller.flux-system.svc.cluster.local.",
            ":9090",
            PLACE,
            "http://source-controller.flux-system.svc.cluster.local.",
        ),
        ("source-controller.$(RUNTIME_NAMESPACE).svc", ":9090", PLACE, "http://source-controller.flux-system.svc"),
        ("https://artifacts.example.com/", ":9090", PLACE, "https://artifacts.example.com"),
    ],
)
def test_advertised_address(given: str, served: str, place: Place, expected: str) -> None:
    assert place.advertised(given, served) == expected


def test_flags_of_the_shipped_deployment(tmp_path: Path) -> None:
    settings = read(
        *("--events-addr=http://notification-controller.flux-system.svc.cluster.local./", "--watch-all-namespaces=true"),
        *("--log-level=info", "--log-encoding=json", "--enable-leader-election", f"--storage-path={tmp_path}"),
        "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.",
    )
    assert (settings.retention_ttl, settings.retention_records, settings.requeue_dependency) == (60, 2, 30)
    assert (settings.digest_algorithm, settings.serve_at, settings.common.concurrent) == ("sha256", ("0.0.0.0", 9090), 2)


def test_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(BadFlag, match="does not exist"):
        read(f"--storage-path={tmp_path}/none")
    with pytest.raises(BadFlag, match="md5"):
        read(f"--storage-path={tmp_path}", "--artifact-digest-algo=md5")
    with pytest.raises(BadFlag, match="feature-gate 'X' not supported"):
        read(f"--storage-path={tmp_path}", "--feature-gates=X=true")
    with pytest.raises(BadFlag, match="invalid configuration: --default-service-account needs the feature gate"):
        read(f"--storage-path={tmp_path}", "--default-service-account=cloud")


def test_environment_is_the_default(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    environment = {
        "STORAGE_PATH": str(tmp_path),
        "STORAGE_ADDRESS": "127.0.0.1:8000",
        "STORAGE_ADV_ADDR": "artifacts.example.com",
        "METRICS_ADDR": ":8081",
        "EVENTS_ADDR": "http://events",
    }
    found = read(**environment)
    assert (found.storage_path, found.serve_at, found.advertised) == (
        tmp_path,
        ("127.0.0.1", 8000),
        "http://artifacts.example.com",
    )
    assert (found.common.metrics_addr, found.common.events_addr) == (":8081", "http://events")
    assert read(f"--storage-path={other}", **environment).storage_path == other


def test_default_service_account(tmp_path: Path) -> None:
    gate = "--feature-gates=ObjectLevelWorkloadIdentity=true"
    found = read(f"--storage-path={tmp_path}", "--default-service-account=cloud", gate, "--token-cache-max-size=7")
    assert (found.common.default_service_account, found.token_cache_size, found.token_cache_duration) == ("cloud", 7, 3600)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "blake3"])
def test_digests(tmp_path: Path, algorithm: str) -> None:
    assert read(f"--storage-path={tmp_path}", f"--artifact-digest-algo={algorithm}").digest_algorithm == algorithm
