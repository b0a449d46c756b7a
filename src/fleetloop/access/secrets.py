"""Secrets of an object's namespace. Read at every pass: a rotated credential counts from the next one on (6.6)."""

import base64

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef


class SecretUnavailable(Exception):
    """A Secret is not there or may not be read."""


async def read_secret(kube: Kube, namespace: str, name: str) -> dict[str, bytes]:
    """Its data. Raises SecretUnavailable, and ServerFailed and Unreachable, which are not about the Secret."""
    try:
        found = await kube.get(ObjectRef("v1", "Secret", namespace, name))
    except ServerFailed:
        raise
    except ApiError as error:
        raise SecretUnavailable(f"failed to get secret '{namespace}/{name}': {error}") from error
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
