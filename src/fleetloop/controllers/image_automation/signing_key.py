"""The key that signs commits, of a Secret in the automation's namespace. Flux: helm-notification-image.md 5.1."""

import asyncio
from typing import TYPE_CHECKING

from fleetloop import git
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api.image import ImageUpdateAutomation
from fleetloop.controllers.image_automation.failures import SourceManagerFailed
from fleetloop.kube.client import Kube

if TYPE_CHECKING:
    from fleetloop.git import Signer


async def signer_of(kube: Kube, automation: ImageUpdateAutomation) -> "Signer | None":
    """None when commits are not to be signed. Raises SourceManagerFailed."""
    key = automation.spec.git.commit.signing_key if automation.spec.git else None
    if key is None:
        return None
    name = f"{automation.namespace}/{key.secret_ref.name}"
    try:
        data = await read_secret(kube, automation.namespace, key.secret_ref.name)
        return await asyncio.to_thread(_signer, key.type or "gpg", data)
    except SecretUnavailable as error:
        raise SourceManagerFailed(f"could not find signing key secret '{name}': {error}") from error
    except git.InvalidKey as error:
        raise SourceManagerFailed(f"invalid signing key secret '{name}': {error}") from error


def _signer(type: str, data: dict[str, bytes]) -> "Signer":
    """Raises InvalidKey."""
    if type == "ssh":
        return git.SshSigner(_value(data, "identity"), _text(data, "password"))
    return git.OpenPgpSigner(_value(data, "git.asc"), passphrase=_text(data, "passphrase"))


def _value(data: dict[str, bytes], key: str) -> bytes:
    if not data.get(key):
        raise git.InvalidKey(f"it has no key '{key}'")
    return data[key]


def _text(data: dict[str, bytes], key: str) -> str:
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise git.InvalidKey(f"'{key}' is not UTF-8 text") from None
