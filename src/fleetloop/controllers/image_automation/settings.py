"""What image-automation-controller can be told by flags. Flux: helm-notification-image.md 5.7."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from fleetloop.api import names
from fleetloop.git.credentials import SshAlgorithms
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, common_settings, needing_gate

FORCE_PUSH, SHALLOW_CLONE, ALL_BRANCHES = "GitForcePushBranch", "GitShallowClone", "GitAllBranchReferences"
SPARSE_CHECKOUT = "GitSparseCheckout"
GATES = {
    FORCE_PUSH: True,
    SHALLOW_CLONE: True,
    ALL_BRANCHES: True,
    SPARSE_CHECKOUT: False,
    "CacheSecretsAndConfigMaps": False,
    names.WORKLOAD_IDENTITY_GATE: False,
}


@dataclass(frozen=True, slots=True)
class AutomationSettings:
    common: CommonSettings
    ssh: SshAlgorithms
    environment: Mapping[str, str]  # of the process, for the git program: PATH, proxies

    def gate(self, name: str) -> bool:
        return self.common.gates[name]


def register(flags: Flags) -> None:
    flags.text("ssh-kex-algos", help="comma separated list of key exchange algorithms")
    flags.text("ssh-hostkey-algos", help="comma separated list of host key algorithms")


def settings_of(found: argparse.Namespace, environment: Mapping[str, str]) -> AutomationSettings:
    """Raises BadFlag."""
    common = common_settings(found, GATES)
    needing_gate("default-service-account", found, common, names.WORKLOAD_IDENTITY_GATE)
    try:
        ssh = SshAlgorithms(found.ssh_kex_algos, found.ssh_hostkey_algos)
    except ValueError:
        raise BadFlag("--ssh-kex-algos, --ssh-hostkey-algos: a comma-separated list of algorithm names is expected") from None
    return AutomationSettings(common, ssh, environment)
