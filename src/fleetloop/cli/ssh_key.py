"""The SSH key of a source, made or given, and the host key of its server: for the verbs that write a Secret with both."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from fleetloop.cli.command import flag
from fleetloop.cli.context import Context
from fleetloop.cli.files import read_file
from fleetloop.cli.goflags import FlagType, choice

if TYPE_CHECKING:
    from fleetloop.git import KeyPair

SCAN_PATIENCE = 30.0


def _rsa_bits(text: str) -> int:
    if not text.isdigit() or int(text) < 1024 or int(text) % 8:
        raise ValueError(f"RSA key bit size must be a multiple of 8 and at least 1024, '{text}' is not")
    return int(text)


RSA_BITS = FlagType("rsaKeyBits", _rsa_bits, 2048)


@dataclass(frozen=True)
class SshKeyFlags:
    """A key that is given, or of which sort one is made."""

    private_key_file: str = flag("--private-key-file", help="a private key for SSH; one is made otherwise")
    ssh_key_algorithm: str = flag(
        "--ssh-key-algorithm",
        type=choice("SSH public key algorithm", "rsa", "ecdsa", "ed25519"),
        default="ecdsa",
        help="of the key that is made",
    )
    ssh_ecdsa_curve: str = flag(
        "--ssh-ecdsa-curve", type=choice("SSH ECDSA curve", "p256", "p384", "p521"), default="p384", help="of an ecdsa key"
    )
    ssh_rsa_bits: int = flag("--ssh-rsa-bits", type=RSA_BITS, help="size of an rsa key")

    def key_pair(self, passphrase: str) -> "KeyPair":
        """Raises InvalidKey, CliError."""
        from fleetloop.git import generate_key, key_pair_of

        if self.private_key_file:
            return key_pair_of(read_file(self.private_key_file), passphrase)
        return generate_key(self.ssh_key_algorithm, self.ssh_rsa_bits, self.ssh_ecdsa_curve)


def scan_known_hosts(cx: Context, parts: SplitResult) -> str:
    """The server's line for known_hosts. Raises GitUnreachable, TimeoutError."""
    return asyncio.run(_scan(parts.hostname or "", parts.port or 22, min(SCAN_PATIENCE, cx.remaining()))).decode()


async def _scan(host: str, port: int, seconds: float) -> bytes:
    from fleetloop.git import scan_host_key

    async with asyncio.timeout(seconds):
        return await scan_host_key(host, port)


def ssh_secret_data(pair: "KeyPair", known_hosts: str, passphrase: str) -> dict[str, str]:
    data = {"identity": pair.identity.decode(), "identity.pub": pair.identity_pub.decode(), "known_hosts": known_hosts}
    return data | ({"password": passphrase} if passphrase else {})
