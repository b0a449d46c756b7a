"""Renders a HelmRelease on this machine with what its controller would use: chart, values, post-renderers. Releases nothing.

`lookup` finds nothing here, and the chart's JSON schema is always checked.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetloop.api.names import HELM_GROUP
from fleetloop.cli.command import flag
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.cli.helm_values import merged_layers, release_of, value_layers
from fleetloop.cli.local_chart import PackagedChart, chart_at, chart_in_cluster
from fleetloop.cli.subjects import BY_NAME
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, annotations_of, group_of, ref_of

if TYPE_CHECKING:
    from fleetloop.api.helm import HelmRelease
    from fleetloop.engine import Engines
    from fleetloop.kube import Kube

RENDER_TIMEOUT = 60.0  # seconds
DEFINITION = "CustomResourceDefinition"
_TESTS = {"test", "test-success"}


@dataclass(frozen=True)
class ReleaseFlags:
    """The flags that `build` and `diff` share."""

    helmrelease_file: str = flag("--helmrelease-file", help="a file with the HelmRelease, used instead of the live one's spec")
    chart_path: str = flag("--chart-path", help="a chart of this machine, folder or package, instead of the cluster's")

    @property
    def chart(self) -> Path:
        return Path(self.chart_path).absolute()

    def check(self, code: int = 1) -> None:
        """Raises UsageError with that exit code."""
        if self.helmrelease_file and not Path(self.helmrelease_file).is_file():
            raise UsageError(f"invalid helmrelease file {quoted(self.helmrelease_file)}", code)
        if self.chart_path and not Path(self.chart_path).exists():
            raise UsageError(f"invalid chart path {quoted(self.chart_path)}", code)


@dataclass(frozen=True, slots=True)
class Rendered:
    """`definitions` are what the release's policy would bring of the chart's; `replaces_definitions`: those there are, too."""

    manifest: Manifest
    release: "HelmRelease"
    objects: list[Manifest]
    hooks: list[Manifest]
    definitions: list[Manifest] = field(default_factory=list)
    replaces_definitions: bool = False


@dataclass(frozen=True)
class LocalRelease:
    """`kube` is None where no cluster shall be asked: values of references are then left out."""

    flags: ReleaseFlags
    engines: "Engines"
    kube: "Kube | None"

    async def render(self, manifest: Manifest) -> Rendered:
        """Raises CliError."""
        from fleetloop.controllers.helm import release as options
        from fleetloop.controllers.helm.chart_source import released_version
        from fleetloop.runtime.outcome import Failure

        release = release_of(manifest)
        values = await self._values(release)
        labels = options.origin_labels(release)
        async with self._chart(release) as chart:
            seen = await self._ask("helm.chart", chart={"path": str(chart.path), "version": ""}, values=values)
            try:
                version = released_version(chart.source, seen["version"], tracks_digests=True) if chart.source else ""
            except Failure as error:
                raise CliError(str(error)) from None
            found = await self._ask(
                "helm.render",
                chart={"path": str(chart.path), "version": version},
                values=values,
                postRender=options.post_render(release, options.Defaults()),
                name=options.release_name(release),
                namespace=options.release_namespace(release),
                upgrade=bool(release.status.history),
                **await self._capabilities(),
            )
        policy = _definitions_policy(release)
        definitions = [one for one in seen["definitions"] if one.get("kind") == DEFINITION] if policy != "Skip" else []
        return Rendered(
            manifest,
            release,
            found["objects"],
            [hook for hook in found["hooks"] if _runs(hook, release)],
            [_labelled(one, labels) for one in definitions],
            policy == "CreateReplace",
        )

    @asynccontextmanager
    async def _chart(self, release: "HelmRelease") -> AsyncIterator[PackagedChart]:
        if self.flags.chart_path:
            async with chart_at(self.flags.chart, release, self.engines) as chart:
                yield chart
        elif self.kube:
            async with chart_in_cluster(release, self.kube) as chart:
                yield chart
        else:
            raise CliError("without a cluster a chart of this machine is needed")

    async def _values(self, release: "HelmRelease") -> dict[str, Any]:
        if self.kube is None:
            return {"layers": [], "inline": release.spec.values or {}}
        layers = await value_layers(release, self.kube)
        await merged_layers(release, layers, self.engines)  # names the reference that is wrong
        return layers

    async def _capabilities(self) -> dict[str, Any]:
        """What charts ask of a cluster."""
        if self.kube is None:
            return {}
        version = await self.kube.server_version()
        kinds = await self.kube.resources()
        served = {kind.api_version for kind in kinds} | {f"{kind.api_version}/{kind.kind}" for kind in kinds}
        return {"kubeVersion": version["gitVersion"], "apiVersions": sorted(served)}

    async def _ask(self, verb: str, **arguments: Any) -> Any:
        from fleetloop.engine import EngineError, EngineGone, Family

        try:
            return await self.engines.call_surely(Family.HELM, verb, RENDER_TIMEOUT, **arguments)
        except (EngineError, EngineGone) as error:
            raise CliError(f"rendering failed: {error}") from None


async def find_release(kube: "Kube", name: str, namespace: str, file: str) -> tuple[Manifest, bool]:
    """The cluster's, with the spec of the one from the file; and whether the cluster has it. Raises CliError."""
    given = release_in(file, name, namespace) if file else None
    try:
        live = await kube.get(ObjectRef(BY_NAME["HelmRelease"].api_version, "HelmRelease", namespace, name))
    except NotFound as error:
        if given is None:
            raise CliError(f"failed to get helmrelease object: {error}") from None
        return given, False
    except ApiError as error:
        raise CliError(f"failed to get helmrelease object: {error}") from None
    return (live if given is None else {**live, "spec": given["spec"]}), True


def release_in(path: str, name: str, namespace: str) -> Manifest:
    """The first of that name in a file; one without a namespace is in ours. Raises CliError."""
    from fleetloop.api.yaml import InvalidYAML, load_all

    try:
        documents = load_all(Path(path).read_bytes())
    except OSError as error:
        raise CliError(f"failed to read helmrelease file {path}: {(error.strerror or str(error)).lower()}") from None
    except InvalidYAML as error:
        raise CliError(f"failed to unmarshal helmrelease file {path}: {error}") from None
    for document in documents:
        if not isinstance(document, dict) or document.get("kind") != "HelmRelease":
            continue
        ref = ref_of(document)
        if group_of(document["apiVersion"]) == HELM_GROUP and ref.name == name and ref.namespace in ("", namespace):
            api = BY_NAME["HelmRelease"].api_version
            placed = {**document["metadata"], "namespace": namespace}
            return {**document, "apiVersion": api, "metadata": placed, "spec": document.get("spec") or {}}
    wanted = f"name '{name}' and namespace '{namespace}' in file '{path}'"
    raise CliError(f"failed to get helmrelease object: found no helmrelease with {wanted}")


def _definitions_policy(release: "HelmRelease") -> str:
    """HN11: no policy means Create, for upgrades too."""
    spec = release.spec
    action = spec.upgrade if release.status.history else spec.install
    return (action.crds if action else None) or "Create"


def _runs(hook: Manifest, release: "HelmRelease") -> bool:
    """Tests are left out where the release runs none."""
    events = {event.strip() for event in annotations_of(hook).get("helm.sh/hook", "").split(",")}
    return not events <= _TESTS or bool(release.spec.test and release.spec.test.enable)


def _labelled(manifest: Manifest, labels: dict[str, str]) -> Manifest:
    metadata = manifest["metadata"]
    return manifest | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | labels}}
