"""`create tenant`: namespaces in which a team's objects act as the team's own service account."""

from dataclasses import dataclass
from typing import Any

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context, is_dns_label
from fleetloop.cli.create import CreateOptions, check_name, export
from fleetloop.cli.errors import UsageError
from fleetloop.kube.objects import Manifest, labels_of, ref_of

TENANT_LABEL = "toolkit.fluxcd.io/tenant"
_RBAC = "rbac.authorization.k8s.io"
_WHAT = {"Namespace": "namespace", "ServiceAccount": "service account", "RoleBinding": "role binding"}


@dataclass(frozen=True)
class CreateTenant(Command):
    """Create or update a tenant: its namespaces, and the service account and role binding its objects are applied with.

    Examples:
      fleetloop create tenant team-a --with-namespace=team-a-web --with-namespace=team-a-db
      fleetloop create tenant team-a --with-namespace=team-a --cluster-role=admin --export > tenant.yaml
    """

    checks_namespace = False

    name: str = argument(usage="")
    common: CreateOptions = options(CreateOptions)
    with_namespace: tuple[str, ...] = flag("--with-namespace", help="a namespace of the tenant; may be repeated")
    cluster_role: str = flag("--cluster-role", default="cluster-admin", help="the cluster role of the tenant's role binding")
    with_service_account: str = flag("--with-service-account", help="the service account's name; the tenant's by default")
    skip_namespace: bool = flag("--skip-namespace", help="leave the namespaces themselves alone")

    def check(self) -> None:
        check_name(self.name)
        if not self.cluster_role:
            raise UsageError("cluster-role is required")
        if not self.with_namespace:
            raise UsageError("with-namespace is required")
        rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
        for namespace in self.with_namespace:
            if not is_dns_label(namespace):
                raise UsageError(f"invalid namespace '{namespace}': {rule}")
        if self.with_service_account and not is_dns_label(self.with_service_account):
            raise UsageError(f"invalid service-account name '{self.with_service_account}': {rule}")
        self.common.labels()

    def run(self, cx: Context) -> None:
        for manifest in self._manifests():
            if self.common.export:
                export(cx, manifest)
            else:
                cx.say.action(f"applying {_WHAT[manifest['kind']]} {manifest['metadata']['name']}")
                _ensure(cx, manifest)
        if not self.common.export:
            cx.say.success("tenant setup completed")

    def _manifests(self) -> list[Manifest]:
        """All of the first namespace, then of the next."""
        labels = {**self.common.labels(), TENANT_LABEL: self.name}
        account = self.with_service_account or self.name
        found: list[Manifest] = []
        for namespace in self.with_namespace:
            if not self.skip_namespace:
                found.append(_object("v1", "Namespace", {"name": namespace, "labels": labels}))
            found.append(_object("v1", "ServiceAccount", {"name": account, "namespace": namespace, "labels": labels}))
            binding = {"name": f"{self.name}-reconciler", "namespace": namespace, "labels": labels}
            found.append(_object(f"{_RBAC}/v1", "RoleBinding", binding) | self._grant(namespace, account))
        return found

    def _grant(self, namespace: str, account: str) -> dict[str, Any]:
        return {
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": self.cluster_role},
            "subjects": [
                {"apiGroup": _RBAC, "kind": "User", "name": f"gotk:{namespace}:reconciler"},
                {"kind": "ServiceAccount", "name": account, "namespace": namespace},
            ],
        }


def _object(api_version: str, kind: str, metadata: dict[str, Any]) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _ensure(cx: Context, manifest: Manifest) -> None:
    """⚠ CLI18: labels are added to those that are there, where Flux replaces them; a role binding can only be remade."""
    live = cx.cluster.find(ref_of(manifest))
    if live is None:
        cx.cluster.create(manifest)
    elif any(live.get(part) != manifest.get(part) for part in ("roleRef", "subjects")):
        cx.cluster.delete(ref_of(manifest))
        cx.cluster.create(manifest)
    elif not labels_of(manifest).items() <= labels_of(live).items():
        cx.cluster.patch(ref_of(manifest), {"metadata": {"labels": labels_of(manifest)}})
