"""Objects as the server will have them, so that an apply sees no difference where there is none. Pure.

Flux: source-kustomize.md 8.7.
"""

import base64
import binascii

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
    if manifest["kind"] == "Secret" and manifest["apiVersion"] == "v1" and manifest.get("stringData"):
        texts = manifest.pop("stringData")
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        manifest["data"] = (manifest.get("data") or {}) | encoded
    return manifest


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
