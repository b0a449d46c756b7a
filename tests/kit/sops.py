"""SOPS documents, written here again from the format's description, so that what decrypts them is not tested against itself.

Values are AES-256-GCM under the data key, bound to their place; `masters` says who can open the data key. There is no valid MAC.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCRYPTED = ("data", "stringData")
CREATED = "2026-01-02T03:04:05Z"
Masters = Mapping[str, Sequence[Mapping[str, Any]]]  # as in the document: kms, gcp_kms, azure_kv, hc_vault, age, pgp


def new_data_key() -> bytes:
    return secrets.token_bytes(32)


def sealed_yaml(manifest: Mapping[str, Any], data_key: bytes, masters: Masters) -> str:
    """A manifest whose `data` and `stringData` are encrypted."""
    sealed = {name: _sealed(value, data_key, (name,)) if name in ENCRYPTED else value for name, value in manifest.items()}
    keys = {kind: [{**master, "created_at": CREATED} for master in some] for kind, some in masters.items()}
    metadata = {
        **keys,
        "lastmodified": CREATED,
        "mac": encrypted("no digest", data_key, CREATED),
        "encrypted_regex": f"^({'|'.join(ENCRYPTED)})$",
        "version": "3.11.0",
    }
    return yaml.safe_dump({**sealed, "sops": metadata}, sort_keys=False, width=10_000)


def encrypted(text: str, data_key: bytes, bound_to: str) -> str:
    iv = secrets.token_bytes(32)
    out = AESGCM(data_key).encrypt(iv, text.encode(), bound_to.encode())
    data, tag = (base64.b64encode(part).decode() for part in (out[:-16], out[-16:]))
    return f"ENC[AES256_GCM,data:{data},iv:{base64.b64encode(iv).decode()},tag:{tag},type:str]"


def _sealed(value: Any, data_key: bytes, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {name: _sealed(inner, data_key, (*path, name)) for name, inner in value.items()}
    return encrypted(str(value), data_key, "".join(f"{part}:" for part in path))
