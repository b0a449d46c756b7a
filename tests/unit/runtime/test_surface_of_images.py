"""Flags and gates of notification- and image controllers. Flux: helm-notification-image.md 1.3, 3.8, 4.5, 5.7."""

from collections.abc import Callable
from typing import Any

import pytest

from fleetloop.api import names
from fleetloop.controllers.image_automation import settings as automation
from fleetloop.controllers.image_reflector import settings as reflector
from fleetloop.controllers.notification import settings as notification
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, common_flags

OFF = {"CacheSecretsAndConfigMaps": False, "ObjectLevelWorkloadIdentity": False}
Reads = Callable[[list[str]], CommonSettings]


def notification_flags() -> Flags:
    flags = common_flags(names.NOTIFICATION_CONTROLLER, concurrent=4)
    notification.register(flags, {})
    return flags


def reflector_flags() -> Flags:
    flags = common_flags(names.IMAGE_REFLECTOR_CONTROLLER, concurrent=4)
    reflector.register(flags)
    return flags


def automation_flags() -> Flags:
    flags = common_flags(names.IMAGE_AUTOMATION_CONTROLLER, concurrent=4)
    automation.register(flags)
    return flags


CONTROLLERS: dict[str, Reads] = {
    "notification": lambda given: notification.settings_of(notification_flags().read(given), {}).common,
    "image-reflector": lambda given: reflector.settings_of(reflector_flags().read(given)).common,
    "image-automation": lambda given: automation.settings_of(automation_flags().read(given), {}).common,
}


@pytest.mark.parametrize("name", CONTROLLERS)
def test_hn1_the_default_service_account_is_for_clouds_and_needs_the_gate(name: str) -> None:
    """Otherwise than in kustomize- and helm-controller, where it is whom to act as."""
    read = CONTROLLERS[name]
    with pytest.raises(BadFlag, match="invalid configuration: --default-service-account needs the feature gate"):
        read(["--default-service-account=cloud"])
    found = read(["--default-service-account=cloud", "--feature-gates=ObjectLevelWorkloadIdentity=true"])
    assert found.default_service_account == "cloud"


@pytest.mark.parametrize("name", CONTROLLERS)
def test_unknown_gates_and_flags_end_the_process(name: str) -> None:
    for flag in ("--feature-gates=Nothing=true", "--nothing", "--concurrent=x"):
        with pytest.raises(BadFlag):
            CONTROLLERS[name]([flag])


@pytest.mark.parametrize("name", CONTROLLERS)
def test_intervals_are_kept_to_the_second(name: str) -> None:
    with pytest.raises(BadFlag, match="unknown flag: --interval-jitter-percentage"):
        CONTROLLERS[name](["--interval-jitter-percentage=5"])
    assert CONTROLLERS[name]([]).interval_jitter_percentage == 0


def test_notification_controller_has_no_shards() -> None:
    with pytest.raises(BadFlag, match="unknown flag: --watch-label-selector"):
        CONTROLLERS["notification"](["--watch-label-selector=a=b"])
    assert CONTROLLERS["image-reflector"](["--watch-label-selector=a=b"]).watch_label_selector == "a=b"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (notification_flags(), {"events_addr": ":9090", "receiverAddr": ":9292", "rate_limit_interval": 300.0}),
        (notification_flags(), {"export_http_path_metrics": False}),
        (reflector_flags(), {"storage_path": "/data", "storage_value_log_file_size": 268435456, "gc_interval": 10}),
        (reflector_flags(), {"storage_compression_threshold": 64, "requeue_dependency": 30.0}),
        (automation_flags(), {"ssh_kex_algos": "", "ssh_hostkey_algos": ""}),
    ],
)
def test_defaults(flags: Flags, wanted: dict[str, Any]) -> None:
    found = vars(flags.read([]))
    assert {name: found[name] for name in wanted} == wanted


def test_gates() -> None:
    assert notification.GATES == {**OFF, "DisableConfigWatchers": False}
    assert reflector.GATES == {**OFF, "FluxStorage": False}
    on = {"GitForcePushBranch": True, "GitShallowClone": True, "GitAllBranchReferences": True}
    assert {**OFF, **on, "GitSparseCheckout": False} == automation.GATES
