"""The chart of a HelmRelease as a package on this machine: from a path, or what its source in the cluster serves."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleetloop.cli.errors import CliError
from fleetloop.cli.goflags import quoted
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef

if TYPE_CHECKING:
    from fleetloop.api.helm import HelmRelease
    from fleetloop.api.meta import Key, Object
    from fleetloop.controllers.helm.chart_source import ChartSource
    from fleetloop.engine import Engines
    from fleetloop.kube import Kube

BUILD_TIMEOUT = 60.0  # seconds
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\..*)?")


@dataclass(frozen=True, slots=True)
class PackagedChart:
    """`source`: of the cluster; None for a chart of this machine."""

    path: Path
    source: "ChartSource | None" = None


@dataclass(frozen=True, slots=True)
class _Found:
    """The one source that was asked for, in the controller's terms."""

    source: "Object | None"

    def find(self, _: "Key") -> "Object | None":
        return self.source


@asynccontextmanager
async def chart_at(path: Path, release: "HelmRelease", engines: "Engines") -> AsyncIterator[PackagedChart]:
    """A folder or package, with the values files the release's chart template asks for. Raises CliError."""
    template = release.spec.chart
    files = list(template.spec.values_files) if template else []
    with TemporaryDirectory(prefix="fleetloop-chart-") as folder:
        source = {"root": str(path.parent), "path": path.name}
        made = await _ask(
            engines,
            "charts.build",
            source=source,
            dependencies=await _dependencies(engines, path, source),
            valuesFiles=[] if files == ["values.yaml"] else files,
            valuesRoot=_values_root(path, release),
            ignoreMissing=bool(template and template.spec.ignore_missing_values_files),
            metadata="",
            into=folder,
        )
        if made["problem"]:
            raise CliError(f"chart {quoted(str(path))}: {made['error']}")
        yield PackagedChart(Path(made["path"]))


@asynccontextmanager
async def chart_in_cluster(release: "HelmRelease", kube: "Kube") -> AsyncIterator[PackagedChart]:
    """What the release's source serves now. Raises CliError."""
    from fleetloop.controllers.helm.chart_source import find_source, source_key
    from fleetloop.runtime.outcome import Failure

    live = await _live_source(kube, source_key(release))
    _check_asked_for(release, live)
    try:
        found = find_source(release, _Found(_decoded(live)), no_cross_namespace=False, external_artifacts=True)
    except Failure as error:
        raise CliError(f"{error}; --chart-path takes a chart of this machine") from None
    with TemporaryDirectory(prefix="fleetloop-chart-") as folder:
        path = Path(folder, "chart.tgz")
        content = await _download(kube, found.artifact.url)
        await asyncio.to_thread(path.write_bytes, content)
        _check_digest(content, found.artifact.digest)
        yield PackagedChart(path, found)


def _values_root(path: Path, release: "HelmRelease") -> str:
    """Values files of a chart in Git lie anywhere in its source; those of repositories in the chart."""
    template = release.spec.chart
    if template is None or template.spec.source_ref.kind == "HelmRepository":
        return ""
    below = Path(template.spec.chart.strip("./"))
    is_suffix = path.parts[-len(below.parts) :] == below.parts
    return str(path.parents[len(below.parts) - 1] if is_suffix and below.parts else path.parent)


async def _dependencies(engines: "Engines", path: Path, source: dict[str, str]) -> list[dict[str, str]]:
    """Those beside the chart that it does not carry. Raises CliError for others."""
    seen = await _ask(engines, "charts.inspect", source=source)
    found = []
    for wanted in seen["missing"]:
        repository = wanted["repository"]
        if not repository.startswith("file://"):
            raise CliError(f"chart {quoted(str(path))} lacks its dependency {wanted['name']}; run: helm dependency build {path}")
        place = (path / repository.removeprefix("file://")).resolve()
        found.append({"root": str(place.parent), "path": place.name})
    return found


async def _live_source(kube: "Kube", key: "Key") -> Manifest | None:
    from fleetloop.cli.subjects import BY_NAME

    kind = BY_NAME.get(key.kind)
    if kind is None:
        raise CliError(f"charts do not come from the kind {key.kind}")
    try:
        return await kube.find(ObjectRef(kind.api_version, kind.kind, key.namespace, key.name))
    except ApiError as error:
        raise CliError(f"could not get {key}: {error}") from None


def _check_asked_for(release: "HelmRelease", live: Manifest | None) -> None:
    """The HelmChart in the cluster may be of an older wish than ours. Raises CliError."""
    if release.spec.chart is None or live is None:
        return
    spec, has = release.spec.chart.spec, live["spec"]
    compared = {
        "chart": spec.chart == has["chart"],
        "version": (spec.version or "*") == has.get("version", "*"),
        "sourceRef": (spec.source_ref.kind, spec.source_ref.name) == (has["sourceRef"]["kind"], has["sourceRef"]["name"]),
        "valuesFiles": list(spec.values_files) == (has.get("valuesFiles") or []),
    }
    changed = [key for key, is_equal in compared.items() if not is_equal]
    if changed:
        name = f"HelmChart {live['metadata']['namespace']}/{live['metadata']['name']}"
        fields = ", ".join(f"spec.{key}" for key in changed)
        raise CliError(f"{name} of the cluster is not the chart that is asked for ({fields}); --chart-path takes the new one")


def _decoded(live: Manifest | None) -> "Object | None":
    from fleetloop.cli.subjects import BY_NAME
    from fleetloop.runtime.decode import decoded

    return decoded(BY_NAME[live["kind"]].struct, live) if live else None


async def _download(kube: "Kube", url: str) -> bytes:
    """Through the API server, where the address is a Service's. Raises CliError."""
    import aiohttp

    parts = urlsplit(url)
    service = _SERVICE.fullmatch(parts.hostname or "")
    try:
        if service:
            port = f":{parts.port}" if parts.port else ":80"
            place = f"/api/v1/namespaces/{service['namespace']}/services/{parts.scheme}:{service['name']}{port}/proxy"
            status, content = await kube.raw("GET", place + parts.path)
        else:
            async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url) as answer:
                status, content = answer.status, await answer.read()
    except NotFound as error:
        raise CliError(f"failed to fetch the chart: {error}") from None
    except (ApiError, aiohttp.ClientError) as error:
        raise CliError(f"failed to fetch the chart from {parts.netloc}: {error}") from None
    if status != 200:
        raise CliError(f"failed to fetch the chart from {parts.netloc}: status {status}{_reason_in(content)}")
    return content


def _reason_in(content: bytes) -> str:
    """What the API server says of a request that it could not pass on."""
    try:
        return f": {json.loads(content)['message']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _check_digest(content: bytes, digest: str) -> None:
    import hashlib

    algorithm, _, expected = digest.partition(":")
    if algorithm not in hashlib.algorithms_available or hashlib.new(algorithm, content).hexdigest() != expected:
        raise CliError(f"the chart that was fetched has not the digest {digest}")


async def _ask(engines: "Engines", verb: str, **arguments: Any) -> Any:
    """Raises CliError."""
    from fleetloop.engine import EngineError, EngineGone, Family

    try:
        return await engines.call_surely(Family.HELM, verb, BUILD_TIMEOUT, **arguments)
    except (EngineError, EngineGone) as error:
        raise CliError(str(error)) from None
