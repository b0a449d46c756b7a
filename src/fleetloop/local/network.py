"""Loopback networks: a /24 of 127.0.0.0/8 for each cluster and one for the shared services, so that nobody meets on a port.

Linux answers on every address of 127.0.0.0/8 without any set-up; other systems do not, and are not served.
"""

import contextlib
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

FIRST_SECOND_BYTE = 16  # 127.0.0.0 to 127.15.255.255 stay free for everything else that people run
CANDIDATES = 1000
API_PORT = 6443
KUBELET_PORT = 10250
FORGE_PORT = 3443
FORGE_SSH_PORT = 3022
REGISTRY_PORT = 5000
CHAT_PORT = 3080


class NoFreeNetwork(Exception):
    """Every candidate is in use: something is very wrong with this machine's loopback device."""


@dataclass(frozen=True, slots=True)
class Network:
    """127.x.y.0/24. The first address is the server's, the rest are for pods."""

    prefix: IPv4Network

    @property
    def server(self) -> str:
        return str(self.prefix[1])

    def pod_addresses(self) -> list[str]:
        return [str(self.prefix[number]) for number in range(2, 255)]

    @classmethod
    def remembered(cls, path: Path, seed: str) -> "Network":
        """The network written in `path`; the first time, a free one is found and written. Raises NoFreeNetwork."""
        if path.exists():
            return cls(IPv4Network(path.read_text().strip()))
        network = next((n for n in candidates(seed) if n.is_free()), None)
        if network is None:
            raise NoFreeNetwork(f"no free loopback network among {CANDIDATES} for {seed}")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(f"{network.prefix}\n")
        return network

    def is_free(self) -> bool:
        """Nobody listens on the ports we would use."""
        return all(map(self._is_port_free, (API_PORT, KUBELET_PORT, FORGE_PORT, FORGE_SSH_PORT, REGISTRY_PORT, CHAT_PORT)))

    def _is_port_free(self, port: int) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.server, port))
            except OSError:
                return False
            return True


def candidates(seed: str) -> Iterator[Network]:
    """Networks in an order that depends on `seed` alone; different seeds rarely meet (one in 61440)."""
    for attempt in range(CANDIDATES):
        digest = hashlib.sha256(f"{seed}\0{attempt}".encode()).digest()
        second = FIRST_SECOND_BYTE + int.from_bytes(digest[:2]) % (256 - FIRST_SECOND_BYTE)
        yield Network(IPv4Network((int(IPv4Address(f"127.{second}.{digest[2]}.0")), 24)))
