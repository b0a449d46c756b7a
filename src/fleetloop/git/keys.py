"""SSH key pairs: made for deploy keys, read whatever format they come in. Also the host key of a server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fleetloop.git.errors import GitUnreachable, InvalidKey

_CURVES: dict[str, type[ec.EllipticCurve]] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\]")
_HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`identity`: PKCS#8 PEM. `identity_pub`: one authorized_keys line with its newline."""

    identity: bytes = field(repr=False)
    identity_pub: bytes


def generate_key(algorithm: str, rsa_bits: int = 2048, ecdsa_curve: str = "p384") -> KeyPair:
    """`algorithm`: rsa, ecdsa or ed25519. Raises InvalidKey for a size or curve nobody uses."""
    private: Any
    match algorithm:
        case "ed25519":
            private = ed25519.Ed25519PrivateKey.generate()
        case "ecdsa" if curve := _CURVES.get(ecdsa_curve):
            private = ec.generate_private_key(curve())
        case "rsa" if 1024 <= rsa_bits <= 16384 and rsa_bits % 8 == 0:
            private = rsa.generate_private_key(65537, rsa_bits)
        case _:
            raise InvalidKey(f"cannot make a key: algorithm '{algorithm}' with this size or curve is not supported")
    return KeyPair(private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()), _public_line(private))


def key_pair_of(identity: bytes, passphrase: str = "") -> KeyPair:
    """A key pair from a private key of the user's; `identity` stays as given. Raises InvalidKey."""
    return KeyPair(identity, _public_line(read_private_key(identity, passphrase)))


def read_private_key(identity: bytes, passphrase: str = "") -> Any:
    """PEM (PKCS#1, PKCS#8, SEC1) or OpenSSH. A passphrase for a key without one is ignored. Raises InvalidKey."""
    encrypted = "identity is encrypted, a correct passphrase ('password') is needed"
    load = pem.load_ssh_private_key if b"OPENSSH PRIVATE KEY" in identity else pem.load_pem_private_key
    for password in (None, passphrase.encode()) if passphrase else (None,):
        try:
            return load(identity, password)
        except TypeError:  # cryptography's word for: there is a passphrase
            continue
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey(encrypted if password else "identity is not a private key we can read") from None
    raise InvalidKey(encrypted)


def openssh_form(identity: bytes, passphrase: str) -> bytes:
    """The key without passphrase in the one format every OpenSSH reads. Raises InvalidKey."""
    private = read_private_key(identity, passphrase)
    plain: bytes = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.OpenSSH, pem.NoEncryption())
    return plain


async def scan_host_key(host: str, port: int = 22, algorithms: Sequence[str] = _HOST_KEY_TYPES) -> bytes:
    """A known_hosts line with the first-choice key of the server, `[host]:port` when not 22.

    Trust on first use: only for someone who will look at the fingerprint. Raises GitUnreachable.
    """
    import asyncssh  # half a second of imports that only this needs

    if not _HOST.fullmatch(host):
        raise GitUnreachable("scanning the host key failed: the host name is malformed")
    host = host.strip("[]")
    try:
        key = await asyncssh.get_server_host_key(host, port, server_host_key_algs=list(algorithms), config=())
    except (OSError, asyncssh.Error) as error:
        raise GitUnreachable(f"scanning the host key of {host} failed: {error}") from None
    if key is None:
        raise GitUnreachable(f"scanning the host key of {host} failed: the server showed none")
    name = host if port == 22 else f"[{host}]:{port}"
    kind, encoded = key.export_public_key("openssh").split()[:2]
    return b" ".join([name.encode(), kind, encoded])


def _public_line(private: Any) -> bytes:
    line: bytes = private.public_key().public_bytes(pem.Encoding.OpenSSH, pem.PublicFormat.OpenSSH)
    return line + b"\n"
