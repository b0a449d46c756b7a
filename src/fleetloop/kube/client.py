"""The Kubernetes client: requests over one pool of connections. It decides nothing and keeps nothing but discovery."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import aiohttp
import orjson
from yarl import URL

from fleetloop.kube.answers import again_when_lost, bounded, decoded_or_none, lines_of, parsed, pause_of, translated, whole_of
from fleetloop.kube.connection import Connection
from fleetloop.kube.discovery import AGGREGATED, Discovery, Resource
from fleetloop.kube.errors import ApiError, NotFound, error_of
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of

PAGE = 500
POOL = 64
REQUEST_TIMEOUT = 60.0
METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
THROTTLED_TRIES = 10  # a server that says 429, or 503 and when to come again; client-go tries as often
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
Manifests: TypeAlias = list[Manifest]  # the class below has a method called list
Resources: TypeAlias = list[Resource]
PatchType = Literal["merge", "json", "strategic", "apply"]


@dataclass(frozen=True, slots=True)
class WatchEvent:
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Manifest


@dataclass(frozen=True, slots=True)
class Preview:
    """What an apply would store; `started` is the server's clock, in whole seconds, when it was asked."""

    object: Manifest
    started: datetime


class Kube:
    """One identity at one API server. Use as an async context manager; `acting_as` shares the pool.

    Every call raises ApiError (see kube.errors) for an answer that is a refusal, and Unreachable when none came or not all of it.
    After Unreachable and after a status of 500 or more nobody knows whether a write was done.
    """

    def __init__(
        self,
        connection: Connection,
        field_manager: str = "fleetloop",
        user_agent: str = "fleetloop",
        traces: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        """`traces` hear of every request."""
        self.connection = connection
        self.field_manager = field_manager
        self._user_agent = user_agent
        self.traces = traces
        self._listed_as = "application/json"
        self._session: aiohttp.ClientSession | None = None
        self._discovery = Discovery(self._fetch_discovery)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, ssl=self.connection.ssl_context())
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": self._user_agent},
            trace_configs=list(self.traces),
            cookie_jar=aiohttp.DummyCookieJar(),  # of all whom we act as
        )
        self._slots = asyncio.Semaphore(POOL)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session:
            await self._session.close()

    def acting_as(self, user: str, groups: tuple[str, ...] = ()) -> "Kube":
        """The same server, as somebody else. An empty user is refused: it would mean our own rights."""
        if not user:
            raise ValueError("cannot act as an empty user")
        return self._sharing(self.connection.acting_as(user, groups), self.field_manager)

    def managing_as(self, field_manager: str) -> "Kube":
        return self._sharing(self.connection, field_manager)

    def metadata_only(self) -> "Kube":
        """Lists and watches bring nothing but metadata."""
        other = self._sharing(self.connection, self.field_manager)
        other._listed_as = METADATA
        return other

    async def get(self, ref: ObjectRef) -> Manifest:
        return await self._call("GET", await self._path(ref))

    async def find(self, ref: ObjectRef) -> Manifest | None:
        try:
            return await self.get(ref)
        except NotFound:
            return None

    async def list(
        self, api_version: str, kind: str, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Manifests:
        items, _ = await self.list_with_version(api_version, kind, namespace, label_selector, field_selector)
        return items

    async def list_with_version(
        self, api_version: str, kind: str, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> tuple[Manifests, str]:
        """All objects, in pages of 500, and the version to watch from. Items carry apiVersion and kind."""
        resource = await self.resource_for(api_version, kind)
        params = _selectors(label_selector, field_selector) | {"limit": str(PAGE)}
        items: Manifests = []
        while True:
            page = await self._call("GET", resource.path(namespace), params=params, accept=self._listed_as.format("List"))
            items += [{"apiVersion": api_version, "kind": kind, **item} for item in page.get("items") or []]
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, metadata.get("resourceVersion") or ""
            params["continue"] = metadata["continue"]

    async def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """One stream until the server ends it; bookmarks included. Raises Expired when the version is too old."""
        resource = await self.resource_for(api_version, kind)
        params = _selectors(label_selector, field_selector) | {"watch": "true", "allowWatchBookmarks": "true"}
        if resource_version:
            params["resourceVersion"] = resource_version
        async with self._send("GET", resource.path(namespace), params=params, accept=self._listed_as.format("")) as response:
            async for line in lines_of(response.content, self.connection.largest_answer):
                event = parsed(line, "GET", resource.path(namespace))
                if event["type"] == "ERROR":
                    raise error_of(int(event["object"].get("code") or 500), event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """`dry_run`: AlreadyExists for what would be accepted if nothing of the name were there, Invalid for what never is."""
        ref = ref_of(manifest)
        resource = await self.resource_for(ref.api_version, ref.kind)
        params = self._manager() | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", resource.path(ref.namespace), params=params, body=manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        return await self._call("PUT", await self._path(ref_of(manifest)), params=self._manager(), body=manifest)

    async def apply(self, manifest: Manifest, *, force: bool = True, dry_run: bool = False, field_manager: str = "") -> Manifest:
        """Server-side apply. `dry_run`: what would be stored, storing nothing."""
        if dry_run:
            return (await self.preview(manifest, force=force, field_manager=field_manager)).object
        params = self._apply_params(force, field_manager)
        path = await self._path(ref_of(manifest))
        return await self._call("PATCH", path, params=params, body=manifest, content_type=PATCH_TYPES["apply"])

    async def preview(self, manifest: Manifest, *, force: bool = True, field_manager: str = "") -> Preview:
        """A dry run of `apply`, with the server's clock at the time."""
        params = self._apply_params(force, field_manager) | {"dryRun": "All"}
        path = await self._path(ref_of(manifest))
        return await again_when_lost(lambda: self._preview(path, params, manifest))

    async def _preview(self, path: str, params: dict[str, str], manifest: Manifest) -> Preview:
        started = time.monotonic()
        async with (
            self._slots,
            bounded(REQUEST_TIMEOUT, "PATCH", path),
            self._send("PATCH", path, params=params, body=manifest, content_type=PATCH_TYPES["apply"]) as response,
        ):
            answered = parsedate_to_datetime(response.headers["Date"])
            seen = parsed(await self._body_of(response), "PATCH", path)
            return Preview(seen, answered - timedelta(seconds=time.monotonic() - started))

    async def patch(
        self,
        ref: ObjectRef,
        body: Any,
        *,
        subresource: str = "",
        patch_type: PatchType = "merge",
        field_manager: str = "",
    ) -> Manifest:
        params = {"fieldManager": field_manager or self.field_manager}
        path = await self._path(ref, subresource)
        return await self._call("PATCH", path, params=params, body=body, content_type=PATCH_TYPES[patch_type])

    async def delete(
        self, ref: ObjectRef, *, propagation: str = "Background", uid: str = "", grace_seconds: int | None = None
    ) -> None:
        """`uid`: only that very object; another of the same name is a Conflict."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._call("DELETE", await self._path(ref), body=options)

    async def server_version(self) -> dict[str, Any]:
        return await self._call("GET", "/version")

    async def raw(self, method: str, path: str, body: Any = None, params: dict[str, str] | None = None) -> tuple[int, bytes]:
        """A request outside the object model (logs, reviews): status and body, refusals included."""
        async with self._send(method, path, params=params, body=body, accept_errors=True) as response:
            return response.status, await self._body_of(response)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, params: dict[str, str] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lines of a long answer, as `logs?follow=true` gives."""
        async with self._send("GET", path, params=params) as response:
            yield lines_of(response.content, self.connection.largest_answer)

    async def resource_for(self, api_version: str, kind: str) -> Resource:
        return await self._discovery.resource_for(api_version, kind)

    def known_resources(self) -> Resources:
        """As discovery last told, without asking."""
        return self._discovery.known()

    async def versions_of(self, group: str, kind: str) -> Sequence[str]:
        """Where the kind is served now; empty when the API has none. See Discovery.versions_of."""
        return await self._discovery.versions_of(group, kind)

    async def resources(self) -> Resources:
        return await self._discovery.all()

    async def _body_of(self, response: aiohttp.ClientResponse) -> bytes:
        return await whole_of(response, self.connection.largest_answer)

    def _sharing(self, connection: Connection, field_manager: str) -> "Kube":
        other = Kube(connection, field_manager, self._user_agent)
        other._session, other._slots, other._discovery = self._session, self._slots, self._discovery
        return other

    def _apply_params(self, force: bool, field_manager: str) -> dict[str, str]:
        return {"fieldManager": field_manager or self.field_manager, "force": "true" if force else "false"}

    def _manager(self) -> dict[str, str]:
        return {"fieldManager": self.field_manager}

    async def _path(self, ref: ObjectRef, subresource: str = "") -> str:
        resource = await self.resource_for(ref.api_version, ref.kind)
        if resource.namespaced and not ref.namespace:
            raise ApiError(400, "BadRequest", f"{ref} namespace not specified")
        return resource.path(ref.namespace, ref.name, subresource)

    async def _fetch_discovery(self, path: str) -> dict[str, Any]:
        return await self._call("GET", path, accept=AGGREGATED)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            return await self._ask(method, path, params, body, content_type, accept)

        return await (again_when_lost(ask) if method == "GET" else ask())

    async def _ask(
        self, method: str, path: str, params: dict[str, str] | None, body: Any, content_type: str, accept: str
    ) -> dict[str, Any]:
        async with (
            self._slots,
            bounded(REQUEST_TIMEOUT, method, path),
            self._send(method, path, params=params, body=body, content_type=content_type, accept=accept) as response,
        ):
            decoded = parsed(await self._body_of(response), method, path)
            return decoded if isinstance(decoded, dict) else {"value": decoded}

    @contextlib.asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        accept_errors: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("Kube is used outside its context")
        headers = [*self.connection.headers(), ("Accept", accept)]
        data = None
        if body is not None:
            headers.append(("Content-Type", content_type))
            data = orjson.dumps(body)
        async with bounded(REQUEST_TIMEOUT, method, path):  # to the answer's head: a watch goes on for ever
            for attempt in range(THROTTLED_TRIES):
                with translated(method, path, self.connection.server):
                    response = await self._session.request(
                        method,
                        URL(self.connection.server + path, encoded=True),  # nothing decodes or shortens what was quoted
                        params=params,
                        data=data,
                        headers=headers,
                        server_hostname=self.connection.tls_server_name or None,
                        proxy=self.connection.proxy or None,
                        allow_redirects=False,
                    )
                pause = pause_of(response.status, response.headers.get("Retry-After"))
                if pause is None or attempt == THROTTLED_TRIES - 1:
                    break
                response.release()
                await asyncio.sleep(pause)
        async with response:
            with translated(method, path, self.connection.server):
                if response.status >= 400 and not accept_errors:
                    raise error_of(response.status, decoded_or_none(await self._body_of(response)))
                yield response


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    found = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in found.items() if value}
