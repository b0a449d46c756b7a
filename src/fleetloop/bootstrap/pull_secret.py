"""The Secret with which the cluster pulls the controllers' images. Pure."""

import base64
import json
from dataclasses import dataclass

from fleetloop.bootstrap.secret import secret_manifest
from fleetloop.bootstrap.validation import RegistryCredentials
from fleetloop.kube import Manifest


@dataclass(frozen=True, slots=True)
class PullSecret:
    """`registry` as the flag was written, path included: that is how the entry is called."""

    name: str
    registry: str
    credentials: RegistryCredentials

    def manifest(self, namespace: str, indent: int | None = None) -> Manifest:
        """`indent`: of the document's lines; None for a compact one."""
        username, password = self.credentials.username, self.credentials.password
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        entry = {"username": username, "password": password, "auth": auth}
        document = json.dumps({"auths": {self.registry: entry}}, indent=indent, separators=(",", ": " if indent else ":"))
        data = {".dockerconfigjson": document.encode()}
        return secret_manifest(namespace, self.name, data) | {"type": "kubernetes.io/dockerconfigjson"}
