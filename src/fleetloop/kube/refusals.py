"""Why an object cannot be applied, in words that lead to the place to mend: its file, itself, the field."""

import base64
import binascii
import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from fleetloop.kube.client import Kube
from fleetloop.kube.discovery import Resource
from fleetloop.kube.errors import ApiError, KindUnknown
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of

LONGEST = 2000  # characters of one refusal
MASK = "***"


class Refusal(Exception):
    """An object that cannot be applied; the message names it. `error`: the server's answer, None when the reason is another."""

    def __init__(self, desired: Manifest, words: str, error: ApiError | None = None, file: str = "") -> None:
        self.ref = ref_of(desired)
        self.error = error
        words = words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."
        super().__init__(f"{self.ref} {masked(words, desired)}" + (f" (in {file})" if file else ""))


def refused(kube: Kube, desired: Manifest, error: ApiError, step: str, file: str) -> Refusal:
    """`step`: `dry-run`, `apply`, `delete`."""
    if error.reason == "BadRequest" and "namespace not specified" in error.message:
        return Refusal(desired, "namespace not specified: the server could not find the requested resource", error, file)
    hint = ""
    if isinstance(error, KindUnknown):
        hint = hint_for(ref_of(desired), kube.known_resources())
    return Refusal(desired, f"{step} failed ({error.reason}): {error.message}{hint}", error, file)


def hint_for(ref: ObjectRef, served: Iterable[Resource]) -> str:
    """`, did you mean apps/v1 Deployment?`; empty when nothing served is near."""
    known: dict[tuple[str, str], None] = {(resource.api_version, resource.kind): None for resource in served}
    nearest = _nearest(ref.api_version, ref.kind, list(known))
    return f", did you mean {nearest[0]} {nearest[1]}?" if nearest else ""


def _nearest(api_version: str, kind: str, known: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """The kind under another version, then the same kind in other letters, then the likest kind; the likest version of these."""
    versions = [version for version, other in known if other == kind]
    if not versions:
        by_letters = {other.lower(): other for _, other in known}
        near = [kind.lower()] if kind.lower() in by_letters else difflib.get_close_matches(kind.lower(), by_letters, 1, 0.75)
        if not near:
            return None
        kind = by_letters[near[0]]
        versions = [version for version, other in known if other == kind]
    if api_version in versions:
        return api_version, kind
    likest = difflib.get_close_matches(api_version, versions, 1, 0.0)
    return (likest or versions)[0], kind


def masked(words: str, desired: Manifest) -> str:
    """The server quotes what it does not like; of a Secret, in no form."""
    if desired.get("kind") != "Secret":
        return words
    values = sorted({text for part in ("data", "stringData") for text in _texts(desired.get(part))}, key=len, reverse=True)
    for value in values:
        words = words.replace(value, MASK)
    return words


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif isinstance(value, str) and value:
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            return
    elif value is not None and value != "":
        yield {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
