"""Which identities decrypt: source-kustomize.md 8.2, 8.5, 8.14."""

import msgspec
import pytest

from fleetloop.api.kustomize import Kustomization
from fleetloop.controllers.kustomize.decryption import check_decryption
from fleetloop.controllers.kustomize.failures import FeatureGateDisabled
from fleetloop.controllers.kustomize.settings import KustomizeSettings, register, settings_of
from fleetloop.runtime.outcome import Retry
from fleetloop.runtime.settings import BadFlag, common_flags

GATE = "--feature-gates=ObjectLevelWorkloadIdentity=true"


def read(*arguments: str) -> KustomizeSettings:
    flags = common_flags("kustomize-controller", concurrent=4)
    register(flags)
    return settings_of(flags.read(list(arguments)), {})


def test_a_named_service_account_needs_the_gate() -> None:
    decryption = {"provider": "sops", "serviceAccountName": "a"}
    spec = {"interval": "5m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "src"}, "decryption": decryption}
    kind = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    ks = msgspec.convert({**kind, "metadata": {"name": "app"}, "spec": spec}, Kustomization)
    with pytest.raises(FeatureGateDisabled) as refused:
        check_decryption(ks, read())
    assert refused.value.retry is Retry.NEVER
    check_decryption(ks, read(GATE))


def test_flags() -> None:
    settings = read(GATE, "--default-decryption-service-account=d", "--sops-age-secret=a", "--sops-vault-configmap=v")
    found = (settings.default_decryption_service_account, settings.sops_age_secret, settings.sops_vault_configmap)
    assert found == ("d", "a", "v")
    with pytest.raises(BadFlag, match=r"--default-decryption-service-account.*ObjectLevelWorkloadIdentity"):
        read("--default-decryption-service-account=d")
