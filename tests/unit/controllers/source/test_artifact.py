"""What a status says of an artifact is its tenant's word: it leads to the object's own files alone."""

from pathlib import Path

import msgspec
import pytest

from fleetloop.api.meta import Artifact, Key
from fleetloop.api.source import GitRepository
from fleetloop.controllers.source.artifact import Retention, Storage
from fleetloop.controllers.source.failures import StorageOperationFailed
from fleetloop.runtime.controller import Report
from fleetloop.storage.store import ArtifactStore

VICTIM = "gitrepository/flux-system/flux-system/abc.tar.gz"
FORGED = [
    VICTIM,
    "gitrepository/flux-system/flux-system/latest.tar.gz",
    f"gitrepository/tenant/b/../../../{VICTIM}",
    "/etc/hostname",
]


class Told(Report):
    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, type: str, reason: str, message: str, metadata: object = None) -> None:
        self.events.append(f"{type} {reason} {message}")


def repository(path: str) -> tuple[GitRepository, Artifact]:
    artifact = {
        "path": path,
        "digest": f"sha256:{'0' * 64}",
        "url": f"http://source/{path}",
        "revision": "main@sha1:1",
        "lastUpdateTime": "2024-01-01T00:00:00Z",
    }
    manifest = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "b", "namespace": "tenant"},
        "spec": {"interval": "1h", "url": "https://x/y"},
        "status": {"artifact": artifact},
    }
    repo = msgspec.convert(manifest, GitRepository)
    assert repo.status.artifact
    return repo, repo.status.artifact


@pytest.mark.parametrize("path", FORGED)
async def test_a_status_leads_to_no_other_ones_file(path: str, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.link(store.write(VICTIM, lambda file: file.write(b"victim")).path)
    storage, told = Storage(store, "http://source", Retention(60, 2)), Told()
    repo, artifact = repository(path)
    assert not storage.has(repo, artifact)
    with pytest.raises(StorageOperationFailed, match="is no artifact of GitRepository 'tenant/b'"):
        storage.file_of(Key("GitRepository", "tenant", "b"), artifact)
    assert await storage.check(repo, artifact, told) is None
    assert told.events and "is no artifact of GitRepository 'tenant/b'" in told.events[-1]
    assert (tmp_path / VICTIM).read_bytes() == b"victim"
