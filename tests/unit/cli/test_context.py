"""Which cluster, as whom, in which namespace, for how long."""

import io
from pathlib import Path
from typing import Any

import pytest

from fleetloop.cli.context import Context, GlobalOptions, connect
from fleetloop.cli.errors import CliError, DeadlineExceeded, UsageError
from fleetloop.cli.say import Say

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c1
  cluster: {server: "https://c1:6443"}
- name: c2
  cluster: {server: "https://c2:6443"}
users:
- name: u1
  user: {token: t1}
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: apps}
- name: two
  context: {cluster: c2, user: u1}
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    return {"KUBECONFIG": f"{tmp_path / 'missing'}:{path}", "HOME": str(tmp_path)}


def context(environment: dict[str, str], *, checks_namespace: bool = True, answers: str = "", **options: Any) -> Context:
    out, err = io.StringIO(), io.StringIO()
    return Context("fleetloop", GlobalOptions(**options), environment, Say(err), out, io.StringIO(answers), checks_namespace)


def test_the_contexts_namespace_is_ignored(environment: dict[str, str]) -> None:
    """⚠ CLI3."""
    assert context(environment).namespace == "flux-system"


def test_the_contexts_namespace_is_followed_when_asked(environment: dict[str, str]) -> None:
    """⚠ CLI3: any value of the variable asks for it, also `false`; then it wins over FLUX_SYSTEM_NAMESPACE."""
    assert context(environment, ns_follows_kube_context=True).namespace == "apps"
    follow = {"FLUX_NS_FOLLOWS_KUBE_CONTEXT": "false", "FLUX_SYSTEM_NAMESPACE": "team"}
    assert context(environment | follow).namespace == "apps"
    assert context(environment | follow, context="two").namespace == "team"  # that context has none
    assert context(environment | follow, namespace="x").namespace == "x"


def test_create_does_not_follow_the_context(environment: dict[str, str]) -> None:
    """⚠ CLI4."""
    cx = context(environment, checks_namespace=False, ns_follows_kube_context=True)
    assert cx.namespace == "flux-system"


def test_an_empty_namespace_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match='namespace must be a valid DNS label: ""'):
        _ = context(environment, namespace="").namespace


def test_flags_are_laid_over_the_kubeconfig(environment: dict[str, str], tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("PEM")
    impersonation: dict[str, Any] = {"as_user": "jane", "as_group": ("a", "b"), "as_user_extra": ("Scopes=view",)}
    found = connect(GlobalOptions(context="two", token="t2", certificate_authority=str(authority), **impersonation), environment)
    assert (found.server, found.ca) == ("https://c2:6443", "PEM")
    assert found.headers() == [
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-scopes", "view"),
        ("Authorization", "Bearer t2"),
    ]
    assert connect(GlobalOptions(cluster="c2"), environment).server == "https://c2:6443"
    assert connect(GlobalOptions(server="https://other/"), environment).server == "https://other"


def test_a_context_that_is_not_there(environment: dict[str, str]) -> None:
    with pytest.raises(Exception, match='context "nope" does not exist'):
        connect(GlobalOptions(context="nope"), environment)


def test_a_file_that_is_not_there(environment: dict[str, str]) -> None:
    with pytest.raises(CliError, match="stat /no/such: no such file or directory"):
        connect(GlobalOptions(kubeconfig="/no/such"), environment)
    with pytest.raises(CliError, match="open /no/such: no such file or directory"):
        connect(GlobalOptions(certificate_authority="/no/such"), environment)


def test_without_a_kubeconfig_it_is_localhost(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert connect(GlobalOptions(), {"HOME": str(tmp_path)}).server == "http://localhost:8080"
    assert connect(GlobalOptions(kubeconfig=str(empty)), {"HOME": str(tmp_path)}).server == "http://localhost:8080"


def test_time_is_bounded_as_a_whole(environment: dict[str, str]) -> None:
    """⚠ CLI5: the bare text, whatever was waited for."""
    assert 0 < context(environment, timeout=5.0).remaining() <= 5
    with pytest.raises(DeadlineExceeded) as caught:
        context(environment, timeout=0.0).remaining()
    assert str(caught.value) == "context deadline exceeded"


@pytest.mark.parametrize("answer", ["", "n\n", "yes\n", "\n"])
def test_anything_but_y_aborts(environment: dict[str, str], answer: str) -> None:
    with pytest.raises(CliError, match="aborting"):
        context(environment, answers=answer).confirm("Are you sure")


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "y"])
def test_y_goes_on(environment: dict[str, str], answer: str) -> None:
    context(environment, answers=answer).confirm("Are you sure")
