"""The decisions of kustomize-controller, without a cluster."""

import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.api.source import GitRepository
from fleetloop.build.expressions import NotCompiled
from fleetloop.controllers.kustomize.dependencies import check_dependencies, dependents
from fleetloop.controllers.kustomize.failures import (
    AccessDenied,
    ArtifactMissing,
    DependencyNotReady,
    SourceMissing,
)
from fleetloop.controllers.kustomize.health import health_targets, judge
from fleetloop.controllers.kustomize.history import recorded
from fleetloop.controllers.kustomize.pass_facts import is_news, pass_token, timeout_of
from fleetloop.controllers.kustomize.settings import GATES, KustomizeSettings
from fleetloop.controllers.kustomize.sources import Source, find_source
from fleetloop.controllers.kustomize.steps import belongs_to
from fleetloop.kube.apply import Change
from fleetloop.kube.errors import NotFound
from fleetloop.kube.kstatus import Health
from fleetloop.kube.normal_form import normalized
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.health_rules import BadExpression
from fleetloop.runtime.settings import common_flags, common_settings

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ARTIFACT = {
    "digest": "sha256:aa",
    "lastUpdateTime": "2026-01-01T00:00:00Z",
    "path": "p",
    "revision": "main@sha1:aaa",
    "url": "http://x/p",
}
READY = {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def kustomization(name: str = "app", status: dict[str, Any] | None = None, **spec: Any) -> Kustomization:
    base = {"interval": "5m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "src"}}
    manifest = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "team", "generation": 1, "uid": "u"},
        "spec": base | spec,
        "status": status or {},
    }
    return msgspec.convert(manifest, Kustomization)


def settings(*flags: str) -> KustomizeSettings:
    common = common_settings(common_flags("k", 4).read(list(flags)), GATES)
    return KustomizeSettings(common, 4, 30.0, False, (), frozenset())


class Sources(dict[Key, Object]):
    def find(self, key: Key) -> Object | None:
        return self.get(key)


def repository(namespace: str = "team", artifact: dict[str, Any] | None = ARTIFACT) -> GitRepository:
    manifest = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "src", "namespace": namespace},
        "spec": {"interval": "1m", "url": "https://x"},
        "status": {"artifact": artifact} if artifact else {},
    }
    return msgspec.convert(manifest, GitRepository, strict=False)


def source() -> Source:
    return Source(Key("GitRepository", "team", "src"), msgspec.convert(ARTIFACT, Artifact, strict=False))


def test_a_source_without_ready_but_with_artifact_is_used_sk20() -> None:
    """SK20: only the presence of an artifact counts."""
    repo = repository()
    assert find_source(kustomization(), Sources({repo.key: repo}), settings()).revision == "main@sha1:aaa"


def test_missing_sources_and_artifacts() -> None:
    with pytest.raises(SourceMissing, match=r'gitrepositories.source.toolkit.fluxcd.io "src" not found'):
        find_source(kustomization(), Sources(), settings())
    repo = repository(artifact=None)
    with pytest.raises(ArtifactMissing, match="Source artifact not found, retrying in 30s") as caught:
        find_source(kustomization(), Sources({repo.key: repo}), settings())
    assert caught.value.after == 30


def test_cross_namespace_sources_are_blocked_when_locked_down() -> None:
    repo = repository("other")
    ks = kustomization(sourceRef={"kind": "GitRepository", "name": "src", "namespace": "other"})
    assert find_source(ks, Sources({repo.key: repo}), settings()).key.namespace == "other"
    with pytest.raises(
        AccessDenied, match="can't access 'GitRepository/other/src', cross-namespace references have been blocked"
    ):
        find_source(ks, Sources({repo.key: repo}), settings("--no-cross-namespace-refs=true"))


def reader(*known: Kustomization) -> Callable[[Key], Awaitable[Kustomization]]:
    async def read(key: Key) -> Kustomization:
        for ks in known:
            if ks.key == key:
                return ks
        raise NotFound(404, "NotFound", f'kustomizations.kustomize.toolkit.fluxcd.io "{key.name}" not found')

    return read


async def never(_: str, __: dict[str, Any]) -> bool:
    raise AssertionError("no expression to evaluate")


DEPENDENT = {"dependsOn": [{"name": "base"}]}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (None, "dependency 'team/base' not found: kustomizations.kustomize.toolkit.fluxcd.io \"base\" not found"),
        ({}, "dependency 'team/base' is not ready"),
        ({"conditions": [READY], "observedGeneration": 0}, "dependency 'team/base' is not ready"),
        (
            {"conditions": [READY], "observedGeneration": 1, "lastAppliedRevision": "main@sha1:old"},
            "dependency 'team/base' revision is not up to date",
        ),
    ],
)
async def test_dependencies_not_met_sk29(status: dict[str, Any] | None, message: str) -> None:
    """SK29: the dependency is judged as it is now; its becoming ready wakes us (`dependents`), no 30 s to wait out."""
    known = [] if status is None else [kustomization("base", status)]
    with pytest.raises(DependencyNotReady, match=message):
        await check_dependencies(kustomization(**DEPENDENT), reader(*known), "main@sha1:aaa", never, additive=False)


async def test_dependencies_met() -> None:
    base = kustomization("base", {"conditions": [READY], "observedGeneration": 1, "lastAppliedRevision": "main@sha1:aaa"})
    await check_dependencies(kustomization(**DEPENDENT), reader(base), "main@sha1:aaa", never, additive=False)
    assert dependents(base.key, [base, kustomization("app", **DEPENDENT)]) == [Key("Kustomization", "team", "app")]


