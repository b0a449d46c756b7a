"""Digests as statuses carry them: `<algorithm>:<hex>`. Blocking: call in a thread for files."""

import hashlib
from pathlib import Path
from typing import Any

ALGORITHMS = ("sha256", "sha384", "sha512", "blake3")
_CHUNK = 1 << 20


class UnsupportedDigest(ValueError):
    """The algorithm is unknown or not offered here, or the digest is malformed."""


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file's content. Raises UnsupportedDigest, OSError."""
    check_algorithm(algorithm)
    digest = new_digest(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def algorithm_of(digest: str) -> str:
    """The algorithm a digest names. Raises UnsupportedDigest."""
    algorithm, _, value = digest.partition(":")
    check_algorithm(algorithm)
    if len(value) != new_digest(algorithm).digest_size * 2 or not set(value) <= set("0123456789abcdef"):
        raise UnsupportedDigest(f"digest '{digest[:200]}' is not a {algorithm} in lower-case hex")
    return algorithm


def new_digest(algorithm: str) -> Any:
    """An object as of hashlib, for an algorithm of ALGORITHMS."""
    if algorithm == "blake3":
        from blake3 import blake3  # only where somebody chose it

        return blake3()
    return hashlib.new(algorithm)


def check_algorithm(algorithm: str) -> None:
    """Raises UnsupportedDigest."""
    if algorithm not in ALGORITHMS:
        raise UnsupportedDigest(f"digest algorithm '{algorithm[:30]}' is not supported, use one of: {', '.join(ALGORITHMS)}")
