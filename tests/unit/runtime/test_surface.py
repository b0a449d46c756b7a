"""Every flag of the two controllers with its default, and every feature gate, as the contract lists them.

Flux: helm-notification-image.md 1.3, source-kustomize.md 6.6 and 8.14. Durations in seconds.
"""

import subprocess
import sys
from typing import Any

import pytest

from fleetloop.api import names
from fleetloop.controllers.kustomize import settings as kustomize
from fleetloop.controllers.source import settings as source
from fleetloop.runtime.settings import BadFlag, Flags, common_flags

OF_ALL: dict[str, Any] = {
    "metrics-addr": ":8080",
    "health-addr": ":9440",
    "events-addr": "",
    "kube-api-qps": 50.0,
    "kube-api-burst": 300,
    "log-encoding": "json",
    "log-level": "info",
    "enable-leader-election": False,
    "leader-election-release-on-cancel": True,
    "leader-election-lease-duration": 35.0,
    "leader-election-renew-deadline": 30.0,
    "leader-election-retry-period": 5.0,
    "min-retry-delay": 0.75,
    "max-retry-delay": 900.0,
    "feature-gates": [],
    "watch-all-namespaces": True,
    "watch-label-selector": "",
    "watch-configs-label-selector": "reconcile.fluxcd.io/watch=Enabled",
    "token-cache-max-size": 100,
    "token-cache-max-duration": 3600.0,
    "default-service-account": "",
    "interval-jitter-percentage": 5,
    "requeue-dependency": 30.0,
}
OF_SOURCE = OF_ALL | {
    "concurrent": 2,
    "storage-path": "/data",
    "storage-addr": ":9090",
    "storage-adv-addr": "",
    "artifact-retention-ttl": 60.0,
    "artifact-retention-records": 2,
    "artifact-digest-algo": "sha256",
    "helm-index-max-size": 52428800,
    "helm-chart-max-size": 10485760,
    "helm-chart-file-max-size": 5242880,
    "helm-cache-max-size": 0,
    "helm-cache-ttl": 900.0,
    "helm-cache-purge-interval": 60.0,
    "ssh-kex-algos": "",
    "ssh-hostkey-algos": "",
}
OF_KUSTOMIZE = OF_ALL | {
    "concurrent": 4,
    "no-cross-namespace-refs": False,
    "concurrent-ssa": 4,
    "no-remote-bases": False,
    "http-retry": 9,
    "default-decryption-service-account": "",
    "default-kubeconfig-service-account": "",
    "sops-age-secret": "",
    "sops-vault-configmap": "",
    "override-manager": [],
    "custom-apply-stage-kinds": "",
    "insecure-kubeconfig-exec": False,
    "insecure-kubeconfig-tls": False,
}
OURS = {"drift-repair": True}


def source_flags() -> Flags:
    flags = common_flags(names.SOURCE_CONTROLLER, concurrent=2)
    source.register(flags, {})
    return flags


def kustomize_flags() -> Flags:
    flags = common_flags(names.KUSTOMIZE_CONTROLLER, concurrent=4)
    kustomize.register(flags)
    return flags


def read_kustomize(*arguments: str) -> kustomize.KustomizeSettings:
    return kustomize.settings_of(kustomize_flags().read(list(arguments)), {})


def of_parser(flags: Flags) -> dict[str, Any]:
    actions = [action for action in flags._actions if action.dest != "help"]
    return {action.option_strings[0].removeprefix("--"): flags.get_default(action.dest) for action in actions}


def test_flags_of_source_controller() -> None:
    assert of_parser(source_flags()) == OF_SOURCE


def test_flags_of_kustomize_controller() -> None:
    assert of_parser(kustomize_flags()) == OF_KUSTOMIZE | OURS


def test_gates() -> None:
    assert source.GATES == {"CacheSecretsAndConfigMaps": False, "ObjectLevelWorkloadIdentity": False}
    on = {name for name, value in kustomize.GATES.items() if value}
    assert on == {"StrictPostBuildSubstitutions", "DisableStatusPollerCache"}
    assert kustomize.GATES.keys() - on == {
        *("DisableFailFastBehavior", "GroupChangeLog", "CacheSecretsAndConfigMaps", "AdditiveCELDependencyCheck"),
        *("ExternalArtifact", "CancelHealthCheckOnNewRevision", "DisableConfigWatchers", "DirectSourceFetch"),
        *("MigrateAPIVersion", "ObjectLevelWorkloadIdentity"),
    }


@pytest.mark.parametrize("flag", ["default-decryption-service-account", "default-kubeconfig-service-account"])
def test_service_accounts_that_need_the_gate_hn1(flag: str) -> None:
    """HN1: `--default-service-account` is impersonation here and always legal; these two are cloud identities."""
    with pytest.raises(BadFlag, match=f"invalid configuration: --{flag} needs the feature gate ObjectLevelWorkloadIdentity=true"):
        read_kustomize(f"--{flag}=cloud")
    found = read_kustomize(
        f"--{flag}=cloud", "--feature-gates=ObjectLevelWorkloadIdentity=true", "--default-service-account=tenant"
    )
    assert "cloud" in {found.kubeconfigs.default_account, found.default_decryption_service_account}
    assert read_kustomize("--default-service-account=tenant").common.default_service_account == "tenant"


def test_hosts_of_artifacts_are_the_environments() -> None:
    found = kustomize.settings_of(kustomize_flags().read([]), {"SOURCE_WATCHER_LOCALHOST": "localhost:1"})
    assert dict(found.artifact_hosts) == {"source-watcher": "localhost:1", "": ""}


@pytest.mark.parametrize("percentage", ["-1", "100", "5.5", "x"])
def test_jitter_is_0_to_99(percentage: str) -> None:
    with pytest.raises(BadFlag, match="is not between 0 and 99"):
        kustomize_flags().read([f"--interval-jitter-percentage={percentage}"])
    assert kustomize_flags().read(["--interval-jitter-percentage=0"]).interval_jitter_percentage == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["kustomize-controller", "--nope=1"], "✗ kustomize-controller: unknown flag: --nope"),
        (["kustomize-controller", "--feature-gates=Nope=true"], "✗ kustomize-controller: feature-gate 'Nope' not supported"),
        (
            ["source-controller", "--watch-label-selector=a b"],
            "✗ source-controller: argument --watch-label-selector: labelSelector: unable to parse requirement 'a b'",
        ),
        (["source-controller", "--no-cross-namespace-refs=true"], "✗ source-controller: unknown flag: --no-cross-namespace-refs"),
        (
            ["source-controller", "--storage-path=/nowhere"],
            "✗ source-controller: --storage-path=/nowhere: the directory does not exist",
        ),
    ],
)
def test_a_process_with_a_bad_flag_ends_with_its_name(arguments: list[str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fleetloop.serve", *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.strip()) == (1, says)


def test_help_names_every_flag_and_default() -> None:
    text = kustomize_flags().format_help()
    assert all(f"--{flag}" in text for flag in OF_KUSTOMIZE)
    assert "(default: 30.0)" in text
