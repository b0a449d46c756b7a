"""What the two kinds that apply objects share: Kustomization and HelmRelease."""

from typing import ClassVar

from .meta import LocalObjectReference, Value
from .schema import Rule


class DependencyReference(Value):
    """An object of the same kind that must be ready first, or for which `ready_expr` (CEL) must hold."""

    name: str
    namespace: str = ""
    ready_expr: str = ""


class Selector(Value):
    """Which objects a patch or rule concerns; every field set must match, kinds and names as anchored patterns.

    Its fields, and those of Image, are in Flux's order: digests of HelmRelease's post-renderers depend on it.
    """

    group: str = ""
    version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    annotation_selector: str = ""
    label_selector: str = ""


class IgnoreRule(Value):
    """JSON pointers left alone in the objects the target selects."""

    paths: tuple[str, ...]
    target: Selector | None = None


class CustomHealthCheck(Value):
    """CEL expressions that judge the health of one kind of object."""

    api_version: str
    current: str
    failed: str = ""
    in_progress: str = ""
    kind: str = ""


class SecretKeyReference(Value):
    """A Secret in the same namespace, and the key in it; without one `value`, then `value.yaml`."""

    name: str
    key: str = ""


class KubeConfigReference(Value):
    """Where the cluster to apply to is described, when it is not this one."""

    rules: ClassVar = (
        Rule(
            "has(self.configMapRef) || has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
        ),
        Rule(
            "!has(self.configMapRef) || !has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
        ),
    )
    config_map_ref: LocalObjectReference | None = None
    secret_ref: SecretKeyReference | None = None


class Image(Value):
    """Another name, tag or digest for a container image."""

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""


class Patch(Value):
    """A strategic merge or JSON 6902 patch, and what it applies to."""

    patch: str
    target: Selector | None = None


class ResourceRef(Value):
    """An applied object: `id` is namespace_name_group_kind, `v` the version."""

    id: str
    v: str


class ResourceInventory(Value):
    """Every object that was applied and not pruned since."""

    entries: tuple[ResourceRef, ...]
