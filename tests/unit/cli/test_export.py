"""What `export` and `create --export` print."""

from typing import Any

import pytest

from fleetloop.api.yaml import dump
from fleetloop.cli.create import CreateOptions, check_name
from fleetloop.cli.create_kustomization import CreateKustomization, SourceName, _relative_path, _source
from fleetloop.cli.create_source_git import CreateSourceGit, parse_git_url
from fleetloop.cli.errors import UsageError
from fleetloop.cli.export import exported
from fleetloop.cli.subjects import BY_NAME


def live(kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    extra = {"uid": "u", "resourceVersion": "1", "finalizers": ["f"], "managedFields": []}
    return {
        "apiVersion": BY_NAME[kind].api_version,
        "kind": kind,
        "metadata": {"name": "x", "namespace": "demo"} | extra | metadata,
        "spec": spec,
        "status": {"observedGeneration": 1},
    }


def spec_of(kind: str, spec: dict[str, Any]) -> Any:
    return exported(BY_NAME[kind], live(kind, spec))["spec"]


def test_only_what_a_person_would_write() -> None:
    found = exported(BY_NAME["Kustomization"], live("Kustomization", {"prune": True}, labels={"a": "b"}, annotations={"c": "d"}))
    assert found["metadata"] == {"name": "x", "namespace": "demo", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}


def test_durations_are_in_gos_form() -> None:
    spec = {"interval": "5m", "prune": False, "timeout": "90s", "retryInterval": "1h"}
    assert spec_of("Kustomization", spec) == {"interval": "5m0s", "prune": False, "timeout": "1m30s", "retryInterval": "1h0m0s"}


def test_free_form_values_are_left_alone() -> None:
    values = {"interval": "5m", "enabled": False, "name": ""}
    chart = {"spec": {"chart": "app", "interval": "1m", "sourceRef": {"kind": "HelmRepository", "name": "r"}}}
    found = spec_of("HelmRelease", {"interval": "5m", "values": values, "chart": chart})
    assert found["values"] == values
    assert found["chart"]["spec"]["interval"] == "1m0s"


def test_optional_fields_that_say_nothing_are_left_out() -> None:
    source = {"kind": "Bucket", "name": ""}
    spec = {
        "interval": "5m",
        "prune": False,
        "force": False,
        "suspend": False,
        "path": "./x",
        "sourceRef": source,
    }
    assert spec_of("Kustomization", spec) == {
        "interval": "5m0s",
        "prune": False,
        "path": "./x",
        "sourceRef": source,
    }


def test_ambiguous_scalars_are_quoted() -> None:
    assert 'chart: "y"' in dump({"chart": "y"})


@pytest.mark.parametrize("name", ["a", "a.b", "A", "-a", "a-", "a" * 64, "é"])
def test_names_that_are_refused(name: str) -> None:
    """⚠ CLI11."""
    with pytest.raises(UsageError, match="is invalid, it should adhere to standard defined in RFC 1123"):
        check_name(name)


@pytest.mark.parametrize("name", ["ab", "a-b", "0a", "a" * 63])
def test_names(name: str) -> None:
    """⚠ CLI11."""
    check_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("apps", SourceName("GitRepository", "apps")),
        ("gitrepository/apps", SourceName("GitRepository", "apps")),
        ("OCIRepository/apps.infra", SourceName("OCIRepository", "apps", "infra")),
        ("Bucket/my.app.infra", SourceName("Bucket", "my.app", "infra")),  # ⚠ CLI15
    ],
)
def test_source_of_a_kustomization(text: str, name: SourceName) -> None:
    """⚠ CLI15: the last dot splits."""
    assert _source(text) == name


SOURCES = "OCIRepository, GitRepository, Bucket"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Foo/x", "source kind 'Foo' is not supported, must be one of: OCIRepository, GitRepository, Bucket"),
        (
            "ExternalArtifact/x",
            "source kind 'ExternalArtifact' is not supported, must be one of: OCIRepository, GitRepository, Bucket",
        ),
        ("GitRepository/", "no name given for source of kind 'GitRepository'"),
        ("/x", "no kind specified for source '/x'"),
    ],
)
def test_source_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        _source(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("path", "kept"), [("foo", "./foo"), ("../..", "./"), ("", "./"), ("/x", "./x"), ("./a/../b", "./b")])
def test_a_path_stays_inside_the_source(path: str, kept: str) -> None:
    assert _relative_path(path) == kept


def kustomization(**fields: Any) -> dict[str, Any]:
    options = {"common": CreateOptions(), "source": SourceName("GitRepository", "apps"), "path": "./"}
    return CreateKustomization(name="ab", **(options | fields))._spec()


def test_health_checks() -> None:
    spec = kustomization(health_check=("Deployment/app.demo", "HelmRelease/db.demo"), health_check_timeout=120.0)
    assert spec["healthChecks"] == [
        {"kind": "Deployment", "name": "app", "namespace": "demo"},
        {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "name": "db", "namespace": "demo"},
    ]
    assert spec["timeout"] == "2m0s"
    assert "timeout" not in kustomization()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("app", "invalid health check 'app' must be in the format 'kind/name.namespace' [app]"),
        ("a/b/c", "invalid health check 'a/b/c' must be in the format 'kind/name.namespace' [a b c]"),
        ("deployment/a.b", "invalid health check kind 'deployment' can be HelmRelease, Deployment, DaemonSet or StatefulSet"),
        ("Pod/app.demo", "invalid health check kind 'Pod' can be HelmRelease, Deployment, DaemonSet or StatefulSet"),
        ("Deployment/app", "invalid health check 'Deployment/app' must be in the format 'kind/name.namespace'"),
    ],
)
def test_health_checks_that_are_refused(check: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        kustomization(health_check=(check,))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "ref"),
    [
        ({"branch": "main"}, {"branch": "main"}),
        ({"branch": "main", "tag": "v1"}, {"tag": "v1"}),
        ({"tag": "v1", "tag_semver": ">1"}, {"semver": ">1"}),
        ({"tag_semver": ">1", "ref_name": "refs/pull/1/head"}, {"name": "refs/pull/1/head"}),
        ({"branch": "main", "tag": "v1", "commit": "abc"}, {"commit": "abc", "branch": "main"}),
    ],
)
def test_the_most_exact_ref_wins(fields: dict[str, str], ref: dict[str, str]) -> None:
    assert CreateSourceGit(name="ab", **fields)._ref() == ref


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://h/x", "git URL scheme 'ftp' not supported, can be: ssh, http and https"),
        ("git@h:x/y", 'git URL parse failed: parse "git@h:x/y": first path segment in URL cannot contain colon'),
        ("x", "git URL scheme '' not supported, can be: ssh, http and https"),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_git_url(url)
    assert str(caught.value) == message
