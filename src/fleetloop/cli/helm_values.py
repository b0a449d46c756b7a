"""The values that a HelmRelease gives its chart, composed from the cluster as its controller does."""

from typing import TYPE_CHECKING, Any

from fleetloop.cli.errors import CliError
from fleetloop.kube.objects import Manifest

if TYPE_CHECKING:
    from fleetloop.api.helm import HelmRelease
    from fleetloop.engine import Engines
    from fleetloop.kube import Kube

Values = dict[str, Any]


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
    from fleetloop.controllers.helm.failures import ValuesError
    from fleetloop.controllers.helm.values import merge, read_values

    release = release_of(manifest)
    try:
        values, _ = await merge(release, await read_values(release, kube), engines, "sha256")
    except ValuesError as error:
        raise CliError(str(error)) from None
    return values


def merged(below: Values, above: Values) -> Values:
    """Maps are merged in depth; everything else is replaced."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found
