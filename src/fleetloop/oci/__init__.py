"""OCI registries: resolve a reference, list tags, pull and push. Decides nothing about what is pulled."""

from fleetloop.oci.content import Descriptor, Manifest, digest_of
from fleetloop.oci.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ContentMismatch,
    InvalidReference,
    NotFound,
    OciError,
    RegistryBusy,
    RegistryError,
    RegistryUnreachable,
)
from fleetloop.oci.keychain import DOCKER_CONFIG, NOBODY, Keychain, Login
from fleetloop.oci.reference import Reference, Repository
from fleetloop.oci.registry import ANONYMOUS, Access, Registry, pushed_manifest, reached

__all__ = [
    "ANONYMOUS",
    "DOCKER_CONFIG",
    "NOBODY",
    "Access",
    "AuthenticationFailed",
    "ConnectionLost",
    "ContentMismatch",
    "Descriptor",
    "InvalidReference",
    "Keychain",
    "Login",
    "Manifest",
    "NotFound",
    "OciError",
    "Reference",
    "Registry",
    "RegistryBusy",
    "RegistryError",
    "RegistryUnreachable",
    "Repository",
    "digest_of",
    "pushed_manifest",
    "reached",
]
