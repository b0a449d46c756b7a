"""What is disturbed: objects of ten kinds, and for each a field that a stranger may change. Pure."""

from dataclasses import dataclass
from typing import Any

from bench.applications import APPLICATION, NAMESPACE, SETTINGS
from fleetloop.kube import Manifest, ObjectRef

CRD: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.bench.example.com"},
    "spec": {
        "group": "bench.example.com",
        "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}
_OTHERS = {
    "secret.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: "${name}", namespace: "${namespace}"}
data: {word: c2VzYW1l}
""",
    "role.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "${name}", namespace: "${namespace}"}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
""",
    "rolebinding.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: "${name}", namespace: "${namespace}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: "${name}"}
subjects: [{kind: ServiceAccount, name: "${name}", namespace: "${namespace}"}]
""",
    "cronjob.yaml": """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: "${name}", namespace: "${namespace}"}
spec:
  schedule: "0 3 * * *"
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "registry.example.com/job:v1"}]}}}
""",
    "widget.yaml": """\
apiVersion: bench.example.com/v1
kind: Widget
metadata: {name: "${name}", namespace: "${namespace}"}
spec: {size: 3}
""",
}
_ALL = APPLICATION | _OTHERS | {"configmap.yaml": SETTINGS}
FILES = {f"kinds/{name}": text.replace("IMAGE_TAG", "v1") for name, text in _ALL.items()}


@dataclass(frozen=True, slots=True)
class Target:
    """A kind and one of its fields: where it is, and what a stranger makes of it."""

    api_version: str
    kind: str
    path: tuple[str, ...]
    foreign: Any

    def ref(self, name: str) -> ObjectRef:
        return ObjectRef(self.api_version, self.kind, NAMESPACE, name)


_RULES = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
TARGETS = (
    Target("v1", "ConfigMap", ("data", "words"), "others"),
    Target("v1", "Secret", ("data", "word"), "b3RoZXI="),
    Target("v1", "Service", ("spec", "selector", "app"), "other"),
    Target("apps/v1", "Deployment", ("spec", "replicas"), 1),
    Target("networking.k8s.io/v1", "Ingress", ("spec", "ingressClassName"), "other"),
    Target("v1", "ServiceAccount", ("metadata", "labels", "kustomize.toolkit.fluxcd.io/name"), "other"),
    Target("rbac.authorization.k8s.io/v1", "Role", ("rules",), _RULES),
    Target("rbac.authorization.k8s.io/v1", "RoleBinding", ("subjects",), [{"kind": "User", "name": "someone"}]),
    Target("batch/v1", "CronJob", ("spec", "suspend"), False),
    Target("bench.example.com/v1", "Widget", ("spec", "size"), 5),
)
