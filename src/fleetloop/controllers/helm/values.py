"""Where a release's values come from: ConfigMaps and Secrets of its namespace, then the spec. Flux: 2.3."""

import base64
from typing import Any

from fleetloop.access.kubeconfigs import kubeconfig_refs
from fleetloop.api.helm import HelmRelease, ValuesReference
from fleetloop.controllers.helm.engine import HelmFailed, ask
from fleetloop.controllers.helm.failures import ValuesError
from fleetloop.engine import Engines
from fleetloop.kube.errors import ApiError, NotFound, ServerFailed
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.config_watches import Reader

DEFAULT_KEY = "values.yaml"


def config_refs(release: HelmRelease) -> set[ObjectRef]:
    """Every ConfigMap and Secret that it names in its namespace. Pure."""
    spec = release.spec
    values = {ObjectRef("v1", one.kind, release.namespace, one.name) for one in spec.values_from}
    return values | set(kubeconfig_refs(release.namespace, spec.kube_config))


async def read_values(release: HelmRelease, kube: Reader) -> dict[str, Any]:
    """The engine's `values` argument; each object is read once. Raises ValuesError naming the reference."""
    found: dict[tuple[str, str], Manifest | None] = {}
    layers = []
    for reference in release.spec.values_from:
        key = (reference.kind, reference.name)
        if key not in found:
            found[key] = await _read(release, reference, kube)
        content = _content(release, reference, found[key])
        if content is not None:
            layer = {"content": content, "targetPath": reference.target_path, "literal": reference.literal}
            layers.append(layer | {"secret": reference.kind == "Secret"})  # whose values no message may quote
        else:
            layers.append({"content": "", "targetPath": "", "literal": False})  # so that an error's number finds its reference
    return {"layers": layers, "inline": release.spec.values or {}}


async def digest_of(release: HelmRelease, values: dict[str, Any], engines: Engines, algorithm: str) -> str:
    """Of the merged values. They are merged again where they are used: what is by reference must stay so (HN4). Raises
    ValuesError."""
    try:
        merged = await ask(engines, "helm.values", values=values, algorithm=algorithm)
    except HelmFailed as error:
        raise ValuesError(f"could not merge chart values: {error}") from error
    if merged["error"]:
        raise _failure(release, release.spec.values_from[merged["layer"]], merged["error"])
    digest: str = merged["digest"]
    return digest


async def _read(release: HelmRelease, reference: ValuesReference, kube: Reader) -> Manifest | None:
    try:
        return await kube.get(ObjectRef("v1", reference.kind, release.namespace, reference.name))
    except NotFound as error:
        if reference.optional:
            return None
        raise _failure(release, reference, error.message) from error
    except ServerFailed:
        raise  # it says nothing about the values
    except ApiError as error:
        raise _failure(release, reference, error.message) from error


def _content(release: HelmRelease, reference: ValuesReference, manifest: Manifest | None) -> str | None:
    if manifest is None:
        return None
    data = _data(manifest)
    key = reference.values_key or DEFAULT_KEY
    if key not in data:
        if reference.optional:
            return None
        raise _failure(release, reference, "key not found")
    try:
        return data[key].decode()
    except UnicodeDecodeError:
        raise _failure(release, reference, "the value is not UTF-8 text") from None


def _data(manifest: Manifest) -> dict[str, bytes]:
    found = manifest.get("data") or {}
    if manifest["kind"] == "Secret":
        return {key: base64.b64decode(value) for key, value in found.items()}
    return {key: value.encode() for key, value in found.items()}


def _failure(release: HelmRelease, reference: ValuesReference, reason: str) -> ValuesError:
    optional = "optional " if reference.optional else ""
    return ValuesError(
        f"could not resolve {optional}{reference.kind} chart values reference '{release.namespace}/{reference.name}'"
        f" with key '{reference.values_key or DEFAULT_KEY}': {reason}"
    )
