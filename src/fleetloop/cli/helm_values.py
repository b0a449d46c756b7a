"""The values that a HelmRelease gives its chart, composed from the cluster as its controller does."""

from typing import TYPE_CHECKING, Any

from fleetloop.cli.errors import CliError
from fleetloop.kube.objects import Manifest

if TYPE_CHECKING:
    from fleetloop.api.helm import HelmRelease
    from fleetloop.engine import Engines
    from fleetloop.kube import Kube

Values = dict[str, Any]
MERGE_TIMEOUT = 30.0  # seconds


def release_of(manifest: Manifest) -> "HelmRelease":
    """Raises CliError."""
    from fleetloop.api.helm import HelmRelease
    from fleetloop.runtime.decode import decoded

    try:
        return decoded(HelmRelease, manifest)
    except ValueError as error:
        raise CliError(f"HelmRelease {manifest['metadata']['name']}: {error}") from None


async def merged_values(manifest: Manifest, kube: "Kube", engines: "Engines") -> Values:
    """Of valuesFrom in order, target paths among them, and spec.values over all. Raises CliError with the controller's texts."""
    release = release_of(manifest)
    return await merged_layers(release, await value_layers(release, kube), engines)


async def value_layers(release: "HelmRelease", kube: "Kube") -> dict[str, Any]:
    """The engine's `values` argument. Raises CliError."""
    from fleetloop.controllers.helm.failures import ValuesError
    from fleetloop.controllers.helm.values import read_values

    try:
        return await read_values(release, kube)
    except ValuesError as error:
        raise CliError(str(error)) from None


async def merged_layers(release: "HelmRelease", layers: dict[str, Any], engines: "Engines") -> Values:
    """Raises CliError naming the reference that is wrong."""
    from fleetloop.engine import EngineError, EngineGone, Family

    try:
        found = await engines.call_surely(Family.HELM, "helm.values", MERGE_TIMEOUT, values=layers, algorithm="sha256")
    except (EngineError, EngineGone) as error:
        raise CliError(f"could not merge chart values: {error}") from None
    if found["error"]:
        ref = release.spec.values_from[found["layer"]]
        place = f"'{release.namespace}/{ref.name}' with key '{ref.values_key or 'values.yaml'}'"
        optional = "optional " if ref.optional else ""
        raise CliError(f"could not resolve {optional}{ref.kind} chart values reference {place}: {found['error']}")
    values: Values = found["values"] or {}
    return values


def merged(below: Values, above: Values) -> Values:
    """Maps are merged in depth; everything else is replaced."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found
