"""`spec.include`: other GitRepositories' artifacts inside this one's tree. Flux: source-kustomize.md 3.1.

Included repositories are of the same namespace and are not watched: their changes arrive with the next pass.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fleetloop.api import reasons
from fleetloop.api.meta import Artifact
from fleetloop.api.source import GitInclude, GitRepository
from fleetloop.controllers.source.failures import IncludeUnavailable, StorageOperationFailed
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.decode import decoded
from fleetloop.storage.tarball import MOST_LEVELS, UnsafeArchive, unpack


async def included_artifacts(repo: GitRepository, kube: Kube, requeue: float) -> tuple[Artifact, ...]:
    """One for each include, in order. Raises IncludeUnavailable, to be tried again after `requeue` seconds, and what says
    nothing about the include, ServerFailed and Unreachable."""
    found = []
    for include in repo.spec.include:
        name = include.repository.name
        try:
            manifest = await kube.get(ObjectRef(repo.api_version, repo.kind, repo.namespace, name))
        except ServerFailed:
            raise
        except ApiError as error:
            message = f"could not get resource for include '{name}': {error}"
            raise IncludeUnavailable(reasons.NOT_FOUND, message, after=requeue) from error
        artifact = decoded(GitRepository, manifest).status.artifact
        if artifact is None:
            message = f"no artifact available for include '{name}'"
            raise IncludeUnavailable(reasons.NO_ARTIFACT, message, after=requeue)
        found.append(artifact)
    return tuple(found)


def copy_includes(includes: Sequence[GitInclude], archives: Sequence[Path], tree: Path) -> None:
    """Puts each include where it belongs. Blocking. Raises StorageOperationFailed."""
    for include, archive in zip(includes, archives, strict=True):
        try:
            with tempfile.TemporaryDirectory(prefix="include-", dir=tree.parent) as folder:
                unpack(archive, Path(folder))
                _move(_inside(Path(folder), include.from_path), _inside(tree, include.to_path or include.repository.name))
        except (OSError, UnsafeArchive) as error:
            name, source, target = include.repository.name, include.from_path or ".", include.to_path
            message = f"failed to copy '{name}' include from {source} to {target}: {error}"
            raise StorageOperationFailed(reasons.COPY_FAILURE, message) from error


def _move(source: Path, target: Path) -> None:
    """Only onto a place that is free or an empty directory."""
    if not source.is_dir():
        raise OSError("the directory does not exist in the included repository")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    shutil.move(source, target)


def _inside(root: Path, path: str) -> Path:
    """Also when the tree has links that lead out of it. Raises StorageOperationFailed."""
    target = (root / path.lstrip("/")).resolve()
    if not target.is_relative_to(root.resolve()):
        raise StorageOperationFailed(reasons.ILLEGAL_PATH, f"path '{path[:200]}' leads out of the repository")
    if len(target.relative_to(root.resolve()).parts) > MOST_LEVELS:
        raise StorageOperationFailed(reasons.ILLEGAL_PATH, f"path '{path[:200]}' has more than {MOST_LEVELS} levels")
    return target
