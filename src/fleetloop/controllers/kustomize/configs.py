"""Which ConfigMaps and Secrets a Kustomization names. Pure. Flux: source-kustomize.md 8.12."""

from fleetloop.access.kubeconfigs import kubeconfig_refs
from fleetloop.api.kustomize import Kustomization
from fleetloop.kube.objects import ObjectRef


def config_refs(kustomization: Kustomization) -> set[ObjectRef]:
    """Everything it names in its own namespace. Pure."""
    spec, found = kustomization.spec, []
    if spec.post_build:
        found += [(ref.kind, ref.name) for ref in spec.post_build.substitute_from]
    if spec.decryption and spec.decryption.secret_ref:
        found.append(("Secret", spec.decryption.secret_ref.name))
    namespace = kustomization.namespace
    return {ObjectRef("v1", kind, namespace, name) for kind, name in found} | set(kubeconfig_refs(namespace, spec.kube_config))
