"""What a cluster must be and what an identity must be allowed, before anything is installed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fleetloop.bootstrap.errors import BootstrapError
from fleetloop.kube import ApiError, Kube, Manifest, Unreachable
from fleetloop.task_group import TaskGroup

CONSTRAINT = ">=1.33.0-0"
_OLDEST = (1, 33, 0)
_VERSION = re.compile(r"v?((\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?)(\+[0-9A-Za-z.-]+)?")
AUTHORIZATION_API = "authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Access:
    """A right at the API server; `namespace` is empty for cluster scope, `group` for the core group."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = ".".join(filter(None, (self.resource, self.group)))
        named = f' "{self.name}"' if self.name else ""
        return f"{self.verb} {resource}{named}" + (f" in {self.namespace}" if self.namespace else "")


EVERYTHING = Access("*", "*", "*")


def check_kubernetes(info: dict[str, Any]) -> str:
    """The version without `v`, when it is new enough. Raises BootstrapError with the contract's texts."""
    found = _VERSION.fullmatch(str(info.get("gitVersion", "")))
    if not found:
        raise BootstrapError("Kubernetes version can't be determined")
    version = found[1]
    if tuple(int(part) for part in found.group(2, 3, 4)) < _OLDEST:
        raise BootstrapError(f"Kubernetes version v{version} does not match {CONSTRAINT}")
    return version


async def kubernetes_version(kube: Kube) -> str:
    try:
        info = await kube.server_version()
    except (ApiError, Unreachable) as error:
        raise BootstrapError(f"Kubernetes API call failed: {error}") from error
    return check_kubernetes(info)


def rights_to_install(namespace: str) -> list[Access]:
    """What the components need; the binding to cluster-admin is allowed only to who is one, or may bind it."""
    everywhere = [
        ("namespaces", ""),
        ("customresourcedefinitions", "apiextensions.k8s.io"),
        ("clusterroles", "rbac.authorization.k8s.io"),
        ("clusterrolebindings", "rbac.authorization.k8s.io"),
    ]
    inside = [
        ("serviceaccounts", ""),
        ("services", ""),
        ("resourcequotas", ""),
        ("deployments", "apps"),
        ("networkpolicies", "networking.k8s.io"),
    ]
    rights = [Access(verb, name, group) for name, group in everywhere for verb in ("create", "patch")]
    rights += [Access(verb, name, group, namespace) for name, group in inside for verb in ("create", "patch")]
    return [*rights, Access("bind", "clusterroles", "rbac.authorization.k8s.io", name="cluster-admin")]


def rights_to_sync(namespace: str) -> list[Access]:
    objects = [("gitrepositories", "source.toolkit.fluxcd.io"), ("kustomizations", "kustomize.toolkit.fluxcd.io")]
    rights = [Access(verb, n, g, namespace) for n, g in objects for verb in ("get", "list", "watch", "create", "patch")]
    rights += [Access(verb, "secrets", "", namespace) for verb in ("get", "create", "patch")]
    return [*rights, Access("list", "deployments", "apps", namespace), Access("watch", "deployments", "apps", namespace)]


async def missing_access(kube: Kube, wanted: Sequence[Access]) -> list[Access]:
    """Those of `wanted` that the current identity lacks; one question suffices for a cluster administrator."""
    if not wanted or await _is_allowed(kube, EVERYTHING):
        return []
    async with TaskGroup() as group:
        answers = [group.create_task(_is_allowed(kube, access)) for access in wanted]
    return [access for access, answer in zip(wanted, answers, strict=True) if not answer.result()]


def access_problem(missing: Iterable[Access], is_installing: bool) -> str:
    lacking = ", ".join(map(str, missing))
    who = "installing needs cluster-admin; " if is_installing else ""
    return f"{who}the current identity may not: {lacking}"


async def _is_allowed(kube: Kube, access: Access) -> bool:
    answer = await kube.create(_review(access))
    return bool((answer.get("status") or {}).get("allowed"))


def _review(access: Access) -> Manifest:
    asked = {
        "verb": access.verb,
        "resource": access.resource,
        "group": access.group,
        "namespace": access.namespace,
        "name": access.name,
    }
    spec = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
    return {"apiVersion": AUTHORIZATION_API, "kind": "SelfSubjectAccessReview", "metadata": {}, "spec": spec}
