"""The Secret with which the cluster reads the repository: what it holds, and when it is made anew. Pure.

Rules: bootstrap.md section 8. Where the peer merges a new Secret into the old one (⚠ 39), the keys of the other way to
authenticate are removed here, or the URL and the Secret would contradict each other.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fleetloop.git import KeyPair, key_pair_of
from fleetloop.kube import Manifest

CREDENTIAL_KEYS = frozenset({"identity", "identity.pub", "known_hosts", "username", "password", "bearerToken", "ca.crt"})
Data: TypeAlias = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SshHost:
    """Whose host key goes into known_hosts. `name`: as in a URL, an IPv6 address in brackets."""

    name: str
    port: int = 22


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A key pair of our own making, made once and then kept: delete the Secret to have another."""

    host: SshHost
    algorithm: str = "ecdsa"
    rsa_bits: int = 2048
    curve: str = "p384"


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A private key somebody has already given access to the repository."""

    host: SshHost
    identity: bytes = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FromDeployToken:
    """A token that the forge makes for this repository, and that a step turns into BasicAuth."""


@dataclass(frozen=True, slots=True)
class SourceSecret:
    """How the cluster authenticates. `ca`: PEM of the server's authority, for HTTPS."""

    access: GeneratedKey | GivenKey | BasicAuth | BearerToken | FromDeployToken
    ca: bytes = b""

    @property
    def host(self) -> SshHost | None:
        return self.access.host if isinstance(self.access, GeneratedKey | GivenKey) else None

    def is_kept(self, existing: Data | None) -> bool:
        """Whether the Secret in the cluster stays as it is. What was passed in is always written: rotation is a re-run."""
        if not isinstance(self.access, GeneratedKey) or existing is None:
            return False
        return bool(existing.get("identity") and existing.get("known_hosts"))


def public_key_of(existing: Data) -> bytes:
    """Of a Secret with an identity, which need not hold it. Raises InvalidKey."""
    if held := existing.get("identity.pub"):
        return held
    return key_pair_of(existing["identity"], existing.get("password", b"").decode()).identity_pub


def contents(secret: SourceSecret, key: KeyPair | None, known_hosts: bytes) -> dict[str, bytes]:
    """The Secret's data. `key` and `known_hosts` only matter with SSH."""
    match secret.access:
        case BasicAuth(username=username, password=password):
            data = {"username": username.encode(), "password": password.encode()}
        case BearerToken(token=token):
            data = {"bearerToken": token.encode()}
        case access:
            assert key is not None, "SSH needs a key, and a deploy token a step before this one"
            data = {"identity": key.identity, "identity.pub": key.identity_pub, "known_hosts": known_hosts.strip()}
            if isinstance(access, GivenKey) and access.passphrase:
                data["password"] = access.passphrase.encode()
            return data
    return data | ({"ca.crt": secret.ca} if secret.ca else {})


def secret_manifest(namespace: str, name: str, data: Data) -> Manifest:
    """Without a type, which makes a new Secret Opaque."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def data_of(manifest: Manifest) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (manifest.get("data") or {}).items()}
