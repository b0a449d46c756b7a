"""Which kinds the API server serves, under which path. A cache that asks again for a kind it does not know."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from json import dumps as quoted
from typing import Any
from urllib.parse import quote

from fleetloop.kube.errors import ApiError, KindUnknown, NotFound

_PLAIN = "!$&'()*+,;=:@~"  # what may stand in a segment beside letters, digits, `-._`
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Resource:
    """One served kind: its REST path is `/api/v1/...` or `/apis/GROUP/VERSION/...`. `names`: the singular and the short ones."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    names: tuple[str, ...] = ()

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Quoted. Raises ApiError for names that lead elsewhere: a tenant's `secretRef` may say `../../other/secrets/x`."""
        root = "/apis" if "/" in self.api_version else "/api"
        scope = f"/namespaces/{segment_of(namespace, 'namespace')}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (segment_of(name, "resource name"), subresource) if part)
        return f"{root}/{self.api_version}{scope}/{self.plural}{tail}"


def segment_of(text: str, what: str) -> str:
    """A name as one segment of a path. Raises ApiError where no object can have it: the rule of IsValidPathSegmentName."""
    if text in {".", ".."}:
        raise ApiError(400, "BadRequest", f"invalid {what} {quoted(text)}: may not be '{text}'")
    for sign in "/%":
        if sign in text:
            raise ApiError(400, "BadRequest", f"invalid {what} {quoted(text[:253])}: may not contain '{sign}'")
    return quote(text, safe=_PLAIN)


class Discovery:
    """`fetch` gets one discovery document (a decoded APIGroupDiscoveryList) by path."""

    def __init__(self, fetch: Callable[[str], Awaitable[dict[str, Any]]], known: list[Resource] | None = None) -> None:
        self._fetch = fetch
        self._resources = {(r.api_version, r.kind): r for r in known or []}

    async def resource_for(self, api_version: str, kind: str) -> Resource:
        """Raises KindUnknown after asking the server anew."""
        if found := self._resources.get((api_version, kind)):
            return found
        await self.refresh()
        if found := self._resources.get((api_version, kind)):
            return found
        raise KindUnknown(api_version, kind)

    async def all(self) -> list[Resource]:
        await self.refresh()
        return self.known()

    async def versions_of(self, group: str, kind: str) -> list[str]:
        """The API versions that serve the kind, each group asked itself: the whole of discovery may lack definitions for a while
        after a start of the server, when what it lacks is answered with 503. Empty: there is no such kind. Raises ApiError."""
        if not group:
            return [api_version for api_version, known in self._resources if known == kind and "/" not in api_version]
        found, group = [], segment_of(group, "group")
        for version in await self._listed(f"/apis/{group}", "versions"):
            api_version = f"{group}/{version['version']}"
            if any(item.get("kind") == kind for item in await self._listed(f"/apis/{api_version}", "resources")):
                found.append(api_version)
        return found

    async def _listed(self, path: str, key: str) -> list[dict[str, Any]]:
        try:
            return (await self._fetch(path)).get(key) or []
        except NotFound:
            return []

    def known(self) -> list[Resource]:
        return list(self._resources.values())

    async def refresh(self) -> None:
        for path in ("/api", "/apis"):
            for resource in resources_in(await self._fetch(path)):
                self._resources[(resource.api_version, resource.kind)] = resource


def resources_in(document: dict[str, Any]) -> list[Resource]:
    """The kinds of one aggregated discovery document; subresources are left out."""
    found = []
    for group in document.get("items") or []:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or []:
            api_version = "/".join(filter(None, (name, version["version"])))
            for item in version.get("resources") or []:
                kind = (item.get("responseKind") or {}).get("kind")
                if kind:
                    names = (item.get("singularResource") or "", *(item.get("shortNames") or ()))
                    found.append(Resource(api_version, kind, item["resource"], item.get("scope") == "Namespaced", names))
    return found
