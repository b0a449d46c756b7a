"""Manifests of served kinds to their structs."""

from typing import TypeVar

import msgspec

from fleetloop.api.meta import Object
from fleetloop.kube.objects import Manifest

T = TypeVar("T", bound=Object)


def decoded(struct: type[T], manifest: Manifest) -> T:
    """Raises ValueError (msgspec.ValidationError) naming the field."""
    return msgspec.convert(manifest, struct, strict=False)
