"""What was applied last and how the cluster had it then: where both still hold there is nothing to ask the server. For one owner.

Exact because the watch tells every version: a foreign write, of a field or of a field's ownership, is another fingerprint.
Until the watch has told it the object counts as unchanged, and then it is repaired as drift.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import orjson

from fleetloop.kube.apply import Change
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of


@dataclass(frozen=True, slots=True)
class _Applied:
    desired: bytes
    live: bytes


class LastApplied:
    """`find_live` gives an object as the watch last told it. `token` names the circumstances: in others nothing is known."""

    def __init__(self, token: str, find_live: Callable[[ObjectRef], LiveObject | None]) -> None:
        self.token = token
        self._find_live = find_live
        self._applied: dict[ObjectRef, _Applied] = {}

    def find(self, desired: Manifest) -> Change | None:
        """The change that applying it would be, when that is none for certain."""
        ref = ref_of(desired)
        applied, live = self._applied.get(ref), self._find_live(ref)
        if applied is None or live is None or live.fingerprint != applied.live or applied.desired != _digest(desired):
            return None
        return Change(ref, "unchanged", live.version, live.fingerprint)

    def remember(self, objects: Iterable[Manifest], changes: Sequence[Change]) -> None:
        """Forgets all that was known before."""
        fingerprints = {change.ref: change.fingerprint for change in changes if change.action != "skipped"}
        self._applied = {
            ref: _Applied(_digest(manifest), fingerprints[ref])
            for manifest in objects
            if (ref := ref_of(manifest)) in fingerprints
        }


def _digest(manifest: Manifest) -> bytes:
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
