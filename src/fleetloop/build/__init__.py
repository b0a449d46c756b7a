"""Recipes that turn sources into objects. Nothing here talks to a cluster."""

from fleetloop.build.cache import BuildCache
from fleetloop.build.errors import BuildError, EncryptedSecret
from fleetloop.build.kustomization import (
    BuildRequest,
    Built,
    Limits,
    build_objects,
    build_with_files,
    digest_of,
    emit_yaml,
    settings_of,
)
from fleetloop.build.labels import label_objects
from fleetloop.build.manifest import Manifest
from fleetloop.build.substitution import variables_of

__all__ = [
    "BuildCache",
    "BuildError",
    "BuildRequest",
    "Built",
    "EncryptedSecret",
    "Limits",
    "Manifest",
    "build_objects",
    "build_with_files",
    "digest_of",
    "emit_yaml",
    "label_objects",
    "settings_of",
    "variables_of",
]
