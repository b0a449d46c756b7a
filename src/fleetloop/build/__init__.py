"""Recipes that turn sources into objects. Nothing here talks to a cluster."""

from fleetloop.build.errors import BuildError
from fleetloop.build.kustomization import BuildRequest, Limits, Manifest, build_objects, settings_of

__all__ = ["BuildError", "BuildRequest", "Limits", "Manifest", "build_objects", "settings_of"]
