"""The objects around the components: the namespace, its network policies and quota, and the cluster-wide rights."""

from collections.abc import Iterator
from typing import Any

from fleetloop.api import names

from .options import InstallOptions

Manifest = dict[str, Any]

_READ, _WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete")
_GROUPS = (
    names.SOURCE_GROUP,
    names.KUSTOMIZE_GROUP,
    names.HELM_GROUP,
    names.NOTIFICATION_GROUP,
    names.IMAGE_GROUP,
    names.SOURCE_EXTENSIONS_GROUP,
)
_TENANT_GROUPS = (
    names.NOTIFICATION_GROUP,
    names.SOURCE_GROUP,
    names.SOURCE_EXTENSIONS_GROUP,
    names.HELM_GROUP,
    names.IMAGE_GROUP,
    names.KUSTOMIZE_GROUP,
)
_APPLIERS = (names.KUSTOMIZE_CONTROLLER, names.HELM_CONTROLLER)
_ALL_ACCOUNTS = (
    *_APPLIERS,
    names.SOURCE_CONTROLLER,
    names.NOTIFICATION_CONTROLLER,
    names.IMAGE_REFLECTOR_CONTROLLER,
    names.IMAGE_AUTOMATION_CONTROLLER,
    names.SOURCE_WATCHER,
)


def namespace(options: InstallOptions) -> Manifest:
    labels = {"pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/warn-version": "latest"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": options.namespace, "labels": labels}}


def network_policies(options: InstallOptions) -> Iterator[Manifest]:
    """Everything out; in: from the same namespace, to the metrics, and to the webhooks."""
    yield _network_policy(
        options, "allow-egress", {"egress": [{}], "ingress": [{"from": [{"podSelector": {}}]}]}, ["Ingress", "Egress"]
    )
    yield _network_policy(options, "allow-scraping", {"ingress": [_from_anywhere(8080)]}, ["Ingress"])
    webhooks = {"podSelector": {"matchLabels": {"app": names.NOTIFICATION_CONTROLLER}}}
    yield _network_policy(options, "allow-webhooks", {"ingress": [_from_anywhere(9292)]} | webhooks, ["Ingress"])


def roles(options: InstallOptions) -> Iterator[Manifest]:
    """Names end in the namespace, so that two installations can share a cluster.

    Subjects and role names are built with it; nothing is renamed by its text afterwards (⚠ BS8).
    """
    suffix = options.namespace
    yield _critical_pods_quota(options)
    yield _cluster_role(f"crd-controller-{suffix}", _controller_rules(), {})
    edits = ("create", "delete", "deletecollection", "patch", "update")
    yield _cluster_role(f"flux-edit-{suffix}", _tenant_rules(edits), _aggregated_to("admin", "edit"))
    yield _cluster_role(f"flux-view-{suffix}", _tenant_rules(_READ), _aggregated_to("admin", "edit", "view"))
    yield _binding(options, f"cluster-reconciler-{suffix}", "cluster-admin", _APPLIERS)
    yield _binding(options, f"crd-controller-{suffix}", f"crd-controller-{suffix}", _ALL_ACCOUNTS)


def _network_policy(options: InstallOptions, name: str, rules: Manifest, types: list[str]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": options.namespace},
        "spec": {"podSelector": {}, "policyTypes": types} | rules,
    }


def _from_anywhere(port: int) -> Manifest:
    return {"from": [{"namespaceSelector": {}}], "ports": [{"port": port, "protocol": "TCP"}]}


def _critical_pods_quota(options: InstallOptions) -> Manifest:
    """Lets pods with a system priority class run here where an admission configuration restricts those to a quota."""
    classes = {
        "operator": "In",
        "scopeName": "PriorityClass",
        "values": ["system-node-critical", "system-cluster-critical"],
    }
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": f"critical-pods-{options.namespace}", "namespace": options.namespace},
        "spec": {"hard": {"pods": "1000"}, "scopeSelector": {"matchExpressions": [classes]}},
    }


def _cluster_role(name: str, rules: list[Manifest], labels: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": rules,
    }


def _controller_rules() -> list[Manifest]:
    return [
        *(_rule(group, ("*",), ("*",)) for group in _GROUPS),
        _rule("", ("namespaces", "secrets", "configmaps", "serviceaccounts"), _READ),
        _rule("", ("events",), ("create", "patch")),
        _rule("", ("configmaps",), _READ + _WRITE),
        _rule("", ("configmaps/status",), ("get", "update", "patch")),
        _rule("coordination.k8s.io", ("leases",), _READ + _WRITE),
        _rule("", ("serviceaccounts/token",), ("create",)),
        {"nonResourceURLs": ["/livez/ping"], "verbs": ["head"]},
    ]


def _tenant_rules(verbs: tuple[str, ...]) -> list[Manifest]:
    return [{"apiGroups": list(_TENANT_GROUPS), "resources": ["*"], "verbs": list(verbs)}]


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> Manifest:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _aggregated_to(*roles: str) -> dict[str, str]:
    return {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in roles}


def _binding(options: InstallOptions, name: str, role: str, accounts: tuple[str, ...]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": options.namespace} for account in accounts],
    }
