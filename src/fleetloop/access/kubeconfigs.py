"""From spec.kubeConfig to a connection: read with the controller's identity from the namespace of the object that has it.

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

from fleetloop.access.credential import Credential
from fleetloop.api.applier import KubeConfigReference, SecretKeyReference
from fleetloop.api.meta import Key
from fleetloop.api.yaml import load
from fleetloop.kube.connection import Connection, PluginToken
from fleetloop.kube.errors import ApiError, BadConnection, NotFound
from fleetloop.kube.foreign_kubeconfig import ForeignRules, from_foreign_document
from fleetloop.kube.objects import Manifest, ObjectRef

DEFAULT_KEYS = ("value", "value.yaml")
LARGEST = 512 << 10  # bytes
DEEPEST = 50  # the loader ends the process at some depth


class ClusterUnusable(Exception):
    """The cluster of spec.kubeConfig cannot be worked with. The message names what describes it, and shows no secret."""


class KubeconfigMissing(ClusterUnusable):
    """The object that describes it is not there."""


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


Read = Callable[[ObjectRef], Awaitable[Manifest]]  # raises ApiError
Describe = Callable[[Key, KubeConfigReference], Awaitable[Described]]  # for whom; raises ClusterUnusable
DescribeCloud = Callable[[Key, str, Mapping[str, str]], Described]  # for whom, source, a ConfigMap's data; raises BadConnection


class Kubeconfigs:
    """Reads either form; `describe_cloud` knows the form that has credentials fetched."""

    def __init__(self, read: Read, rules: ForeignRules, describe_cloud: DescribeCloud) -> None:
        self._read = read
        self._rules = rules
        self._describe_cloud = describe_cloud

    async def describe(self, key: Key, wanted: KubeConfigReference) -> Described:
        """Raises ClusterUnusable naming the object and the key. Unreachable is this cluster's."""
        refs = kubeconfig_refs(key.namespace, wanted)
        if not refs:
            raise ClusterUnusable("spec.kubeConfig names neither a Secret nor a ConfigMap")
        ref = refs[0]
        try:
            data = (await self._read(ref)).get("data") or {}
            if wanted.secret_ref:
                return self._of_secret(str(ref), kubeconfig_in(data, wanted.secret_ref))
            return self._describe_cloud(key, str(ref), data)
        except NotFound as error:
            raise KubeconfigMissing(f"spec.kubeConfig: {ref}: {error.message}") from error
        except ApiError as error:
            raise ClusterUnusable(f"spec.kubeConfig: {ref}: {error.message}") from error
        except BadConnection as error:
            raise ClusterUnusable(f"spec.kubeConfig: {ref}: {error}") from error

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
        connection = from_foreign_document(document_in(content), self._rules.allowed)
        return through_proxy(connection, self._rules.environment)


def kubeconfig_refs(namespace: str, wanted: KubeConfigReference | None) -> list[ObjectRef]:
    """What is named, of which there is one at most."""
    named = {"Secret": wanted.secret_ref, "ConfigMap": wanted.config_map_ref} if wanted else {}
    return [ObjectRef("v1", kind, namespace, ref.name) for kind, ref in named.items() if ref]


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
        return load(content)
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
