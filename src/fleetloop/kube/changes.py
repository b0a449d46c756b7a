"""What an apply is told, and what it did to each object."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import Manifest, ObjectRef, fingerprint_of, version_of
from fleetloop.kube.ownership import NOBODYS, Ownership, ownership_of
from fleetloop.kube.pointers import Pointer

Action = Literal["created", "configured", "unchanged", "skipped", "unknown"]  # unknown: the server failed, perhaps afterwards


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object; `version` is its resourceVersion afterwards, 0 when it was skipped unseen; `fingerprint`: see
    objects.fingerprint_of. `ignored`: its places that others may change; `dropped`: its fields that the API does not have;
    `ownership`: whose fields it had then."""

    ref: ObjectRef
    action: Action
    version: int = 0
    fingerprint: bytes = b""
    ignored: tuple[Pointer, ...] = ()
    dropped: tuple[str, ...] = ()
    ownership: Ownership = field(default=NOBODYS, compare=False)

    def __str__(self) -> str:
        return f"{self.ref} {self.action}"


@dataclass(slots=True)
class ChangeSet:
    changes: list[Change] = field(default_factory=list)

    @property
    def refs(self) -> list[ObjectRef]:
        return [change.ref for change in self.changes]

    @property
    def reached(self) -> list[Change]:
        """All but those skipped unseen: who says of an object that it be left alone need not have any right to it."""
        return [change for change in self.changes if change.action != "skipped" or change.version]

    def lines(self) -> list[str]:
        """What a user wants to read: created and configured objects."""
        return [str(change) for change in self.changes if change.action in {"created", "configured"}]

    def by_object(self) -> dict[str, str]:
        """For the log: object -> action."""
        return {str(change.ref): change.action for change in self.changes}

    def by_action(self) -> dict[str, list[str]]:
        """The same, grouped (gate GroupChangeLog)."""
        found: dict[str, list[str]] = {}
        for change in self.changes:
            found.setdefault(change.action, []).append(str(change.ref))
        return found


AsItWas = Callable[[Manifest], Change | None]


def nothing_is_known(_: Manifest) -> None:
    """Every object is asked for."""


def nothing_is_ignored(_: Manifest) -> tuple[Pointer, ...]:
    return ()


def no_file_is_known(_: Manifest) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """`manager` owns the fields; `concurrency` bounds dry runs; `force` deletes and recreates what cannot be changed in place.
    `taken_over`, `migrates`: see managers.Takeover.

    `as_it_was` knows the objects that need no request, since they are as they were last applied (`last_applied`). `ignored_in`
    gives the places of an object that others may change, `file_of` the file that it comes from. `patience`: seconds for the
    deletion of an object that is to be recreated.
    """

    manager: str
    concurrency: int = 4
    force: bool = False
    custom_stage_kinds: frozenset[tuple[str, str]] = frozenset()
    taken_over: tuple[str, ...] = ()
    as_it_was: AsItWas = nothing_is_known
    migrates: bool = False
    ignored_in: Callable[[Manifest], tuple[Pointer, ...]] = nothing_is_ignored
    file_of: Callable[[Manifest], str] = no_file_is_known
    patience: float = 60.0

    @property
    def takeover(self) -> Takeover:
        return Takeover(self.manager, self.taken_over, self.migrates)


def change_of(
    ref: ObjectRef,
    action: Action,
    live: Manifest | None,
    ignored: tuple[Pointer, ...] = (),
    dropped: tuple[str, ...] = (),
    takeover: Takeover | None = None,
) -> Change:
    if live is None:
        return Change(ref, action, ignored=ignored, dropped=dropped)
    ownership = ownership_of(live, takeover.manager, takeover.extra, ignored) if takeover else NOBODYS
    return Change(ref, action, version_of(live), fingerprint_of(live, ignored), ignored, dropped, ownership)
