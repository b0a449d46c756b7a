from pathlib import Path

import pytest

from fleetloop.controllers.source.settings import SourceSettings, advertised, register, settings_of
from fleetloop.runtime.settings import BadFlag, Place, common_flags

PLACE = Place(namespace="flux-system", hostname="pod-1", bind="", service_map=None, service_account=None)
LOCAL = Place(namespace="flux-system", hostname="pod-1", bind="127.0.0.9", service_map=None, service_account=None)


def read(*arguments: str) -> SourceSettings:
    flags = common_flags("source-controller", concurrent=2)
    register(flags)
    return settings_of(flags.read(list(arguments)), PLACE, {})


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
    assert advertised(given, served, place) == expected


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
    with pytest.raises(BadFlag, match="blake3 is not supported"):
        read(f"--storage-path={tmp_path}", "--artifact-digest-algo=blake3")
    with pytest.raises(BadFlag, match="feature-gate 'X' not supported"):
        read(f"--storage-path={tmp_path}", "--feature-gates=X=true")
