"""What kustomize-controller can be told by flags. Flux: source-kustomize.md 8.14."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetloop.api import names
from fleetloop.kube.foreign_kubeconfig import ForeignRules
from fleetloop.runtime import kubeconfig_flags
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, common_settings, needing_gate
from fleetloop.storage.reader import hosts_of

INHERITED = {"PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
GATES = {
    "StrictPostBuildSubstitutions": True,
    "DisableStatusPollerCache": True,
    "DisableFailFastBehavior": False,
    "GroupChangeLog": False,
    "CacheSecretsAndConfigMaps": False,
    "AdditiveCELDependencyCheck": False,
    "ExternalArtifact": False,
    "CancelHealthCheckOnNewRevision": False,
    "DisableConfigWatchers": False,
    "DirectSourceFetch": False,
    "MigrateAPIVersion": False,
    names.WORKLOAD_IDENTITY_GATE: False,
}


@dataclass(frozen=True, slots=True)
class KustomizeSettings:
    """`requeue_dependency` in seconds. `artifact_hosts`: to be asked instead of those that artifacts name."""

    common: CommonSettings
    concurrent_ssa: int
    requeue_dependency: float
    no_remote_bases: bool
    override_managers: tuple[str, ...]
    custom_stage_kinds: frozenset[tuple[str, str]]
    kubeconfigs: ForeignRules = field(default_factory=ForeignRules)
    default_decryption_service_account: str = ""
    sops_age_secret: str = ""
    sops_vault_configmap: str = ""
    watch_configs_label_selector: str = ""
    drift_repair: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)  # for remote bases: PATH, proxies, certificate places
    artifact_hosts: Mapping[str, str] = field(default_factory=dict)

    def gate(self, name: str) -> bool:
        return self.common.gates[name]


def register(flags: Flags) -> None:
    flags.number("concurrent-ssa", 4, "number of objects dry-run at the same time within a pass")
    flags.duration("requeue-dependency", "30s", "pause before dependencies and sources that are not there are looked for again")
    flags.switch("drift-repair", True, "put back at once what others change; when false, at the next interval")
    flags.switch("no-remote-bases", False, "kustomizations may refer to local files only")
    flags.number("http-retry", 9, "accepted; a download that failed is tried again by the next pass, after a growing pause")
    flags.many("override-manager", "field manager whose fields are taken over")
    flags.text("custom-apply-stage-kinds", help="comma separated group/Kind that are applied in a stage of their own")
    flags.text("default-decryption-service-account", help="service account that decrypts when an object names none")
    flags.text("sops-age-secret", help="Secret in the controller's namespace with age keys for objects that name none")
    flags.text("sops-vault-configmap", help="ConfigMap in the controller's namespace with the Vaults that may be logged in to")
    kubeconfig_flags.register(flags)


def settings_of(found: argparse.Namespace, environment: Mapping[str, str]) -> KustomizeSettings:
    common = common_settings(found, GATES)
    return KustomizeSettings(
        common=common,
        concurrent_ssa=found.concurrent_ssa,
        requeue_dependency=found.requeue_dependency,
        no_remote_bases=found.no_remote_bases,
        override_managers=tuple(found.override_manager),
        custom_stage_kinds=frozenset(_stage_kind(item) for item in found.custom_apply_stage_kinds.split(",") if item),
        kubeconfigs=kubeconfig_flags.foreign_rules(found, common, environment),
        default_decryption_service_account=needing_gate(
            "default-decryption-service-account", found, common, names.WORKLOAD_IDENTITY_GATE
        ),
        sops_age_secret=found.sops_age_secret,
        sops_vault_configmap=found.sops_vault_configmap,
        watch_configs_label_selector=found.watch_configs_label_selector,
        drift_repair=found.drift_repair,
        environment={name: value for name, value in environment.items() if name.upper() in INHERITED},
        artifact_hosts=hosts_of(environment),
    )


def _stage_kind(text: str) -> tuple[str, str]:
    group, slash, kind = text.rpartition("/")
    if not slash or not kind:
        raise BadFlag(f'invalid argument "{text}" for "--custom-apply-stage-kinds" flag: must be group/Kind')
    return (group, kind)
