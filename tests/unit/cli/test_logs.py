"""Log lines as `logs` prints them."""

from typing import Any

import pytest

from fleetloop.cli.logs import Logs, _liveliness, line_of

ENTRY = {
    "level": "info",
    "ts": "2026-11-24T00:31:05.123Z",
    "msg": "stored artifact",
    "controller": "gitrepository",
    "controllerKind": "GitRepository",
    "name": "repo",
    "namespace": "demo",
}


def test_a_line_without_error_ends_with_a_space() -> None:
    assert line_of(ENTRY) == "2026-11-24T00:31:05.123Z info GitRepository/repo.demo - stored artifact "


def test_a_line_with_error_and_without_object() -> None:
    assert line_of({"level": "error", "ts": "t", "msg": "stop", "error": "boom"}) == "t error  - stop boom"


@pytest.mark.parametrize(
    ("flags", "namespace", "shown"),
    [
        ({}, "demo", True),
        ({}, "other", False),
        ({}, None, True),
        ({"level": "error"}, None, False),
        ({"kind": "gitrepository"}, None, True),
        ({"kind": "Kustomization"}, None, False),
        ({"name": "REPO"}, None, True),
        ({"name": "x"}, None, False),
    ],
)
def test_filters(flags: dict[str, str], namespace: str | None, shown: bool) -> None:
    assert Logs(**flags)._wants(ENTRY, namespace) is shown


def test_a_line_about_no_object_shows_in_all_namespaces_only() -> None:
    """⚠ CLI40."""
    assert not Logs()._wants({"msg": "starting"}, "flux-system")
    assert Logs()._wants({"msg": "starting"}, None)


def test_parameters() -> None:
    pod = {"spec": {"containers": [{"name": "a"}, {"name": "manager"}]}}
    assert Logs(since=1.2, tail=5)._parameters(pod) == {"container": "manager", "sinceSeconds": "2", "tailLines": "5"}
    assert Logs(follow=True)._parameters({"spec": {"containers": [{}]}}) == {"follow": "true"}


def test_the_pod_a_person_would_look_at() -> None:
    def pod(phase: str, node: str, ready: str, born: str) -> dict[str, Any]:
        status = {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}
        return {"metadata": {"name": f"{phase}{born}", "creationTimestamp": born}, "spec": {"nodeName": node}, "status": status}

    pods = [
        pod("Running", "n", "True", "1"),
        pod("Running", "n", "False", "9"),
        pod("Pending", "", "False", "8"),
        pod("Running", "n", "True", "2"),
    ]
    assert max(pods, key=_liveliness)["metadata"]["name"] == "Running2"
