"""Source tree + Kustomization -> objects: generate, decrypt, build, substitute. Fetches and applies nothing.

Everything that must happen as Flux does it happens in the engine (its verbs name the contract); here is the order.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fleetloop.build.cache import BuildCache
from fleetloop.build.calls import call
from fleetloop.build.decryption import Decryptor, check_decrypted
from fleetloop.build.errors import BuildError
from fleetloop.build.manifest import Manifest
from fleetloop.build.substitution import check_names
from fleetloop.engine import Engines, Family

REMOTE_REFUSED = "remote bases are disabled"  # engine/internal/kustomize/remote.go
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
    seconds: float = 300.0  # whatever spec.timeout says, which is about health checks too


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What a Kustomization says about its build.

    `settings`: see `settings_of`. `decryption_keys`: the data of the decryption Secret, None without spec.decryption.
    `variables`: see `variables_of`; without any, expressions stay as they are, unless `substitute_always`
    (substituteStrategy Always). `strict`: a variable that is not set is an error. `timeout` in seconds, for each step.
    `for_show`: nobody applies the objects, so that Secrets may stay encrypted. `source`: the digest of the tree, if known.
    """

    path: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    decryption_keys: Mapping[str, bytes] | None = field(default=None, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    substitute_always: bool = False
    strict: bool = True
    allow_remote_bases: bool = True
    for_show: bool = False
    source: str = ""
    timeout: float = 60.0
    limits: Limits = Limits()

    @property
    def step_timeout(self) -> float:
        return min(self.timeout, self.limits.seconds)

    @property
    def family(self) -> Family:
        """One process for all steps of a build, so that a controller keeps one."""
        return Family.REMOTE if self.allow_remote_bases else Family.BUILD


def settings_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The build settings of a Kustomization's spec (as JSON, camelCase)."""
    return {name: spec[name] for name in SETTINGS if spec.get(name)}


async def build_objects(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None = None) -> list[Manifest]:
    """The objects in kustomize's order, without owner labels. `tree` is not changed.

    With a cache and `request.source`, equal builds without decryption and remote bases are made once.
    Raises BuildError in the contract's words (source-kustomize.md 8.2-8.6), EngineMissing.
    """
    if request.decryption_keys is None:
        objects = await _plain(tree, request, engines, cache)
    else:
        decryptor = Decryptor(request.decryption_keys, request.step_timeout, engines)
        overlay = await decryptor.decrypt_files(await _encrypted_files(tree, request, engines))
        objects = await decryptor.decrypt_objects(await _kustomize(tree, request, overlay, engines))
    if request.variables or request.substitute_always:
        objects = await _substitute(objects, request, engines)
    if request.decryption_keys is None and not request.for_show:
        check_decrypted(objects)
    return objects


async def emit_yaml(objects: list[Manifest], request: BuildRequest, engines: Engines) -> str:
    """The objects as one YAML text in the form of Go's programs; its digest is what status.history records."""
    result = await call(engines, request.family, "yaml.emit", request.step_timeout, {"documents": objects}, "emit YAML")
    text: str = result["text"]
    return text


async def _encrypted_files(tree: Path, request: BuildRequest, engines: Engines) -> list[dict[str, str]]:
    args = {"root": str(tree), "path": request.path, "settings": request.settings}
    step = "error decrypting sources"
    result = await call(engines, request.family, "kustomize.secrets", request.step_timeout, args, step)
    files: list[dict[str, str]] = result["files"]
    return files


async def _plain(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None) -> list[Manifest]:
    """Tried without remote bases first where the result may be kept: what comes from elsewhere is not named by the source."""
    if cache is None or not request.source:
        return await _kustomize(tree, request, {}, engines)
    inputs = [request.source, request.path, request.settings, request.step_timeout, asdict(request.limits)]
    key = hashlib.blake2b(orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS), digest_size=32).digest()
    try:
        return await cache.objects(key, lambda: _kustomize(tree, request, {}, engines, remote_bases=False))
    except BuildError as error:
        if not (request.allow_remote_bases and REMOTE_REFUSED in str(error)):
            raise
    return await _kustomize(tree, request, {}, engines)


async def _kustomize(
    tree: Path, request: BuildRequest, overlay: Mapping[str, str], engines: Engines, remote_bases: bool = True
) -> list[Manifest]:
    args = {
        "root": str(tree),
        "path": request.path,
        "settings": request.settings,
        "overlay": overlay,
        "allowRemoteBases": request.allow_remote_bases and remote_bases,
        "maxObjects": request.limits.objects,
        "maxBytes": request.limits.bytes,
    }
    result = await call(engines, request.family, "kustomize.build", request.step_timeout, args, "kustomize build failed")
    objects: list[Manifest] = result["objects"]
    return objects


async def _substitute(objects: list[Manifest], request: BuildRequest, engines: Engines) -> list[Manifest]:
    check_names(request.variables, objects)
    args = {"objects": objects, "variables": request.variables, "strict": request.strict}
    result = await call(engines, request.family, "substitute", request.step_timeout, args, "post build failed")
    substituted: list[Manifest] = result["objects"]
    return substituted
