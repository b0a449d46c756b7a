"""Source tree + Kustomization -> objects: generate, decrypt, build, substitute. Fetches and applies nothing.

Everything that must happen as Flux does it happens in the engine (its verbs name the contract); here is the order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetloop.build.errors import BuildError
from fleetloop.engine import EngineError, EngineGone, Engines, Family

Manifest = dict[str, Any]
SETTINGS = (  # of a Kustomization's spec: those that change its kustomization.yaml (engine/internal/kustomize/amend.go)
    "targetNamespace",
    "namePrefix",
    "nameSuffix",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "components",
    "ignoreMissingComponents",
    "buildMetadata",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one build may yield: a tenant's mistake ends with a clear error, not with the controller's memory."""

    objects: int = 20_000
    bytes: int = 100 << 20


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What a Kustomization says about its build. `timeout` in seconds, for each of the engine's calls."""

    path: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    allow_remote_bases: bool = True
    timeout: float = 60.0
    limits: Limits = Limits()


def settings_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The build settings of a Kustomization's spec (as JSON, camelCase)."""
    return {name: spec[name] for name in SETTINGS if spec.get(name)}


async def build_objects(tree: Path, request: BuildRequest, engines: Engines) -> list[Manifest]:
    """The objects in kustomize's order. Raises BuildError (what users see), EngineGone (try again)."""
    return await build(tree, request, {}, engines)


async def build(tree: Path, request: BuildRequest, overlay: Mapping[str, str], engines: Engines) -> list[Manifest]:
    """Generation and kustomize. `overlay`: path below the tree -> base64 content in place of the file's."""
    family = Family.REMOTE if request.allow_remote_bases else Family.BUILD
    args = {
        "root": str(tree),
        "path": request.path,
        "settings": request.settings,
        "overlay": overlay,
        "allowRemoteBases": request.allow_remote_bases,
        "maxObjects": request.limits.objects,
        "maxBytes": request.limits.bytes,
    }
    try:
        result = await call_twice(engines, family, "kustomize.build", request.timeout, args)
    except EngineError as error:
        raise BuildError(message_of(error)) from error
    objects: list[Manifest] = result["objects"]
    return objects


def message_of(error: EngineError) -> str:
    """Errors from before kustomize are not prefixed (contract: source-kustomize.md 8.2, 8.3)."""
    text = str(error)
    return text if text.startswith("kustomization path not found: ") else f"kustomize build failed: {text}"


async def call_twice(engines: Engines, family: Family, verb: str, timeout: float, args: Mapping[str, Any]) -> Any:
    """When a process dies all its calls fail, and one of them may be to blame. Each is tried again alone, so that the
    guilty one fails by itself."""
    try:
        return await engines.call(family, verb, timeout, **args)
    except EngineGone:
        try:
            return await engines.call_alone(family, verb, timeout, **args)
        except EngineGone as gone:
            raise EngineError(str(gone)) from gone
