"""The `flux-system` directory in a work tree: what is there, and what belongs into its kustomization.yaml.

Reads files of the clone; blocking, call it in a thread. Building the overlay is the engine's work.
"""

from collections.abc import Iterator
from pathlib import Path

from fleetloop.api import yaml
from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.files import KUSTOMIZATION_SPELLINGS

MANIFEST_SUFFIXES = (".yaml", ".yml")


def directory_in(tree: Path, path: str, namespace: str) -> Path:
    """`<path>/<namespace>` inside the clone. Raises StepFailed when links lead out of it."""
    directory = tree / path / namespace
    if not directory.resolve().is_relative_to(tree.resolve()):
        raise StepFailed(f'path "{path}" leaves the repository through a symbolic link')
    return directory


def find_kustomization(directory: Path) -> Path | None:
    """The team's own overlay file, in any spelling kustomize knows (⚠ 31: a second one would break every build)."""
    for spelling in KUSTOMIZATION_SPELLINGS:
        found = directory / spelling
        if found.is_symlink() or found.is_dir():
            raise StepFailed(f'expected "{found.name}" to be a file')
        if found.is_file():
            return found
    return None


def resources_below(directory: Path) -> list[str]:
    """Every manifest below, relative; a sub-directory with an overlay of its own counts as one resource. Sorted."""
    return sorted(_resources(directory, directory))


def _resources(directory: Path, root: Path) -> Iterator[str]:
    for entry in directory.iterdir():
        if entry.is_symlink():
            continue
        if entry.is_dir():
            if any((entry / spelling).is_file() for spelling in KUSTOMIZATION_SPELLINGS):
                yield str(entry.relative_to(root))
            else:
                yield from _resources(entry, root)
        elif entry.suffix in MANIFEST_SUFFIXES and _is_manifest(entry):
            yield str(entry.relative_to(root))


def _is_manifest(file: Path) -> bool:
    try:
        documents = [document for document in yaml.load_all(file.read_bytes()) if document]
    except yaml.InvalidYAML:
        return False
    return bool(documents) and all(isinstance(d, dict) and d.get("apiVersion") and d.get("kind") for d in documents)
