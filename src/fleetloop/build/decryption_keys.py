"""The data of a decryption Secret as the keys that the engine takes: by name. Contract: source-kustomize.md 8.5.

Messages name the Secret's keys and fields, never their values.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
import yaml

from fleetloop.build.errors import BuildError

Keys = dict[str, Any]  # engine/internal/secrets/keys.go
AWS, AZURE, GCP, VAULT = "sops.aws-kms", "sops.azure-kv", "sops.gcp-kms", "sops.vault-token"
LARGEST = 1 << 20  # bytes; the API server allows no larger Secret
AWS_FIELDS = {
    "aws_access_key_id": "accessKeyId",
    "aws_secret_access_key": "secretAccessKey",
    "aws_session_token": "sessionToken",
}
AZURE_FIELDS = (
    "tenantId",
    "clientId",
    "clientSecret",
    "clientCertificate",
    "clientCertificatePassword",
    "clientCertificateSendChain",
    "authorityHost",
)
AZURE_CLI_FIELDS = {"appId": "clientId", "tenant": "tenantId", "password": "clientSecret"}  # as `az ad sp create-for-rbac` prints


def keys_of(data: Mapping[str, bytes]) -> Keys:
    """Other entries of the Secret are left alone. Raises BuildError."""
    named = sorted(data.items())
    keys: Keys = {
        "age": "\n".join(content.decode(errors="replace") for name, content in named if name.endswith(".agekey")),
        "pgp": [b64encode(content).decode() for name, content in named if name.endswith(".asc")],
        "vault": {"token": data.get(VAULT, b"").decode(errors="replace").strip()},
    }
    if AWS in data:
        keys["aws"] = _aws(_fields(AWS, data[AWS]))
    if AZURE in data:
        keys["azure"] = _azure(_fields(AZURE, data[AZURE]))
    if GCP in data:
        keys["gcp"] = {"credentials": data[GCP].decode(errors="replace")}
    return keys


def _aws(fields: Mapping[str, Any]) -> dict[str, str]:
    found = {ours: str(fields[theirs]).strip() for theirs, ours in AWS_FIELDS.items() if fields.get(theirs)}
    _require(AWS, fields, "aws_access_key_id", "aws_secret_access_key")
    return found


def _azure(fields: Mapping[str, Any]) -> dict[str, Any]:
    if "appId" in fields:
        _require(AZURE, fields, *AZURE_CLI_FIELDS)
        return {ours: str(fields[theirs]) for theirs, ours in AZURE_CLI_FIELDS.items()}
    _require(AZURE, fields, "tenantId", "clientId")
    if not fields.get("clientSecret") and not fields.get("clientCertificate"):
        raise BuildError(f"decryption Secret: '{AZURE}' needs clientSecret or clientCertificate")
    found: dict[str, Any] = {name: str(fields[name]) for name in AZURE_FIELDS if fields.get(name)}
    if "clientCertificateSendChain" in found:
        found["clientCertificateSendChain"] = found["clientCertificateSendChain"].lower() == "true"
    return found


def _require(entry: str, fields: Mapping[str, Any], *names: str) -> None:
    if missing := [name for name in names if not fields.get(name)]:
        raise BuildError(f"decryption Secret: '{entry}' lacks {', '.join(missing)}")


def _fields(entry: str, content: bytes) -> Mapping[str, Any]:
    """Files written by PowerShell are UTF-16. JSON first: indented by tabs it is no YAML."""
    if len(content) > LARGEST:
        raise BuildError(f"decryption Secret: '{entry}' is larger than {LARGEST} bytes")
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        text = content.decode(encoding)
        fields = orjson.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=_Plain)
    except (UnicodeDecodeError, orjson.JSONDecodeError, yaml.YAMLError, RecursionError):
        fields = None  # their messages quote what they read
    if not isinstance(fields, dict):
        raise BuildError(f"decryption Secret: '{entry}' is not a YAML or JSON object")
    return fields


class _Plain(yaml.BaseLoader):
    """Texts stay texts: a secret of digits is no number."""
