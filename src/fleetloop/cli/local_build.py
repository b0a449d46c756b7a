"""Builds Kustomizations from directories of this machine, as the controller would from their sources. Applies nothing.

Nothing is written into those directories: the build happens in the engine's memory.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetloop.api.names import KUSTOMIZE_GROUP
from fleetloop.cli.columns import at, reference
from fleetloop.cli.command import flag
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import STRING_MAP, quoted
from fleetloop.cli.sops_mask import masked
from fleetloop.cli.subjects import BY_NAME
from fleetloop.cli.variables import read_variables
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, group_of, ref_of

if TYPE_CHECKING:
    from fleetloop.engine import Engines
    from fleetloop.kube import Kube


@dataclass(frozen=True)
class BuildFlags:
    """The flags that `build` and `diff` share."""

    path: str = flag("--path", help="the directory to build, that of the Kustomization's spec.path")
    kustomization_file: str = flag(
        "--kustomization-file", help="a file with the Kustomization, used instead of the live one's spec"
    )
    ignore_paths: tuple[str, ...] = flag("--ignore-paths", help="files to leave out, in .gitignore form")
    strict_substitute: bool = flag("--strict-substitute", help="fail on variables without a value")
    recursive: bool = flag("--recursive", "-r", help="Kustomizations among the objects too")
    local_sources: tuple[tuple[str, str], ...] = flag(
        "--local-sources", type=STRING_MAP, help="directories of sources, as in Kind/namespace/name=dir; for --recursive"
    )
    in_memory_build: bool = flag("--in-memory-build", help="accepted for compatibility; builds never write into the directory")

    @property
    def directory(self) -> Path:
        return Path(self.path).absolute()

    def check_path(self, code: int = 1) -> None:
        """Raises UsageError with that exit code."""
        if not self.path:
            raise UsageError('invalid resource path ""', code)
        if not self.directory.is_dir():
            raise UsageError(f"invalid resource path {quoted(str(self.directory))}", code)

    def check_file(self) -> None:
        """Raises UsageError."""
        if self.kustomization_file and not Path(self.kustomization_file).is_file():
            raise UsageError(f"invalid kustomization file {quoted(self.kustomization_file)}")


@dataclass(frozen=True, slots=True)
class Built:
    """A Kustomization and its objects."""

    kustomization: Manifest
    objects: list[Manifest]


@dataclass(frozen=True)
class LocalBuild:
    """`kube` is None where no cluster shall be asked: variables of substituteFrom are then left out."""

    flags: BuildFlags
    engines: "Engines"
    kube: "Kube | None"
    timeout: float

    async def build(self, kustomization: Manifest, directory: Path) -> Built:
        """Raises BuildError, CliError."""
        from fleetloop.build import BuildRequest, build_objects, label_objects, settings_of

        spec, ref = kustomization["spec"], ref_of(kustomization)
        with _tree_for(directory, self.flags.ignore_paths) as (root, path):
            request = BuildRequest(
                path=path,
                settings=settings_of(spec),
                variables=await read_variables(kustomization, self.kube),
                substitute_always=at(spec, "postBuild", "substituteStrategy") == "Always",
                strict=self.flags.strict_substitute,
                for_show=True,
                timeout=self.timeout,
            )
            objects = await build_objects(root, request, self.engines)
        common = spec.get("commonMetadata") or {}
        labelled = label_objects(objects, ref.name, ref.namespace, common.get("labels"), common.get("annotations"))
        return Built(kustomization, [masked(manifest) for manifest in labelled])

    async def nested(self, built: Built, above: frozenset[ObjectRef]) -> AsyncIterator[Manifest]:
        """The Kustomizations among the objects; those in `above` are not entered again.

        ⚠ CLI32: one that the cluster has counts with its live spec.
        """
        for manifest in built.objects:
            if is_kustomization(manifest) and ref_of(manifest) not in above:
                yield (await self.kube.find(ref_of(manifest)) if self.kube else None) or manifest

    def directory_of(self, kustomization: Manifest) -> Path:
        """What a nested one is built from. Raises CliError where --local-sources does not say."""
        ref = ref_of(kustomization)
        source = reference(kustomization, at(kustomization, "spec", "sourceRef"), ref.namespace)
        directory = dict(self.flags.local_sources).get(source)
        if directory is None:
            raise CliError(f"cannot get local path for {source} of kustomization {ref.name}")
        return Path(directory).absolute() / str(at(kustomization, "spec", "path") or "").lstrip("/")


def is_kustomization(manifest: Manifest) -> bool:
    return manifest.get("kind") == "Kustomization" and group_of(manifest.get("apiVersion", "")) == KUSTOMIZE_GROUP


def kustomization_in(path: str, name: str, namespace: str) -> Manifest:
    """The first of that name in a file; one without a namespace is in ours. Raises CliError."""
    from fleetloop.api.yaml import InvalidYAML, load_all

    try:
        documents = load_all(Path(path).read_bytes())
    except OSError as error:
        raise CliError(f"failed to read kustomization file {path}: {(error.strerror or str(error)).lower()}") from None
    except InvalidYAML as error:
        raise CliError(f"failed to unmarshall kustomization file {path}: {error}") from None
    for document in documents:
        if not isinstance(document, dict) or not is_kustomization(document):
            continue
        ref = ref_of(document)
        if ref.name == name and ref.namespace in ("", namespace):
            api = BY_NAME["Kustomization"].api_version
            placed = {**document["metadata"], "namespace": namespace}
            return {**document, "apiVersion": api, "metadata": placed, "spec": document.get("spec") or {}}
    wanted = f"name '{name}' and namespace '{namespace}' in file '{path}'"
    raise CliError(f"failed to get kustomization object: failed find kustomization with {wanted}")


async def live_kustomization(kube: "Kube", ref: ObjectRef, given: Manifest | None) -> Manifest:
    """The cluster's, with the spec of the one from a file. ⚠ CLI29: it must be there. Raises NotFound, CliError."""
    try:
        live = await kube.get(ref)
    except NotFound:
        raise
    except ApiError as error:
        raise CliError(f"failed to get kustomization object: {error}") from None
    return live if given is None else {**live, "spec": given["spec"]}


def source_root(directory: Path, current: Path) -> Path:
    """How far up a build may read: to the top of the Git repository, as the cluster gets it; else to the current directory."""
    for folder in (directory, *directory.parents):
        if (folder / ".git").exists():
            return folder
    return current if directory.is_relative_to(current) else directory


@contextmanager
def _tree_for(directory: Path, ignored: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """(root, path below it); a copy without what is ignored, where something is."""
    directory = directory.resolve()
    root = source_root(directory, Path.cwd().resolve())
    path = directory.relative_to(root).as_posix()
    if not ignored:
        yield root, path
        return
    with tempfile.TemporaryDirectory(prefix="fleetloop-build-") as folder:
        copy = Path(folder, "source")
        shutil.copytree(root, copy, symlinks=True, ignore=_ignoring(root, directory, ignored))
        yield copy, path


def _ignoring(root: Path, directory: Path, ignored: Sequence[str]) -> Any:
    from fleetloop.storage.ignore import IgnoreRules, patterns_of

    below = directory.relative_to(root).as_posix()
    rules = IgnoreRules(tuple(patterns_of("\n".join([".git/", *ignored]), "" if below == "." else below)))

    def names(folder: str, found: list[str]) -> set[str]:
        paths = {name: Path(folder, name) for name in found}
        return {n for n, p in paths.items() if n == ".git" or rules.ignores(p.relative_to(root).as_posix(), p.is_dir())}

    return names
