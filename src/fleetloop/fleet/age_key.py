"""age key pairs (C2SP age, X25519 recipients): the identity opens what SOPS sealed for the recipient. No encryption here."""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # Bech32, BIP 173
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


@dataclass(frozen=True, slots=True)
class AgeKey:
    """`identity` (AGE-SECRET-KEY-1…) is the secret half and stays out of the repr; `recipient` (age1…) is public."""

    recipient: str
    identity: str

    def __repr__(self) -> str:
        return f"AgeKey(recipient={self.recipient!r})"


def new_age_key() -> AgeKey:
    """A fresh pair from the system's randomness."""
    return age_key_of(secrets.token_bytes(32))


def age_key_of(scalar: bytes) -> AgeKey:
    """The pair whose identity is these 32 bytes."""
    public = X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()
    return AgeKey(bech32("age", public), bech32("age-secret-key-", scalar).upper())


def bech32(prefix: str, data: bytes) -> str:
    """`data` in groups of five bits, with a checksum. Source: BIP 173; age lifts its limit of 90 characters."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix)]
    checksum = polymod([*expanded, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(checksum >> 5 * (5 - at)) & 31 for at in range(6)]
    return f"{prefix}1" + "".join(CHARACTERS[value] for value in values)


def polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for at, generator in enumerate(GENERATOR):
            check ^= generator if (top >> at) & 1 else 0
    return check
