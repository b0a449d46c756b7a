"""Signing commits: a signature over the commit object's bytes, put into its header where Git looks for it."""

import base64
import hashlib
import textwrap
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from fleetloop.git.errors import InvalidKey
from fleetloop.git.keys import read_private_key

_NAMESPACE = b"git"


class Signer(Protocol):
    """Makes an armored detached signature."""

    def sign(self, payload: bytes) -> str: ...


def signed_commit(header: bytes, message: bytes, signer: Signer | None) -> bytes:
    """A commit object. The signature covers it without the `gpgsig` header, which is also where SSH ones go."""
    raw = header + b"\n" + message
    if signer is None:
        return raw
    lines = signer.sign(raw).strip().split("\n")
    return header + b"gpgsig " + "\n ".join(lines).encode() + b"\n\n" + message


class SshSigner:
    """SSH signatures (openssh's sshsig format), namespace `git`, sha512. Raises InvalidKey for a key it cannot use."""

    def __init__(self, identity: bytes, passphrase: str = "") -> None:
        self._key: Any = read_private_key(identity, passphrase)
        if not isinstance(self._key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise InvalidKey("signing key is of a kind that SSH signatures do not know")

    def sign(self, payload: bytes) -> str:
        form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        public = base64.b64decode(self._key.public_key().public_bytes(*form).split()[1])
        fields = _string(_NAMESPACE) + _string(b"") + _string(b"sha512")
        signature = self._signature(b"SSHSIG" + fields + _string(hashlib.sha512(payload).digest()))
        blob = b"SSHSIG" + (1).to_bytes(4, "big") + _string(public) + fields + _string(signature)
        lines = textwrap.wrap(base64.b64encode(blob).decode(), 70)
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"])

    def _signature(self, data: bytes) -> bytes:
        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return _string(b"ssh-ed25519") + _string(key.sign(data))
        if isinstance(key, rsa.RSAPrivateKey):
            return _string(b"rsa-sha2-512") + _string(key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
        digest, name = _CURVES[key.curve.name]
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return _string(b"ecdsa-sha2-" + name) + _string(_string(_integer(r)) + _string(_integer(s)))


_CURVES: dict[str, tuple[hashes.HashAlgorithm, bytes]] = {
    "secp256r1": (hashes.SHA256(), b"nistp256"),
    "secp384r1": (hashes.SHA384(), b"nistp384"),
    "secp521r1": (hashes.SHA512(), b"nistp521"),
}


class OpenPgpSigner:
    """OpenPGP signatures with one secret key of a ring. Raises InvalidKey; its texts are the contract's (bootstrap.md 6)."""

    def __init__(self, ring: bytes, key_id: str = "", passphrase: str = "") -> None:
        self._signer = _pgp_signer(ring, key_id, passphrase)

    def sign(self, payload: bytes) -> str:
        import pysequoia

        return bytes(pysequoia.sign(self._signer, payload, mode=pysequoia.SignatureMode.DETACHED)).decode()


def _pgp_signer(ring: bytes, key_id: str, passphrase: str) -> Any:
    import pysequoia  # ten megabytes that only signing needs

    wanted = key_id.removeprefix("0x").lower()
    if wanted and len(wanted) != 16:
        raise InvalidKey(f"invalid GPG key id length; expected 16, got {len(wanted)}")
    keys = _keys_of(ring)
    if not keys:
        raise InvalidKey("empty GPG key ring")
    matching = [packets for packets in keys if packets[0].fingerprint.lower().endswith(wanted)]
    if not matching:
        raise InvalidKey(f"no GPG keyring matching key id '{wanted}' found")
    if matching[0][0].tag != pysequoia.packet.Tag.SecretKey:
        raise InvalidKey(_no_secret(wanted))
    try:
        return pysequoia.Tsk.from_packets(matching[0]).signer(passphrase or None)
    except (ValueError, RuntimeError) as error:
        raise InvalidKey(f"unable to decrypt GPG private key: {_first_line(error)}") from None


def _keys_of(ring: bytes) -> list[list[Any]]:
    """The packets of each key, its primary key first. Raises InvalidKey."""
    from pysequoia.packet import PacketPile, Tag

    keys: list[list[Any]] = []
    try:
        for packet in PacketPile.from_bytes(ring) if ring else ():
            if packet.tag in (Tag.SecretKey, Tag.PublicKey):
                keys.append([])
            keys[-1].append(packet)
    except (ValueError, RuntimeError, IndexError) as error:
        raise InvalidKey(f"unable to read GPG key ring: {_first_line(error)}") from None
    return keys


def _no_secret(wanted: str) -> str:
    if wanted:
        return f"keyring does not contain private key for key id '{wanted}'"
    advice = "export the secret key with 'gpg --export-secret-keys' or specify --gpg-key-id"
    return f"keyring does not contain a private key; {advice}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # a stack of the library's follows


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")
