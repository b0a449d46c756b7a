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
from fleetloop.build.decryption import Decryptor, LogIn, check_decrypted, no_login
from fleetloop.build.errors import BuildError
from fleetloop.build.manifest import Manifest
from fleetloop.build.substitution import check_variables
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

    `settings`: see `settings_of`. `decryption_keys`: the data of the decryption Secret, None without spec.decryption;
    `log_in` gets what it lacks.
    `variables`: see `variables_of`; without any, expressions stay as they are, unless `substitute_always`
    (substituteStrategy Always). `missing_variables`: why some could not be read, told of the first object that takes any.
    `strict`: a variable that is not set is an error. `timeout` in seconds, for each step.
    `for_show`: nobody applies the objects, so that Secrets may stay encrypted. `source`: the digest of the tree, if known.
    `owner`: for whom it is built, the namespace; one owner's builds do not bar the others' (engine.shares).
    """

    path: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    decryption_keys: Mapping[str, bytes] | None = field(default=None, repr=False)
    log_in: LogIn = no_login
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing_variables: str = ""
    substitute_always: bool = False
    strict: bool = True
    allow_remote_bases: bool = True
    for_show: bool = False
    source: str = ""
    owner: str = ""
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


@dataclass(frozen=True, slots=True)
class Built:
    """Objects, and for each the file of the source that it comes from, "" when that is not known; `digest`: see `digest_of`, ""
    when nobody computed it."""

    objects: list[Manifest]
    files: list[str]
    digest: str = ""


async def build_objects(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None = None) -> list[Manifest]:
    return (await build_with_files(tree, request, engines, cache)).objects


async def build_with_files(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None = None) -> Built:
    """The objects in kustomize's order, without owner labels. `tree` is not changed.

    With a cache and `request.source`, equal builds without decryption and remote bases are made once.
    Raises BuildError in the contract's words (source-kustomize.md 8.2-8.6), EngineMissing. Its paths begin at the tree, unless
    a person who sees the tree is to read them.
    """
    try:
        return await _build(tree, request, engines, cache)
    except BuildError as error:
        if request.for_show:
            raise
        raise error.seen_from(tree) from error


async def _build(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None) -> Built:
    if request.decryption_keys is None:
        built = await _plain(tree, request, engines, cache)
        objects = built.objects
    else:
        decryptor = Decryptor(request.decryption_keys, request.step_timeout, engines, request.log_in)
        overlay = await decryptor.decrypt_files(await _encrypted_files(tree, request, engines))
        built = await _kustomize(tree, request, overlay, engines)
        objects = await decryptor.decrypt_objects(built.objects)
    if request.variables or request.missing_variables or request.substitute_always:
        objects = await _substitute(objects, request, engines)
    if request.decryption_keys is None and not request.for_show:
        check_decrypted(objects)
    files = built.files if len(objects) == len(built.files) else [""] * len(objects)  # a list became its items
    return Built(objects, files, built.digest if objects is built.objects else "")


async def digest_of(built: Built, request: BuildRequest, engines: Engines) -> str:
    """Of the objects as YAML: by it, status.history tells one build from another."""
    return built.digest or f"sha256:{hashlib.sha256((await emit_yaml(built.objects, request, engines)).encode()).hexdigest()}"


async def emit_yaml(objects: list[Manifest], request: BuildRequest, engines: Engines) -> str:
    """The objects as one YAML text in the form of Go's programs."""
    args = {"documents": objects}
    result = await call(engines, request.family, "yaml.emit", request.step_timeout, args, "emit YAML", request.owner)
    text: str = result["text"]
    return text


async def _encrypted_files(tree: Path, request: BuildRequest, engines: Engines) -> list[dict[str, str]]:
    args = {"root": str(tree), "path": request.path, "settings": request.settings}
    step = "error decrypting sources"
    result = await call(engines, request.family, "kustomize.secrets", request.step_timeout, args, step, request.owner)
    files: list[dict[str, str]] = result["files"]
    return files


async def _plain(tree: Path, request: BuildRequest, engines: Engines, cache: BuildCache | None) -> Built:
    """Tried without remote bases first where the result may be kept: what comes from elsewhere is not named by the source."""
    if cache is None or not request.source or engines.is_apart(request.owner):  # nobody shall wait for one who waits its turn
        return await _kustomize(tree, request, {}, engines)
    inputs = [request.source, request.path, request.settings, request.step_timeout, asdict(request.limits)]
    key = hashlib.blake2b(orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS), digest_size=32).digest()
    try:
        return Built(**await cache.result(key, lambda: _kept(tree, request, engines)))
    except BuildError as error:
        if not (request.allow_remote_bases and REMOTE_REFUSED in str(error)):
            raise
    return await _kustomize(tree, request, {}, engines)


async def _kept(tree: Path, request: BuildRequest, engines: Engines) -> dict[str, Any]:
    built = await _kustomize(tree, request, {}, engines, remote_bases=False)
    return {"objects": built.objects, "files": built.files, "digest": await digest_of(built, request, engines)}


async def _kustomize(
    tree: Path, request: BuildRequest, overlay: Mapping[str, str], engines: Engines, remote_bases: bool = True
) -> Built:
    args = {
        "root": str(tree),
        "path": request.path,
        "settings": request.settings,
        "overlay": overlay,
        "allowRemoteBases": request.allow_remote_bases and remote_bases,
        "maxObjects": request.limits.objects,
        "maxBytes": request.limits.bytes,
    }
    result = await call(
        engines, request.family, "kustomize.build", request.step_timeout, args, "kustomize build failed", request.owner
    )
    return Built(result["objects"], result["files"])


async def _substitute(objects: list[Manifest], request: BuildRequest, engines: Engines) -> list[Manifest]:
    check_variables(request.variables, objects, request.missing_variables)
    args = {"objects": objects, "variables": request.variables, "strict": request.strict}
    result = await call(engines, request.family, "substitute", request.step_timeout, args, "post build failed", request.owner)
    substituted: list[Manifest] = result["objects"]
    return substituted
