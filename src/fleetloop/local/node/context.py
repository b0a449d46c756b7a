"""What every part of a node shares."""

import datetime
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetloop.kube import Kube
from fleetloop.local.node.placement import NodeFacts
from fleetloop.local.node.pod_status import timestamp

# (component, its arguments) -> the command that is it
CommandBuilder = Callable[[str, Sequence[str]], Sequence[str]]


class AddressPool:
    """Loopback addresses for pods, the one longest unused first."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._free = deque(addresses)

    def take(self) -> str:
        """Raises RuntimeError when every address is taken: more than 250 processes of ours in one cluster."""
        if not self._free:
            raise RuntimeError("no loopback address is left for another pod")
        return self._free.popleft()

    def give_back(self, address: str) -> None:
        self._free.append(address)


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True)
class NodeContext:
    """`server`: host and port that pods reach the API server at. `folder`: one subfolder a pod; `claims`: one a claim."""

    kube: Kube
    facts: NodeFacts
    address: str
    server: tuple[str, int]
    folder: Path
    claims: Path
    service_map: Path
    pool: AddressPool
    command: CommandBuilder
    search_path: str
    clock: Callable[[], datetime.datetime] = field(default=_utc_now)

    def now(self) -> str:
        return timestamp(self.clock())

    def pod_folder(self, namespace: str, name: str, uid: str) -> Path:
        return self.folder / f"{namespace}_{name}_{uid}"
