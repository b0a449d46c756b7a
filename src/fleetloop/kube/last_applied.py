"""What was applied last and how the cluster had it then: where both still hold there is nothing to ask the server. For one owner.

Exact because the watch tells every version: a foreign write, of a field or of a field's ownership, is another fingerprint.
Until the watch has told it the object counts as unchanged, and then it is repaired as drift.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import orjson

from fleetloop.kube.apply import Change
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of


@dataclass(frozen=True, slots=True)
class _Applied:
    desired: bytes
    change: Change


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
        if (
            applied is None
            or live is None
            or live.fingerprint != applied.change.fingerprint
            or applied.desired != _digest(desired)
        ):
            return None
        return replace(applied.change, action="unchanged", version=live.version, ownership=live.ownership, dropped=())

    def is_outdated(self, ref: ObjectRef, live: LiveObject) -> bool:
        """Whether somebody wrote to our fields after it was applied and before a watch saw it first."""
        applied = self._applied.get(ref)
        if applied is None or applied.change.version >= live.version or applied.change.fingerprint == live.fingerprint:
            return False
        return bool(live.ownership.writers_since(applied.change.ownership))

    def remember(self, objects: Iterable[Manifest], changes: Sequence[Change]) -> None:
        """`objects`: all that is desired; what else was known is forgotten. What was known of those without a change still holds:
        an apply that failed did not come to them. So one that fails again and again gets further each time."""
        told = {change.ref: change for change in changes}
        before, self._applied = self._applied, {}
        for manifest in objects:
            ref = ref_of(manifest)
            if ref not in told and ref in before:
                self._applied[ref] = before[ref]
            elif ref in told and told[ref].action not in {"skipped", "unknown"}:
                self._applied[ref] = _Applied(_digest(manifest), told[ref])


def _digest(manifest: Manifest) -> bytes:
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
