"""What is measured: COUNT Kustomizations on one shared artifact, four objects each, told apart by substitution. Pure."""

import hashlib
import io
import tarfile
from dataclasses import dataclass
from string import Template
from typing import Any

from fleetloop.kube import Manifest, ObjectRef

NAMESPACE = "bench"
FLOOR_NAMESPACE = "floor"
KUSTOMIZE_API, SOURCE_API = "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"
SOURCE = ObjectRef(SOURCE_API, "GitRepository", NAMESPACE, "apps")
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
  rules:
    - host: "${name}.example.com"
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: "${name}", port: {name: http}}}}]}
""",
}
KINDS = (("v1", "ServiceAccount"), ("v1", "Service"), ("apps/v1", "Deployment"), ("networking.k8s.io/v1", "Ingress"))
SIZE = len(KINDS)


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of the repository."""

    tag: str

    @property
    def name(self) -> str:
        return f"main@sha1:{hashlib.sha1(self.tag.encode(), usedforsecurity=False).hexdigest()}"

    @property
    def file(self) -> str:
        return f"{self.tag}.tar.gz"

    def archive(self) -> bytes:
        """The artifact, the same bytes each time."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as tar:
            for name, text in self.files().items():
                member = tarfile.TarInfo(f"app/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        return buffer.getvalue()

    def files(self) -> dict[str, str]:
        """By name under `app/`; only the image differs between revisions."""
        return {name: text.replace("IMAGE_TAG", self.tag) for name, text in APPLICATION.items()}

    def artifact(self, base: str, digest: str) -> dict[str, Any]:
        return {
            "digest": digest,
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "path": self.file,
            "url": f"{base}/{self.file}",
            "revision": self.name,
        }


def application_name(number: int) -> str:
    return f"app-{number:04}"


def objects_of(number: int, namespace: str, revision: Revision) -> list[Manifest]:
    """The four objects as the controller applies them, but for its labels."""
    import yaml

    values = {"name": application_name(number), "namespace": namespace}
    return [yaml.safe_load(Template(text).substitute(values)) for text in revision.files().values()]


def kustomization(number: int, interval: str) -> Manifest:
    name = application_name(number)
    return {
        "apiVersion": KUSTOMIZE_API,
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "interval": interval,
            "timeout": "5m",
            "path": "./app",
            "prune": True,
            "wait": True,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE.name},
            "postBuild": {"substitute": {"name": name, "namespace": NAMESPACE}},
        },
    }


def source() -> Manifest:
    return {
        "apiVersion": SOURCE.api_version,
        "kind": SOURCE.kind,
        "metadata": {"name": SOURCE.name, "namespace": SOURCE.namespace},
        "spec": {"interval": "1h", "url": "https://git.example.com/apps.git"},
    }


def is_ready(live: Manifest, revision: str) -> bool:
    """Ready for this generation and at this revision."""
    status = live.get("status") or {}
    ready: dict[str, str] = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
    return (
        ready.get("status") == "True"
        and status.get("observedGeneration") == live["metadata"]["generation"]
        and status.get("lastAppliedRevision") == revision
    )
