"""What is kept of a live object: enough to know whether it is healthy, as it was applied, and whose. How it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

from fleetloop.kube.kstatus import Health, health_of
from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import Identity, Manifest, ObjectRef, fingerprint_of, ref_of, version_of
from fleetloop.kube.ownership import NOBODYS, Ownership, ownership_of
from fleetloop.kube.pointers import Pointer
from fleetloop.kube.switches import is_left_alone


@dataclass(frozen=True, slots=True)
class LiveObject:
    """A seen version: its health, what it is but for status and ignored places (`objects.fingerprint_of`), whose fields they are,
    and whether it asks not to be repaired at once. `content`: the object as JSON, when it is kept whole."""

    namespace: str
    name: str
    version: int
    generation: int
    health: Health
    ownership: Ownership = NOBODYS
    fingerprint: bytes = b""
    left_alone: bool = False
    content: bytes = field(default=b"", repr=False)


class Reading:
    """How one cluster's objects are read: `takeover` tells whose fields are ours, `ignore` which places count for nothing."""

    def __init__(self, takeover: Takeover) -> None:
        self._takeover = takeover
        self._ignored: dict[Identity, tuple[Pointer, ...]] = {}

    def ignore(self, places: Mapping[ObjectRef, tuple[Pointer, ...]]) -> set[tuple[str, str]]:
        """From now on. Gives the kinds (api_version, kind) whose objects were read otherwise until now."""
        changed = [ref for ref, pointers in places.items() if self._ignored.get(ref.identity, ()) != pointers]
        for ref in changed:
            self._ignored.pop(ref.identity, None)
            if places[ref]:
                self._ignored[ref.identity] = places[ref]
        return {(ref.api_version, ref.kind) for ref in changed}

    def plain(self, manifest: Manifest) -> LiveObject:
        metadata = manifest["metadata"]
        ignored = self._ignored.get(ref_of(manifest).identity, ()) if self._ignored else ()
        return LiveObject(
            namespace=metadata.get("namespace") or "",
            name=metadata["name"],
            version=version_of(manifest),
            generation=int(metadata.get("generation") or 0),
            health=health_of(manifest),
            ownership=ownership_of(manifest, self._takeover.manager, self._takeover.extra, ignored),
            fingerprint=fingerprint_of(manifest, ignored),
            left_alone=is_left_alone(manifest),
        )

    def whole(self, manifest: Manifest) -> LiveObject:
        return replace(self.plain(manifest), content=orjson.dumps(manifest))
