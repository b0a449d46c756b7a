"""Keeps what a Secret holds out of what is printed about it: values, what kubectl noted of them, and the server's errors.

Flux masks `data`. Others have shown Secrets through the last-applied annotation and managed fields (CVE-2026-42880, -43824).
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from fleetloop.build.manifest import is_secret
from fleetloop.cli.sops_mask import is_masked
from fleetloop.kube.objects import Manifest, annotations_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_FIELDS = ("data", "stringData")
_SHORTEST = 4  # characters of a value worth searching for in a text


def mask_pair(before: Manifest, after: Manifest) -> tuple[Manifest, Manifest]:
    """Both without their values, so that one still sees which of them differ. Objects of other kinds stay as they are."""
    if not (is_secret(before) or is_secret(after)):
        return before, after
    mask = "*****" if is_masked(after) else "***"
    for field in _FIELDS:
        before, after = _mask_field(before, after, field, mask)
    old, new = annotations_of(before).get(LAST_APPLIED), annotations_of(after).get(LAST_APPLIED)
    hidden = ("***", "***") if old == new else ("*** (before)", "*** (after)")
    return _with_note(before, hidden[0]), _with_note(after, hidden[1])


def scrubbed(message: str, manifest: Manifest) -> str:
    """An error text about a Secret, without the values it may quote."""
    if is_secret(manifest):
        for value in sorted(_values_of(manifest), key=len, reverse=True):
            message = message.replace(value, "***")
    return message


def _mask_field(before: Manifest, after: Manifest, field: str, mask: str) -> tuple[Manifest, Manifest]:
    old, new = _map(before, field), _map(after, field)
    changed = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    masked_old = {key: f"{mask} (before)" if key in changed else mask for key in old}
    masked_new = {key: f"{mask} (after)" if key in changed else mask for key in new}
    return _replaced(before, field, masked_old), _replaced(after, field, masked_new)


def _map(manifest: Manifest, field: str) -> dict[str, Any]:
    found = manifest.get(field)
    return found if isinstance(found, dict) else {}


def _replaced(manifest: Manifest, field: str, values: dict[str, str]) -> Manifest:
    return {**manifest, field: values} if field in manifest else manifest


def _with_note(manifest: Manifest, note: str) -> Manifest:
    if LAST_APPLIED not in annotations_of(manifest):
        return manifest
    annotations = annotations_of(manifest) | {LAST_APPLIED: note}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def _values_of(manifest: Manifest) -> Iterator[str]:
    for field in _FIELDS:
        for value in map(str, _map(manifest, field).values()):
            yield from (text for text in (value, _decoded(value), _encoded(value)) if len(text) >= _SHORTEST)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
