"""What is measured: applications of a few objects, the Kustomizations that apply them, the sources they come from. Pure."""

from collections.abc import Mapping
from string import Template
from typing import Any

import yaml

from bench.revisions import Revision
from fleetloop.kube import Manifest, ObjectRef

NAMESPACE = "bench"
FLOOR_NAMESPACE = "floor"
KUSTOMIZE_API, SOURCE_API = "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"
APPLICATION = {
    "serviceaccount.yaml": """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: "${name}", namespace: "${namespace}"}
""",
    "service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: "${name}", namespace: "${namespace}", labels: {app: "${name}"}}
spec:
  selector: {app: "${name}"}
  ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}]
""",
    "deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${name}", namespace: "${namespace}", labels: {app: "${name}"}}
spec:
  replicas: 0
  selector: {matchLabels: {app: "${name}"}}
  template:
    metadata: {labels: {app: "${name}"}}
    spec:
      serviceAccountName: "${name}"
      containers:
        - name: app
          image: registry.example.com/app:IMAGE_TAG
          ports: [{containerPort: 8080, protocol: TCP}]
          env: [{name: APP_NAME, value: "${name}"}]
          resources: {requests: {cpu: 10m, memory: 32Mi}}
""",
    "ingress.yaml": """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: "${name}", namespace: "${namespace}"}
spec:
  ingressClassName: web
  rules:
    - host: "${name}.example.com"
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: "${name}", port: {name: http}}}}]}
""",
}
SIZE = len(APPLICATION)
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "${name}", namespace: "${namespace}"}
data: {revision: "IMAGE_TAG", words: "some lines that an application reads when it starts"}
"""


def application_name(number: int) -> str:
    return f"app-{number:04}"


def application_revision(tag: str) -> Revision:
    """One application for all, told apart by substitution; only the image differs between revisions."""
    return Revision(tag, {f"app/{name}": text.replace("IMAGE_TAG", tag) for name, text in APPLICATION.items()})


def written_out(text: str, number: int, namespace: str, tag: str) -> str:
    """What the controller makes of one file of an application."""
    return Template(text.replace("IMAGE_TAG", tag)).substitute(name=application_name(number), namespace=namespace)


def objects_of(texts: Mapping[str, str], number: int, namespace: str, tag: str) -> list[Manifest]:
    """An application's objects as the controller applies them, but for its labels."""
    return [yaml.safe_load(written_out(text, number, namespace, tag)) for text in texts.values()]


def kustomization(name: str, source: str, path: str, interval: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": KUSTOMIZE_API,
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "interval": interval,
            "timeout": "10m",
            "path": path,
            "prune": True,
            "wait": True,
            "sourceRef": {"kind": "GitRepository", "name": source},
        }
        | spec,
    }


def application_kustomization(number: int, interval: str) -> Manifest:
    name = application_name(number)
    substitute = {"name": name, "namespace": NAMESPACE}
    return kustomization(name, "apps", "./app", interval, postBuild={"substitute": substitute})


def source_ref(name: str) -> ObjectRef:
    return ObjectRef(SOURCE_API, "GitRepository", NAMESPACE, name)


def source(name: str, url: str = "https://git.example.com/apps.git", interval: str = "1h", **spec: Any) -> Manifest:
    return {
        "apiVersion": SOURCE_API,
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"interval": interval, "url": url} | spec,
    }


def condition_of(live: Manifest, name: str) -> Mapping[str, str]:
    conditions = (live.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == name), {})


def is_ready(live: Manifest, revision: str) -> bool:
    """A Kustomization that is Ready for this generation and at this revision."""
    status = live.get("status") or {}
    return (
        condition_of(live, "Ready").get("status") == "True"
        and status.get("observedGeneration") == live["metadata"]["generation"]
        and status.get("lastAppliedRevision") == revision
    )
