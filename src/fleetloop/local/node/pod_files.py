"""The files of one pod: its volumes as folders on disk, filled from Secrets, ConfigMaps, tokens and the pod itself."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.local.node.cloud import claim_folder
from fleetloop.local.node.container_view import MissingReference, Mount, Sources, pod_field
from fleetloop.local.state import write_private

TOKEN_SECONDS = 3607
SERVICE_ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class PodFiles:
    """`folder` is the pod's own; it holds a folder a volume. `claimed`: the folders of volumes that outlive the pod."""

    folder: Path
    claimed: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, pod: Manifest, folder: Path, claims: Path) -> "PodFiles":
        namespace = pod["metadata"]["namespace"]
        claimed = {
            volume["name"]: claim_folder(claims, namespace, volume["persistentVolumeClaim"]["claimName"])
            for volume in pod["spec"].get("volumes") or []
            if "persistentVolumeClaim" in volume
        }
        return cls(folder, claimed)

    def volume(self, name: str) -> Path:
        return self.claimed.get(name) or self.folder / "volumes" / name

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def scratch(self) -> Path:
        return self.folder / "tmp"

    def log(self, container: str, restart: int) -> Path:
        return self.folder / "logs" / container / f"{restart}.log"

    def mounts(self, container: Mapping[str, Any]) -> list[Mount]:
        """`/tmp` always has a folder, since the machine's own is shared with everyone."""
        found = [
            Mount(mount["mountPath"], self.volume(mount["name"]) / mount.get("subPath", ""))
            for mount in container.get("volumeMounts") or []
        ]
        return found if any(m.path.rstrip("/") == "/tmp" for m in found) else [*found, Mount("/tmp", self.scratch)]

    async def fill(self, pod: Manifest, kube: Kube, sources: Sources) -> None:
        """Makes every volume, and renews those that are made of objects. Raises MissingReference, ApiError, Unreachable."""
        await asyncio.to_thread(self._make_folders, pod)
        for volume in pod["spec"].get("volumes") or []:
            files = [entry async for entry in _content(volume, pod, kube, sources)]
            await asyncio.to_thread(_write, self.volume(volume["name"]), dict(files))

    async def remove(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self.folder, True)

    def _make_folders(self, pod: Manifest) -> None:
        volumes = [self.volume(v["name"]) for v in pod["spec"].get("volumes") or []]
        for folder in [self.home, self.scratch, *volumes]:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


async def gather_sources(pod: Manifest, kube: Kube) -> Sources:
    """Every Secret and ConfigMap that the pod names; missing ones are missing in the answer, too."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, dict[str, Mapping[str, bytes]]] = {"Secret": {}, "ConfigMap": {}}
    for kind, name in sorted(set(_references(pod["spec"]))):
        if (document := await kube.find(ObjectRef("v1", kind, namespace, name))) is not None:
            found[kind][name] = data_of(document)
    return Sources(secrets=found["Secret"], config_maps=found["ConfigMap"])


def data_of(document: Manifest) -> dict[str, bytes]:
    """Data of a Secret or a ConfigMap, decoded."""
    data = document.get("data") or {}
    if document.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary = {key: base64.b64decode(value) for key, value in (document.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in data.items()} | binary


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in spec["containers"]:
        for source in [*(container.get("envFrom") or []), *(e.get("valueFrom") or {} for e in container.get("env") or [])]:
            for key, kind in (
                ("secretRef", "Secret"),
                ("secretKeyRef", "Secret"),
                ("configMapRef", "ConfigMap"),
                ("configMapKeyRef", "ConfigMap"),
            ):
                if key in source:
                    yield kind, source[key]["name"]
    for volume in spec.get("volumes") or []:
        for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            if "secret" in part:
                yield "Secret", part["secret"].get("secretName") or part["secret"]["name"]
            if "configMap" in part:
                yield "ConfigMap", part["configMap"]["name"]


async def _content(volume: Mapping[str, Any], pod: Manifest, kube: Kube, sources: Sources) -> AsyncIterator[tuple[str, bytes]]:
    for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        if token := part.get("serviceAccountToken"):
            yield token["path"], await _token(token, pod, kube)
        else:
            for path, content in _static_content(part, pod, sources):
                yield path, content


def _static_content(part: Mapping[str, Any], pod: Manifest, sources: Sources) -> Iterator[tuple[str, bytes]]:
    if secret := part.get("secret"):
        yield from _items(secret, "Secret", secret.get("secretName") or secret["name"], sources)
    if config_map := part.get("configMap"):
        yield from _items(config_map, "ConfigMap", config_map["name"], sources)
    for item in (part.get("downwardAPI") or {}).get("items") or []:
        if "fieldRef" in item:
            yield item["path"], pod_field(pod, item["fieldRef"]["fieldPath"]).encode()


def _items(part: Mapping[str, Any], kind: str, name: str, sources: Sources) -> Iterator[tuple[str, bytes]]:
    optional = bool(part.get("optional"))
    data = sources.of(kind, name, optional)
    for item in part.get("items") or [{"key": key, "path": key} for key in data]:
        if item["key"] in data:
            yield item["path"], data[item["key"]]
        elif not optional:
            raise MissingReference(f"references non-existent {kind.lower()} key: {item['key']}")


async def _token(wish: Mapping[str, Any], pod: Manifest, kube: Kube) -> bytes:
    """A token bound to the pod: the API server refuses it once the pod is gone."""
    metadata = pod["metadata"]
    account = pod["spec"].get("serviceAccountName") or "default"
    spec = {
        "audiences": [wish["audience"]] if wish.get("audience") else [],
        "expirationSeconds": wish.get("expirationSeconds") or TOKEN_SECONDS,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
    }
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status, body = await kube.raw("POST", path, request)
    if status >= 400:
        raise MissingReference(f'no token for serviceaccount "{account}": the API server answered {status}')
    return str(orjson.loads(body)["status"]["token"]).encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise MissingReference(f"volume path {path!r} leads out of its volume")
        if not target.exists() or target.read_bytes() != content:
            write_private(target, content)
