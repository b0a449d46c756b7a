"""Where a kind is served: a group's own word, since the whole of discovery may be behind."""

from typing import Any

import pytest

from fleetloop.kube.discovery import Discovery, Resource
from fleetloop.kube.errors import ApiError, ServerFailed, error_of

GROUP = {"versions": [{"version": "v2"}, {"version": "v1"}]}


def resources(*kinds: str) -> dict[str, Any]:
    return {"resources": [{"kind": kind, "name": kind.lower()} for kind in kinds]}


def discovery(documents: dict[str, dict[str, Any] | int]) -> Discovery:
    """A server that has these documents, or answers with these statuses."""

    async def fetch(path: str) -> dict[str, Any]:
        found = documents.get(path, 404)
        if isinstance(found, int):
            raise error_of(found, None)
        return found

    return Discovery(fetch, [Resource("v1", "Secret", "secrets", True), Resource("e.io/v0", "Widget", "widgets", True)])


@pytest.mark.parametrize(
    ("documents", "found"),
    [
        ({}, []),
        ({"/apis/e.io": GROUP, "/apis/e.io/v1": resources("Widget"), "/apis/e.io/v2": resources("Other")}, ["e.io/v1"]),
        (
            {"/apis/e.io": GROUP, "/apis/e.io/v1": resources("Widget"), "/apis/e.io/v2": resources("Widget")},
            ["e.io/v2", "e.io/v1"],
        ),
        ({"/apis/e.io": GROUP, "/apis/e.io/v1": resources("Gadget")}, []),
    ],
)
async def test_only_what_the_group_itself_says_counts(documents: dict[str, Any], found: list[str]) -> None:
    assert await discovery(documents).versions_of("e.io", "Widget") == found


@pytest.mark.parametrize("away", ["/apis/e.io", "/apis/e.io/v1"])
async def test_a_server_that_cannot_tell_yet_is_not_taken_for_one_that_denies(away: str) -> None:
    documents: dict[str, dict[str, Any] | int] = {"/apis/e.io": GROUP, "/apis/e.io/v2": resources("Other")}
    with pytest.raises(ServerFailed):
        await discovery({**documents, away: 503}).versions_of("e.io", "Widget")


SECRET = Resource("v1", "Secret", "secrets", namespaced=True)


@pytest.mark.parametrize("name", ["..", ".", "../../flux-system/secrets/token", "a/b", "%2e%2e", "a%2Fb"])
async def test_names_lead_nowhere_else(name: str) -> None:
    for namespace, wanted in (("team", name), (name, "token")):
        with pytest.raises(ApiError, match=r"^invalid (namespace|resource name) "):
            SECRET.path(namespace, wanted)
    with pytest.raises(ApiError, match=r"^invalid group "):
        await discovery({}).versions_of(name, "Widget")


def test_names_stay_one_segment() -> None:
    assert SECRET.path("team", "a?b#c d", "status") == "/api/v1/namespaces/team/secrets/a%3Fb%23c%20d/status"
    role = Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False)
    assert role.path("", "system:node") == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node"


async def test_the_core_group_has_no_definitions_to_wait_for() -> None:
    assert await discovery({}).versions_of("", "Secret") == ["v1"]
    assert await discovery({}).versions_of("", "Widget") == []
