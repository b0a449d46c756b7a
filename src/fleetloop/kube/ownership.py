"""Whose fields they are, as managedFields tell: what of an object is ours, and who else wrote to it. Pure.

A foreign write that changes a field of ours takes the field out of our entry, without moving our entry's time. What others add
beside our fields takes nothing: it is no drift, since an apply would not remove it either.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from fleetloop.kube.managers import is_taken
from fleetloop.kube.objects import Manifest, managers_of
from fleetloop.kube.pointers import Pointer, field_names, left_of

SHOWN = 5  # fields of one writer


@dataclass(frozen=True, slots=True)
class Ownership:
    """`ours`: a digest of the fields of our entry, `held`: how many, `since`: its time; empty without one.

    `others`: who else wrote more than status, as `manager@time`, and which fields (at most SHOWN). `taken`: those of them whose
    fields the next apply takes over.
    """

    ours: bytes = b""
    held: int = 0
    since: str = ""
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()

    def writers_since(self, older: "Ownership") -> dict[str, tuple[str, ...]]:
        """Who took a field of ours, or wrote what the next apply takes over: manager -> fields. Empty: nobody did.

        Times are whole seconds, so our own entry may have changed within the second of its time; but nobody else can make it
        larger. A writer that left no trace (it emptied managedFields, or wrote twice within a second) has no name.
        """
        new = {writer: fields for writer, fields in self.others.items() if writer not in older.others}
        taken = self.taken - older.taken
        if self.ours != older.ours and self.held < older.held and self.since in {"", older.since}:
            found = new or {"": ()}
        else:
            found = {writer: fields for writer, fields in new.items() if writer in taken}
        return {writer.rpartition("@")[0]: fields for writer, fields in found.items()}


NOBODYS = Ownership()


def ownership_of(manifest: Manifest, manager: str, extra: tuple[str, ...] = (), ignored: Sequence[Pointer] = ()) -> Ownership:
    """`manager` is our own; `extra`: further managers that are taken over; `ignored`: places that others may change."""
    ours, held, since, others, taken = b"", 0, "", {}, set()
    for entry in managers_of(manifest, ignored):
        fields = left_of(entry, manifest, ignored)
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            ours = hashlib.blake2b(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
            held, since = _count(fields), str(entry.get("time"))
            continue
        writer = f"{entry.get('manager')}@{entry.get('time')}"
        others[writer] = tuple(field_names(fields)[:SHOWN])
        if is_taken(entry, manager, extra, manifest, ignored):
            taken.add(writer)
    return Ownership(ours, held, since, others, frozenset(taken))


def _count(fields: Mapping[str, Any]) -> int:
    return sum(1 + _count(inner) for inner in fields.values())
