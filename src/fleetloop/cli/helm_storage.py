"""What Helm keeps about a release in the cluster: a Secret with the objects it applied."""

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from fleetloop.api.names import HELM_RELEASE_NAME, HELM_RELEASE_NAMESPACE
from fleetloop.api.yaml import InvalidYAML, load_all
from fleetloop.cli.columns import at
from fleetloop.cli.errors import CliError
from fleetloop.kube.errors import KindUnknown, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.kube.oneshot import OneShot

LARGEST = 100 * 2**20  # bytes of a decompressed release; who may write the Secret may also write a bomb
_CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def stored_objects(cluster: OneShot, release: Manifest) -> Iterator[ObjectRef]:
    """The objects of a HelmRelease's latest release, and the CRDs that carry its labels. None if they are in another cluster."""
    history = at(release, "status", "history")
    if not history or at(release, "spec", "kubeConfig"):
        return
    latest, metadata = history[0], release["metadata"]
    name = f"sh.helm.release.v1.{latest['name']}.v{latest['version']}"
    try:
        secret = cluster.get(ObjectRef("v1", "Secret", at(release, "status", "storageNamespace") or "", name))
    except NotFound:
        return
    text = manifest_of(str(at(secret, "data", "release") or ""), metadata["name"])
    try:
        documents = [document for document in load_all(text) if document]
    except InvalidYAML as error:
        raise CliError(f"failed to read the Helm storage object for HelmRelease '{metadata['name']}': {error}") from None
    for document in documents:
        yield _placed(cluster, ref_of(document), latest["namespace"])
    if {at(release, "spec", action, "crds") for action in ("install", "upgrade")} != {"Skip"}:
        labels = f"{HELM_RELEASE_NAME}={metadata['name']},{HELM_RELEASE_NAMESPACE}={metadata['namespace']}"
        yield from (ref_of(crd) for crd in cluster.list(*_CRD, label_selector=labels))


def manifest_of(data: str, name: str, largest: int = LARGEST) -> str:
    """The YAML in a storage Secret: base64 of base64 of gzip of JSON. Raises CliError, naming the release."""
    try:
        packed = base64.b64decode(base64.b64decode(data))
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(packed, largest)
        if unpacker.unconsumed_tail:
            raise ValueError(f"larger than {largest} bytes")
        release: Any = orjson.loads(unpacked)
        return str(release["manifest"])
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CliError(f"failed to decode the Helm storage object for HelmRelease '{name}': {error}") from None


def _placed(cluster: OneShot, ref: ObjectRef, namespace: str) -> ObjectRef:
    """Charts may leave the namespace out; the release's own is meant then."""
    try:
        namespaced = cluster.resource_for(ref.api_version, ref.kind).namespaced
    except KindUnknown:
        namespaced = bool(ref.namespace)
    return ObjectRef(ref.api_version, ref.kind, (ref.namespace or namespace) if namespaced else "", ref.name)
