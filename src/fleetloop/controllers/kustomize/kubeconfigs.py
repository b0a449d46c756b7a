"""From spec.kubeConfig to a connection: read with the controller's identity from the Kustomization's own namespace.

A kubeconfig is a tenant's word: it may name a server, its certificates and credentials, and nothing of this machine
(CVE-2022-24817). Flux: helm-notification-image.md 2.2.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # documented in its source alone

import orjson
import yaml

from fleetloop.api.applier import SecretKeyReference
from fleetloop.api.kustomize import Kustomization
from fleetloop.controllers.kustomize.credential import Credential
from fleetloop.controllers.kustomize.failures import ReconciliationFailed
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.kube.connection import Connection, PluginToken
from fleetloop.kube.errors import ApiError, BadConnection
from fleetloop.kube.foreign_kubeconfig import from_foreign_document
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.config_watches import Reader

DEFAULT_KEYS = ("value", "value.yaml")
LARGEST = 512 << 10  # bytes
DEEPEST = 50  # the loader ends the process at some depth


@dataclass(frozen=True, slots=True)
class Access:
    """`credential` is what must be kept fresh for the connection to stay good."""

    connection: Connection
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """A cluster as `source` (`Secret/namespace/name`) describes it. Equal digests are the same cluster, and the same identity.

    `connect` raises BadConnection, and ApiError and Unreachable of this cluster's API server.
    """

    digest: str
    source: str
    connect: Callable[[], Awaitable[Access]]


Describe = Callable[[Kustomization], Awaitable[Described]]  # raises ReconciliationFailed
DescribeCloud = Callable[[Kustomization, str, Mapping[str, str]], Described]  # source, a ConfigMap's data; raises BadConnection


class Kubeconfigs:
    """Reads either form; `describe_cloud` knows the form that has credentials fetched."""

    def __init__(self, reader: Reader, settings: KustomizeSettings, describe_cloud: DescribeCloud) -> None:
        self._reader = reader
        self._settings = settings
        self._describe_cloud = describe_cloud

    async def describe(self, kustomization: Kustomization) -> Described:
        """Raises ReconciliationFailed naming the object and the key. Unreachable is this cluster's."""
        spec = kustomization.spec.kube_config
        assert spec
        namespace = kustomization.namespace
        if spec.secret_ref:
            ref = ObjectRef("v1", "Secret", namespace, spec.secret_ref.name)
        elif spec.config_map_ref:
            ref = ObjectRef("v1", "ConfigMap", namespace, spec.config_map_ref.name)
        else:
            raise ReconciliationFailed("spec.kubeConfig names neither a Secret nor a ConfigMap")
        try:
            data = (await self._reader.get(ref)).get("data") or {}
            if spec.secret_ref:
                return self._of_secret(str(ref), kubeconfig_in(data, spec.secret_ref))
            return self._describe_cloud(kustomization, str(ref), data)
        except ApiError as error:
            raise ReconciliationFailed(f"spec.kubeConfig: {ref}: {error.message}") from error
        except BadConnection as error:
            raise ReconciliationFailed(f"spec.kubeConfig: {ref}: {error}") from error

    def _of_secret(self, source: str, content: bytes) -> Described:
        async def connect() -> Access:
            connection = await asyncio.to_thread(self._parsed, content)
            plugin = connection.token
            if not isinstance(plugin, PluginToken):
                return Access(connection)

            async def fetch() -> tuple[str, float]:
                await asyncio.to_thread(plugin.renew)
                return plugin.token, plugin.expires

            credential = Credential(fetch)
            return Access(replace(connection, token=credential), credential)

        return Described(digest_of(source, content), source, connect)

    def _parsed(self, content: bytes) -> Connection:
        """Blocks: a large document takes a while, and a plugin longer."""
        allowed = {"exec"} if self._settings.insecure_kubeconfig_exec else set()
        if self._settings.insecure_kubeconfig_tls:
            allowed.add("insecure-skip-tls-verify")
        connection = from_foreign_document(document_in(content), frozenset(allowed))
        return through_proxy(connection, self._settings.environment)


def document_in(content: bytes) -> object:
    """YAML that may be anything. Raises BadConnection, which shows nothing of it."""
    if len(content) > LARGEST:
        raise BadConnection(f"not a kubeconfig: longer than {LARGEST >> 10} KiB")
    depth = 0
    try:
        for event in yaml.parse(content, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise BadConnection("not a kubeconfig: nested too deep")
        return yaml.load(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise BadConnection("not a kubeconfig: no YAML" + (f" in line {line + 1}" if line is not None else "")) from error


def kubeconfig_in(data: Mapping[str, str], ref: SecretKeyReference) -> bytes:
    """Raises BadConnection. A key that is named must be there; without one it is `value`, then `value.yaml`."""
    keys = (ref.key,) if ref.key else DEFAULT_KEYS
    for key in keys:
        if found := data.get(key):
            return base64.b64decode(found)
    raise BadConnection(f"no kubeconfig under the key {' or '.join(repr(key) for key in keys)}")


def digest_of(*parts: object) -> str:
    return hashlib.sha256(b"\0".join(p if isinstance(p, bytes) else orjson.dumps(p) for p in parts)).hexdigest()


def through_proxy(connection: Connection, environment: Mapping[str, str]) -> Connection:
    """The kubeconfig's own proxy, else the controller's for this host."""
    parts = urlsplit(connection.server)
    proxies = {name.lower().removesuffix("_proxy"): url for name, url in environment.items() if name.lower().endswith("_proxy")}
    if connection.proxy or proxy_bypass_environment(parts.hostname or "", proxies):
        return connection
    return replace(connection, proxy=proxies.get(parts.scheme, ""))


def shown(server: str) -> str:
    """Without whatever secret a URL can hold."""
    parts = urlsplit(server)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
