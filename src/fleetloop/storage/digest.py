"""Digests as statuses carry them: `<algorithm>:<hex>`. Blocking: call in a thread for files."""

import hashlib
from pathlib import Path

ALGORITHMS = ("sha256", "sha384", "sha512")


class UnsupportedDigest(ValueError):
    """The algorithm is unknown or not offered here, or the digest is malformed."""


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file's content. Raises UnsupportedDigest, OSError."""
    check_algorithm(algorithm)
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def algorithm_of(digest: str) -> str:
    """The algorithm a digest names. Raises UnsupportedDigest."""
    algorithm, _, value = digest.partition(":")
    check_algorithm(algorithm)
    if len(value) != hashlib.new(algorithm).digest_size * 2 or not set(value) <= set("0123456789abcdef"):
        raise UnsupportedDigest(f"digest '{digest[:200]}' is not a {algorithm} in lower-case hex")
    return algorithm


def check_algorithm(algorithm: str) -> None:
    """Raises UnsupportedDigest."""
    if algorithm not in ALGORITHMS:
        raise UnsupportedDigest(f"digest algorithm '{algorithm[:30]}' is not supported, use one of: {', '.join(ALGORITHMS)}")
