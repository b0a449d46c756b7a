"""Whether a commit or tag was signed by one of the keys given. OpenPGP and SSH; nothing is asked of any key server.

Flux: source-kustomize.md 3.3.
"""

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from fleetloop.git.errors import GitError

Keys = Mapping[str, bytes]
_KINDS = (("-----BEGIN PGP ", "openpgp"), ("-----BEGIN SSH SIGNATURE", "ssh"), ("-----BEGIN SIGNED MESSAGE", "x509"))
_HEADER = re.compile(rb"^gpgsig(?:-sha256)? (.*(?:\n .*)*)\n", re.M)
_TAIL = re.compile(rb"^-----BEGIN (?:PGP|SSH) (?:SIGNATURE|MESSAGE)-----", re.M)
_RSA_HASHES: dict[bytes, hashes.HashAlgorithm] = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class NotSigned(GitError):
    """There is no signature, or one of a kind that is not verified here."""


class BadSignature(GitError):
    """None of the keys made the signature over these bytes."""


def verify_commit(raw: bytes, keys: Keys) -> str:
    """The key that signed a commit object: upper-case PGP key id or SSH fingerprint. Raises NotSigned, BadSignature."""
    header, separator, message = raw.partition(b"\n\n")
    found = list(_HEADER.finditer(header + b"\n"))
    if len(found) > 1:
        raise BadSignature("the commit has more than one signature")
    if not found:
        return _verify(raw, b"", keys)
    start, end = found[0].span()
    plain = (header + b"\n")[:start] + (header + b"\n")[end:]
    return _verify(plain.removesuffix(b"\n") + separator + message, found[0][1].replace(b"\n ", b"\n"), keys)


def verify_tag(raw: bytes, keys: Keys) -> str:
    """The same for an annotated tag, whose signature ends it."""
    found = list(_TAIL.finditer(raw))
    start = found[-1].start() if found else len(raw)
    return _verify(raw[:start], raw[start:], keys)


def is_signed_tag(raw: bytes) -> bool:
    """False also for no tag object at all."""
    return bool(_TAIL.search(raw))


def _verify(payload: bytes, signature: bytes, keys: Keys) -> str:
    """`*.sshpub` are SSH authorized keys; every other key is tried as a PGP key ring."""
    text = signature.decode(errors="replace").strip()
    kind = next((kind for start, kind in _KINDS if text.startswith(start)), "unknown" if text else "empty")
    if kind == "openpgp":
        return _verify_openpgp(payload, signature, [ring for name, ring in keys.items() if not name.endswith(".sshpub")])
    if kind == "ssh":
        return _verify_ssh(payload, text, [lines for name, lines in keys.items() if name.endswith(".sshpub")])
    raise NotSigned(f"unsupported signature type: {kind}")


def _verify_openpgp(payload: bytes, signature: bytes, rings: list[bytes]) -> str:
    import pysequoia  # ten megabytes that only signatures need

    try:
        found = pysequoia.Sig.from_bytes(signature)
    except (ValueError, RuntimeError):
        raise BadSignature("the signature cannot be read") from None
    for ring in rings:
        try:
            certificates = pysequoia.Cert.split_bytes(ring)
            verified = pysequoia.verify(bytes=payload, store=lambda _, known=certificates: known, signature=found)
        except (ValueError, RuntimeError):
            continue  # no key ring, or not of this key
        if verified.valid_sigs:
            return str(verified.valid_sigs[0].certificate)[-16:].upper()
    raise BadSignature("unable to verify payload with any of the given key rings")


def _verify_ssh(payload: bytes, armored: str, files: list[bytes]) -> str:
    refused = BadSignature("unable to verify payload with any of the given authorized keys")
    try:
        public, signed, algorithm, signature = _read_sshsig(armored, payload)
        if public not in {key for lines in files for key in _authorized(lines)}:
            raise refused
        key = serialization.load_ssh_public_key(b"%s %s" % (_string(public)[0], base64.b64encode(public)))
        _check(key, algorithm, signature, signed)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise refused from None
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def _read_sshsig(armored: str, payload: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Public key, the bytes that were signed, the algorithm, the signature. Raises ValueError."""
    blob = base64.b64decode("".join(line for line in armored.splitlines() if not line.startswith("-----")))
    if blob[:10] != b"SSHSIG\0\0\0\1":
        raise ValueError("not an SSH signature")
    public, rest = _string(blob[10:])
    namespace, rest = _string(rest)
    reserved, rest = _string(rest)
    digest, rest = _string(rest)
    signature, _ = _string(rest)
    if namespace != b"git" or digest not in {b"sha256", b"sha512"}:
        raise ValueError("signed for something else")
    hashed = hashlib.new(digest.decode(), payload).digest()
    signed = b"SSHSIG" + b"".join(len(part).to_bytes(4, "big") + part for part in (namespace, reserved, digest, hashed))
    algorithm, rest = _string(signature)
    return public, signed, algorithm, _string(rest)[0]


def _check(key: Any, algorithm: bytes, signature: bytes, signed: bytes) -> None:
    """Raises InvalidSignature, ValueError."""
    if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == b"ssh-ed25519":
        key.verify(signature, signed)
    elif isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA_HASHES:
        key.verify(signature, signed, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm.startswith(b"ecdsa-sha2-"):
        r, rest = _string(signature)
        numbers = (int.from_bytes(part, "big") for part in (r, _string(rest)[0]))
        key.verify(utils.encode_dss_signature(*numbers), signed, ec.ECDSA(_CURVE_HASHES[key.curve.name]))
    else:
        raise ValueError("key and signature do not fit")


def _authorized(lines: bytes) -> set[bytes]:
    """The keys of an authorized_keys file, options and comments left out."""
    found = set()
    for line in lines.splitlines():
        if line.lstrip().startswith(b"#"):
            continue
        for kind, encoded in itertools.pairwise(line.split()):
            try:
                blob = base64.b64decode(encoded, validate=True)
                if _string(blob)[0] == kind:
                    found.add(blob)
            except (binascii.Error, ValueError):
                continue
    return found


def _string(data: bytes) -> tuple[bytes, bytes]:
    """A length-prefixed string and the rest. Raises ValueError."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        raise ValueError("too short")
    return data[4 : 4 + size], data[4 + size :]
