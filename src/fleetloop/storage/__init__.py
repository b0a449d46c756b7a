"""Artifacts: archives and ignore rules, the store, its HTTP server, and the verifying reader."""

from fleetloop.storage.digest import ALGORITHMS, UnsupportedDigest, digest_of
from fleetloop.storage.ignore import IgnoreRules, SourceIgnoreError, bucket_rules, read_rules
from fleetloop.storage.reader import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactReader,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ReaderSettings,
)
from fleetloop.storage.server import artifact_server
from fleetloop.storage.store import ArtifactStore, DigestMismatch, NotStored, Stored, UnsafePath, garbage
from fleetloop.storage.tarball import Limits, UnsafeArchive, unpack, write_tarball

__all__ = [
    "ALGORITHMS",
    "ArtifactCorrupt",
    "ArtifactMissing",
    "ArtifactReader",
    "ArtifactStore",
    "ArtifactTooLarge",
    "ArtifactUnreachable",
    "DigestMismatch",
    "IgnoreRules",
    "Limits",
    "NotStored",
    "ReaderSettings",
    "SourceIgnoreError",
    "Stored",
    "UnsafeArchive",
    "UnsafePath",
    "UnsupportedDigest",
    "artifact_server",
    "bucket_rules",
    "digest_of",
    "garbage",
    "read_rules",
    "unpack",
    "write_tarball",
]
