"""Controllers' flags, in Go's grammar."""

import pytest

from fleetloop.runtime.clock import backoff, with_jitter
from fleetloop.runtime.lease import lease_name
from fleetloop.runtime.service_map import service_of
from fleetloop.runtime.settings import BadFlag, common_flags, common_settings, feature_gates, place_of


def test_the_flags_of_a_shipped_deployment_with_the_lock_down_appended() -> None:
    found = common_flags("kustomize-controller", 4).read(
        [
            "--events-addr=",
            "--watch-all-namespaces=true",
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election",
            "--no-cross-namespace-refs=true",
            "--default-service-account=default",
        ]
    )
    settings = common_settings(found, {})
    assert settings.enable_leader_election
    assert settings.no_cross_namespace_refs
    assert settings.default_service_account == "default"
    assert settings.watch_all_namespaces
    assert settings.events_addr == ""
    assert (settings.concurrent, settings.min_retry_delay, settings.max_retry_delay) == (4, 0.75, 900.0)


def test_two_feature_gate_flags_add_up_bs41() -> None:
    """BS41: a user's `--feature-gates` beside the generated one means two flags, and both count."""
    assert feature_gates(["A=true", "B=false,C=true"], {"A": False, "B": True, "C": False}) == {"A": True, "B": False, "C": True}
    with pytest.raises(BadFlag, match="'Nope' not supported"):
        feature_gates(["Nope=true"], {"A": False})


@pytest.mark.parametrize("flags", [["--nope"], ["--concurrent=x"], ["--log-level=loud"], ["--min-retry-delay=1"]])
def test_bad_flags_are_refused(flags: list[str]) -> None:
    with pytest.raises(BadFlag):
        common_flags("c", 1).read(flags)


def test_addresses_bind_where_the_place_says() -> None:
    assert place_of({"FLEETLOOP_BIND_ADDRESS": "127.1.2.3"}).address(":9090") == ("127.1.2.3", 9090)
    assert place_of({}).address(":9090") == ("0.0.0.0", 9090)
    assert place_of({}).address("127.0.0.1:1") == ("127.0.0.1", 1)


def test_back_off_doubles_to_its_limit() -> None:
    assert [backoff(n, 0.75, 900) for n in (1, 2, 3)] == [0.75, 1.5, 3.0]
    assert backoff(1000, 0.75, 900) == 900
    assert all(95 <= with_jitter(100, 5) <= 105 for _ in range(100))


def test_a_shard_has_its_own_lease() -> None:
    assert lease_name("source-controller", "") == "source-controller-leader-election"
    assert lease_name("source-controller", "shard=a") != lease_name("source-controller", "shard=b")


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("source-controller.flux-system.svc.cluster.local.", "source-controller.flux-system"),
        ("notification-controller.flux-system.svc", "notification-controller.flux-system"),
        ("example.com", "example.com"),
    ],
)
def test_service_hosts(host: str, service: str) -> None:
    assert service_of(host) == service
