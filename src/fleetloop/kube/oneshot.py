"""The Kubernetes client of commands that send a few requests and end: synchronous, over the standard library, quick to import.

Same connection, same errors, same objects as `client.Kube`; that one is for processes that stay. One thread uses it at a time.
"""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

import orjson

from fleetloop.kube.connection import Connection
from fleetloop.kube.discovery import AGGREGATED, Resource, resources_in
from fleetloop.kube.errors import ApiError, KindUnknown, NotConnected, NotFound, Unreachable, error_of
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of

PAGE = 500
REQUEST_TIMEOUT = 60.0
IDLE = 30.0  # seconds after which a connection is not used again: the server may have closed it
THROTTLED_TRIES = 10  # a server that says 429 says when to come again
MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"

Manifests: TypeAlias = list[Manifest]  # the class below has a method called list


class OneShot:
    """`remaining` gives the seconds the whole command has left; it may raise. Past it, a request raises TimeoutError.

    `known` resources need no discovery. Every call raises ApiError for a refusal and Unreachable when no answer came.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        field_manager: str,
        user_agent: str,
        remaining: Callable[[], float],
        known: list[Resource] | None = None,
    ) -> None:
        self._connection = connection
        self._field_manager = field_manager
        self._user_agent = user_agent
        self._remaining = remaining
        self._resources = {(r.api_version, r.kind): r for r in known or []}
        self._http: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self._tls: ssl.SSLContext | None = None

    def get(self, ref: ObjectRef) -> Manifest:
        return self._call("GET", self._path(ref))

    def find(self, ref: ObjectRef) -> Manifest | None:
        try:
            return self.get(ref)
        except NotFound:
            return None

    def list(
        self, api_version: str, kind: str, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Manifests:
        return self.list_with_version(api_version, kind, namespace, label_selector, field_selector)[0]

    def list_with_version(
        self, api_version: str, kind: str, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> tuple[Manifests, str]:
        """All objects, in pages, and the version to watch from. Items carry apiVersion and kind."""
        path = self.resource_for(api_version, kind).path(namespace)
        params = _selectors(label_selector, field_selector) | {"limit": str(PAGE)}
        items: Manifests = []
        while True:
            try:
                page = self._call("GET", path, params)
            except NotFound:
                raise KindUnknown(api_version, kind) from None  # a collection that is served is never missing
            items += [{"apiVersion": api_version, "kind": kind, **item} for item in page.get("items") or []]
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, metadata.get("resourceVersion") or ""
            params["continue"] = metadata["continue"]

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> Iterator[tuple[str, Manifest]]:
        """(event type, object) until the server ends the stream; TimeoutError when the command's time is over."""
        params = _selectors(label_selector, field_selector) | {"watch": "true"}
        if resource_version:
            params["resourceVersion"] = resource_version
        for line in self.stream(self.resource_for(api_version, kind).path(namespace), params):
            event = orjson.loads(line)
            if event["type"] == "ERROR":
                raise error_of(int(event["object"].get("code") or 500), event["object"])
            yield event["type"], event["object"]

    def create(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        path = self.resource_for(ref.api_version, ref.kind).path(ref.namespace)
        return self._call("POST", path, self._manager(), manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        return self._call("PUT", self._path(ref_of(manifest)), self._manager(), manifest)

    def patch(self, ref: ObjectRef, body: Manifest) -> Manifest:
        """A JSON merge patch."""
        return self._call("PATCH", self._path(ref), self._manager(), body, content_type=MERGE_PATCH)

    def delete(self, ref: ObjectRef) -> None:
        """Background propagation; does not wait for finalizers."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        self._call("DELETE", self._path(ref), body=options)

    def stream(self, path: str, params: dict[str, str] | None = None) -> Iterator[bytes]:
        """Lines of a long answer, over a connection of its own."""
        connection = self._dial()
        try:
            response = self._send(connection, "GET", path, params)
            while True:
                _allow(connection, self._remaining())
                with _Translated("GET", path):
                    line = response.readline()
                if not line:
                    return
                yield line.rstrip(b"\r\n")
        finally:
            connection.close()

    def resource_for(self, api_version: str, kind: str) -> Resource:
        """Raises KindUnknown after asking the server."""
        if (api_version, kind) not in self._resources:
            self.resources()
        try:
            return self._resources[(api_version, kind)]
        except KeyError:
            raise KindUnknown(api_version, kind) from None

    def resources(self) -> dict[tuple[str, str], Resource]:
        """Every served kind, by (apiVersion, kind)."""
        for path in ("/api", "/apis"):
            for resource in resources_in(self._call("GET", path, accept=AGGREGATED)):
                self._resources[(resource.api_version, resource.kind)] = resource
        return self._resources

    def _path(self, ref: ObjectRef) -> str:
        return self.resource_for(ref.api_version, ref.kind).path(ref.namespace, ref.name)

    def _manager(self) -> dict[str, str]:
        return {"fieldManager": self._field_manager}

    def _call(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        if self._http is not None and time.monotonic() - self._used_at > IDLE:
            self._http.close()
            self._http = None
        if self._http is None:
            self._http = self._dial()
        response = self._send(self._http, method, path, params, body, content_type, accept)
        with _Translated(method, path):
            decoded = orjson.loads(response.read())
        self._used_at = time.monotonic()
        return decoded if isinstance(decoded, dict) else {"value": decoded}

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> http.client.HTTPResponse:
        target = urlsplit(self._connection.server).path + path + (f"?{urlencode(params)}" if params else "")
        headers = [("User-Agent", self._user_agent), ("Accept", accept), *self._connection.headers()]
        data = b"" if body is None else orjson.dumps(body)
        if body is not None:
            headers += [("Content-Type", content_type), ("Content-Length", str(len(data)))]
        with _Translated(method, self._connection.server + path):
            for attempt in range(THROTTLED_TRIES):
                _allow(connection, min(self._remaining(), REQUEST_TIMEOUT))
                if connection.sock is None:
                    self._connect(connection, f"{method} {self._connection.server}{path}")
                connection.putrequest(method, target)
                for name, value in headers:
                    connection.putheader(name, value)
                connection.endheaders(data or None)
                response = connection.getresponse()
                if response.status != 429 or attempt == THROTTLED_TRIES - 1:
                    break
                response.read()
                time.sleep(min(float(response.headers.get("Retry-After") or 1), self._remaining()))
            if response.status >= 400:
                raise error_of(response.status, _decoded(response.read()))
            return response

    def _connect(self, connection: http.client.HTTPConnection, request: str) -> None:
        try:
            connection.connect()
        except TimeoutError:
            raise
        except OSError as error:
            raise NotConnected(request, self._connection.server, error) from error

    def _dial(self) -> http.client.HTTPConnection:
        """A connection that is opened by its first request."""
        server = urlsplit(self._connection.server)
        host, port = server.hostname or "", server.port
        if server.scheme != "https":
            return http.client.HTTPConnection(host, port)
        if self._tls is None:
            self._tls = self._connection.ssl_context()
        if not self._connection.proxy:
            return _Https(host, port, context=self._tls, server_name=self._connection.tls_server_name or host)
        proxy = urlsplit(self._connection.proxy)
        connection = _Https(
            proxy.hostname or "", proxy.port, context=self._tls, server_name=self._connection.tls_server_name or host
        )
        connection.set_tunnel(host, port or 443)
        return connection


class _Https(http.client.HTTPSConnection):
    """Verifies the certificate against a name that may differ from the host that is dialled."""

    def __init__(self, host: str, port: int | None, *, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(host, port, context=context)
        self._tls, self._server_name = context, server_name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


class _Translated:
    """What the network may raise, as Unreachable; TimeoutError is the caller's to judge and passes."""

    def __init__(self, method: str, path: str) -> None:
        self._what = f"{method} {path}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError | ApiError):
            return
        if isinstance(error, OSError | http.client.HTTPException):
            reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
            raise Unreachable(f"{self._what}: {reason}") from error


def _allow(connection: http.client.HTTPConnection, seconds: float) -> None:
    connection.timeout = seconds
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    found = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in found.items() if value}
