"""Which object of ours applied which object of one cluster: a foreign write is told to its owner."""

from dataclasses import dataclass, field

from fleetloop.api.meta import Key
from fleetloop.kube.objects import ObjectRef


@dataclass(slots=True)
class Owned:
    _owner: dict[tuple[str, str, str, str], Key] = field(default_factory=dict)
    _refs: dict[Key, list[ObjectRef]] = field(default_factory=dict)

    def assign(self, key: Key, refs: list[ObjectRef]) -> None:
        self.forget(key)
        self._refs[key] = refs
        self._owner |= {ref.identity: key for ref in refs}

    def forget(self, key: Key) -> None:
        for ref in self._refs.pop(key, ()):
            if self._owner.get(ref.identity) == key:
                del self._owner[ref.identity]

    def refs(self, key: Key) -> list[ObjectRef]:
        """What nobody else has applied since."""
        return [ref for ref in self._refs.get(key, ()) if self.owner(ref) == key]

    def owner(self, ref: ObjectRef) -> Key | None:
        return self._owner.get(ref.identity)

    def kinds(self) -> set[tuple[str, str]]:
        return {(ref.api_version, ref.kind) for refs in self._refs.values() for ref in refs}
