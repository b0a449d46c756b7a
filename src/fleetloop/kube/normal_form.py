"""Objects as the server will have them, so that an apply sees no difference where there is none. Pure.

Flux: source-kustomize.md 8.7.
"""

import base64
import binascii
from typing import Any, TypeGuard

from fleetloop.kube.objects import Manifest
from fleetloop.kube.pointers import Absent, value_at, without

_CA_BUNDLE = ("spec", "conversion", "webhook", "clientConfig", "caBundle")
_PEM = b"-----BEGIN CERTIFICATE-----"


def normalized(manifest: Manifest) -> Manifest:
    """No status but a definition's, Secret texts encoded; a definition loses a conversion caBundle that is no certificate, as the
    placeholders are that certificate managers replace."""
    manifest["metadata"].pop("creationTimestamp", None)
    if manifest["kind"] == "CustomResourceDefinition":
        return _without_placeholder(manifest)
    manifest.pop("status", None)
    texts = manifest.get("stringData")
    if (
        manifest["kind"] == "Secret"
        and manifest["apiVersion"] == "v1"
        and _are_texts(texts)
        and _is_mapping(manifest.get("data"))
    ):
        del manifest["stringData"]
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        manifest["data"] = (manifest.get("data") or {}) | encoded
    return manifest


def _are_texts(value: Any) -> TypeGuard[dict[str, str]]:
    """Else it is the server's to refuse."""
    return isinstance(value, dict) and bool(value) and all(isinstance(text, str) for text in value.values())


def _is_mapping(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _without_placeholder(definition: Manifest) -> Manifest:
    bundle = value_at(definition, _CA_BUNDLE)
    if isinstance(bundle, Absent) or (isinstance(bundle, str) and _is_certificate(bundle)):
        return definition
    smaller: Manifest = without(definition, [_CA_BUNDLE])
    return smaller


def _is_certificate(text: str) -> bool:
    try:
        return _PEM in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