async def test_ready_expressions_replace_the_other_rules() -> None:
    base = kustomization("base")
    ks = kustomization(dependsOn=[{"name": "base", "readyExpr": "dep.x"}])

    async def answers(expression: str, variables: dict[str, Any]) -> bool:
        assert expression == "dep.x"
        assert variables["dep"]["metadata"]["name"] == "base"
        return True

    async def breaks(_: str, __: dict[str, Any]) -> bool:
        raise NotCompiled("no such function")

    async def cannot_tell(_: str, __: dict[str, Any]) -> bool:
        raise ValueError("no such key")

    await check_dependencies(ks, reader(base), "r", answers, additive=False)
    with pytest.raises(DependencyNotReady):
        await check_dependencies(ks, reader(base), "r", answers, additive=True)
    with pytest.raises(BadExpression, match=r"readyExpr 'dep.x': no such function"):
        await check_dependencies(ks, reader(base), "r", breaks, additive=False)
    with pytest.raises(DependencyNotReady, match="dependency 'team/base' is not ready according to readyExpr eval: no such key"):
        await check_dependencies(ks, reader(base), "r", cannot_tell, additive=False)


def test_circular_dependencies_wake_one_another_sk30() -> None:
    """SK30: a circle blocks nobody else: each object is woken by itself."""
    one, two = kustomization("one", dependsOn=[{"name": "two"}]), kustomization("two", dependsOn=[{"name": "one"}])
    assert dependents(one.key, [one, two]) == [two.key]
    assert dependents(two.key, [one, two]) == [one.key]


D, C = ObjectRef("apps/v1", "Deployment", "team", "d"), ObjectRef("v1", "ConfigMap", "team", "c")
SELF = ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "team", "app")


def test_wait_means_everything_applied_but_itself() -> None:
    changes = [Change(D, "created", 7), Change(C, "skipped"), Change(SELF, "created", 9)]
    targets = health_targets(kustomization(wait=True, healthChecks=[{"kind": "X", "name": "x"}]), changes, [])
    assert [(t.ref, t.version) for t in targets] == [(D, 7)]


def test_health_checks_are_not_given_a_namespace() -> None:
    targets = health_targets(kustomization(healthChecks=[{"kind": "Deployment", "name": "d", "namespace": "team"}]), [], [])
    assert [t.ref for t in targets] == [D]
    assert health_targets(kustomization(), [Change(D, "created", 7)], []) == frozenset()


@pytest.mark.parametrize("wait", [True, False])
def test_never_itself_and_a_job_may_be_gone_when_it_is_done(wait: bool) -> None:
    """8.10: whether all objects are waited for, or those listed."""
    job = ObjectRef("batch/v1", "Job", "team", "j")
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "team"}}
    listed = [{"apiVersion": r.api_version, "kind": r.kind, "name": r.name, "namespace": r.namespace} for r in (job, SELF)]
    changes = [Change(job, "created", 7), Change(SELF, "created", 9)]
    for spec, may_vanish in (({"ttlSecondsAfterFinished": 0}, True), ({}, False)):
        targets = health_targets(kustomization(wait=wait, healthChecks=listed), changes, [manifest | {"spec": spec}])
        assert [(t.ref, t.version, t.may_vanish) for t in targets] == [(job, 7, may_vanish)]


def test_verdicts_in_words() -> None:
    assert judge({}, 1) is None
    late = judge({D: Health("InProgress")}, 30)
    assert str(late) == "health check failed after 30s: timeout waiting for: [Deployment/team/d status: 'InProgress']"
    failed = judge({D: Health("Failed"), C: Health("InProgress")}, 1.5)
    assert (
        str(failed)
        == "health check failed after 1.5s: failed early due to stalled resources: [Deployment/team/d status: 'Failed']"
    )


def test_timeouts_and_tokens() -> None:
    assert timeout_of(kustomization()) == 270
    assert timeout_of(kustomization(interval="10s")) == 30
    assert timeout_of(kustomization(timeout="1s")) == 30
    assert pass_token(kustomization(), source()) == pass_token(kustomization(), source())


def test_only_news_are_worth_a_request() -> None:
    quiet = {"conditions": [READY], "observedGeneration": 1, "lastAppliedRevision": "main@sha1:aaa"}
    assert not is_news(kustomization(status=quiet), source())
    assert is_news(kustomization(status=quiet | {"lastAppliedRevision": "main@sha1:old"}), source())
    assert is_news(kustomization(), source())


def test_history_counts_equal_results_and_keeps_five() -> None:
    history = recorded((), "sha256:1", "ReconciliationSucceeded", source(), 1.5, NOW)
    history = recorded(history, "sha256:1", "ReconciliationSucceeded", source(), 2.5, NOW)
    assert [(s.total_reconciliations, s.last_reconciled_duration) for s in history] == [(2, "2.5s")]
    for number in range(2, 9):
        history = recorded(history, f"sha256:{number}", "BuildFailed", source(), 1, NOW)
    assert [s.digest for s in history] == [f"sha256:{n}" for n in (8, 7, 6, 5, 4)]


def test_objects_are_made_as_the_server_will_have_them() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}, "status": {}}
    assert normalized(secret) == {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dg=="}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "c"}, "status": {}}
    assert "status" in normalized(crd)


def test_whoever_applied_last_owns_the_object_sk28() -> None:
    """SK28: moving an object between Kustomizations is safe because of the labels."""
    labels = {"kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "team"}
    assert belongs_to(kustomization(), {"metadata": {"labels": labels}})
    assert not belongs_to(kustomization("other"), {"metadata": {"labels": labels}})
    assert not belongs_to(kustomization(), {"metadata": {}})
