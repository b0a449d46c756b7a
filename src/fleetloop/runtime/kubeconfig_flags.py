"""Flags about spec.kubeConfig, of every controller that writes to other clusters. Flux: source-kustomize.md 8.14."""

import argparse
from collections.abc import Mapping

from fleetloop.api import names
from fleetloop.kube.foreign_kubeconfig import ForeignRules
from fleetloop.runtime.settings import CommonSettings, Flags, needing_gate

INHERITED = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}


def register(flags: Flags) -> None:
    flags.text("default-kubeconfig-service-account", help="service account that logs in to clusters when a ConfigMap names none")
    flags.switch("insecure-kubeconfig-exec", False, "kubeconfigs may name programs that are run")
    flags.switch("insecure-kubeconfig-tls", False, "kubeconfigs may turn off the verification of certificates")


def foreign_rules(found: argparse.Namespace, common: CommonSettings, environment: Mapping[str, str]) -> ForeignRules:
    """Raises BadFlag (HN1)."""
    return ForeignRules(
        commands=found.insecure_kubeconfig_exec,
        unverified=found.insecure_kubeconfig_tls,
        accounts=common.gates[names.WORKLOAD_IDENTITY_GATE],
        default_account=needing_gate("default-kubeconfig-service-account", found, common, names.WORKLOAD_IDENTITY_GATE),
        environment={name: value for name, value in environment.items() if name.upper() in INHERITED},
    )
