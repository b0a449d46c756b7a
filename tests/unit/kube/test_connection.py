"""Kubeconfigs, in-cluster settings, and what is refused in somebody else's."""

from pathlib import Path

import pytest

from fleetloop.kube import BadConnection, from_document, from_foreign_document, from_kubeconfig, in_cluster, kubeconfig_paths

DOCUMENT = {
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
        {"name": "two", "context": {"cluster": "c", "user": "other"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443/"}}],
    "users": [{"name": "u", "user": {"token": "t"}}, {"name": "other", "user": {"username": "a", "password": "b"}}],
}


def test_current_context() -> None:
    connection = from_document(DOCUMENT)
    assert (connection.server, connection.namespace) == ("https://api.example:6443", "team")
    assert ("Authorization", "Bearer t") in connection.headers()


def test_named_context_and_basic_auth() -> None:
    assert ("Authorization", "Basic YTpi") in from_document(DOCUMENT, context="two").headers()


def test_missing_context_is_named() -> None:
    with pytest.raises(BadConnection, match='context "nope" does not exist'):
        from_document(DOCUMENT, context="nope")


@pytest.mark.parametrize("key", ["exec", "auth-provider", "client-certificate", "client-key", "tokenFile"])
def test_foreign_kubeconfig_runs_and_reads_nothing(key: str) -> None:
    """CVE-2022-24817: a tenant's kubeconfig must not start programs or read files of the controller."""
    value = {"command": "sh"} if key == "exec" else "/etc/shadow"
    hostile = DOCUMENT | {"users": [{"name": "u", "user": {key: value}}]}
    with pytest.raises(BadConnection, match=f"user 'u': {key} is not allowed"):
        from_foreign_document(hostile)


def test_foreign_kubeconfig_names_no_files_for_the_authority() -> None:
    hostile = DOCUMENT | {"clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority": "/etc/x"}}]}
    with pytest.raises(BadConnection, match="certificate-authority is not allowed"):
        from_foreign_document(hostile)


def test_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("contexts: [{name: one, context: {cluster: c, user: u}}]\n")
    second.write_text(
        "current-context: one\nclusters: [{name: c, cluster: {server: 'https://s', certificate-authority: ca.pem}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
    )
    (tmp_path / "ca.pem").write_text("PEM")
    connection = from_kubeconfig([first, second])
    assert (connection.server, connection.ca) == ("https://s", "PEM")
    listed = kubeconfig_paths({"KUBECONFIG": f"{first}:{tmp_path}/missing:{second}"})
    assert listed == [first, second]


def test_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("a: [")
    with pytest.raises(BadConnection, match="error loading config file"):
        from_kubeconfig([tmp_path / "k"])


def test_in_cluster(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "namespace").write_text("flux-system")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    connection = in_cluster(environment, tmp_path)
    assert (connection.server, connection.namespace) == ("https://127.0.0.1:6443", "flux-system")
    assert ("Authorization", "Bearer secret") in connection.headers()
    with pytest.raises(BadConnection):
        in_cluster({}, tmp_path)


def test_impersonation_needs_a_name() -> None:
    headers = from_document(DOCUMENT).acting_as("system:serviceaccount:a:b", ("g",)).headers()
    assert ("Impersonate-User", "system:serviceaccount:a:b") in headers
    assert ("Impersonate-Group", "g") in headers
