"""What is shown in the place of values that SOPS encrypted. Flux's own words, since scripts compare them."""

import base64
import binascii
from typing import Any

from fleetloop.build.manifest import is_secret
from fleetloop.kube.objects import Manifest

MASK = "**SOPS**"
_DOCKER = ".dockerconfigjson"


def masked(manifest: Manifest) -> Manifest:
    """A Secret encrypted as a whole loses its values; one with encrypted files as values loses those. Others stay."""
    if not is_secret(manifest):
        return manifest
    if isinstance(manifest.get("sops"), dict):
        kept = {key: value for key, value in manifest.items() if key != "sops"}
        return kept | {field: _all_masked(kept[field], field) for field in ("data", "stringData") if kept.get(field)}
    data = manifest.get("data")
    if not isinstance(data, dict) or not any(map(_is_encrypted_file, data.values())):
        return manifest
    return {**manifest, "data": {key: _mask(key, "data") if _is_encrypted_file(v) else v for key, v in data.items()}}


def is_masked(manifest: Manifest) -> bool:
    """Whether any value was replaced by `masked`."""
    found = [*(manifest.get("data") or {}).items(), *(manifest.get("stringData") or {}).items()]
    return is_secret(manifest) and any(value in {_mask(key, "data"), _mask(key, "stringData")} for key, value in found)


def _all_masked(values: Any, field: str) -> dict[str, str]:
    return {key: _mask(key, field) for key in values} if isinstance(values, dict) else {}


def _mask(key: str, field: str) -> str:
    text = f'{{"mask":"{MASK}"}}' if key == _DOCKER else MASK
    return base64.b64encode(text.encode()).decode() if field == "data" else text


def _is_encrypted_file(value: Any) -> bool:
    try:
        content = base64.b64decode(value)
    except (binascii.Error, TypeError, ValueError):
        return False
    return b"sops" in content and b"ENC[" in content
