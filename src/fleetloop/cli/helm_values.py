"""The values that a HelmRelease gives its chart, composed from the cluster. Flux: helm-notification-image.md 2.3."""

from typing import TYPE_CHECKING, Any

from fleetloop.api.yaml import InvalidYAML, load
from fleetloop.cli.columns import at
from fleetloop.cli.errors import CliError
from fleetloop.cli.variables import text_of
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef

if TYPE_CHECKING:
    from fleetloop.kube import Kube

Values = dict[str, Any]


async def merged_values(release: Manifest, kube: "Kube") -> Values:
    """Of valuesFrom in order, a later one winning, and spec.values over all. Raises CliError.

    targetPath needs Helm's own parser and is refused.
    """
    values: Values = {}
    for ref in at(release, "spec", "valuesFrom") or ():
        values = merged(values, await _referenced(ref, release["metadata"]["namespace"], kube))
    return merged(values, at(release, "spec", "values") or {})


def merged(below: Values, above: Values) -> Values:
    """Maps are merged in depth; everything else is replaced."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


async def _referenced(ref: dict[str, Any], namespace: str, kube: "Kube") -> Values:
    """An optional reference forgives a missing object and a missing key."""
    key, optional = ref.get("valuesKey") or "values.yaml", bool(ref.get("optional"))
    where = f"'{namespace}/{ref['name']}' with key '{key}'"
    doing = f"could not resolve {'optional ' if optional else ''}{ref['kind']} chart values reference {where}"
    if ref.get("targetPath"):
        raise CliError(f"{doing}: targetPath '{ref['targetPath']}' cannot be shown")
    try:
        data = text_of(await kube.get(ObjectRef("v1", ref["kind"], namespace, ref["name"])))
    except NotFound as error:
        if optional:
            return {}
        raise CliError(f"{doing}: {error}") from None
    except ApiError as error:
        raise CliError(f"{doing}: {error}") from None
    if key not in data:
        if optional:
            return {}
        raise CliError(f"{doing}: missing key '{key}'")
    try:
        values = load(data[key]) or {}
    except InvalidYAML as error:
        raise CliError(f"{doing}: {error}") from None
    if not isinstance(values, dict):
        raise CliError(f"{doing}: the values are no map")
    return values
