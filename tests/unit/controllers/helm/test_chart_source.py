"""Which source a chart comes from, the version Helm sees, names, and the HelmChart of a template: 2.1, 2.2."""

from typing import Any

import pytest

from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Key, Object
from fleetloop.api.source import OCIRepository
from fleetloop.controllers.helm.chart_source import ChartSource, find_source, released_version, source_key
from fleetloop.controllers.helm.chart_template import chart_manifest
from fleetloop.controllers.helm.drift import Counts, differences, rules_of
from fleetloop.controllers.helm.failures import AccessDenied, ChartMutateError, SourceMissing, SourceNotReady
from fleetloop.controllers.helm.release import (
    Defaults,
    install_options,
    post_render,
    release_name,
    rollback_options,
    timeout_of,
    upgrade_options,
    waits_as_helm3,
)
from fleetloop.runtime.decode import decoded
from tests.unit.controllers.helm.releases import release

HEX = "0cc9a8446c95" + "0" * 52


class Sources:
    def __init__(self, status: dict[str, Any] | None = None, kind: str = "OCIRepository") -> None:
        manifest = {"apiVersion": "x", "kind": kind, "metadata": {"name": "chart", "namespace": "team", "generation": 1}}
        spec = {"interval": "1h", "url": "oci://x", "chart": "c", "sourceRef": {"kind": "GitRepository", "name": "g"}}
        struct = kind_named(kind).struct
        self._found = None if status is None else decoded(struct, manifest | {"spec": spec, "status": status})

    def find(self, key: Key) -> Object | None:
        return self._found


def artifact(revision: str = "1.0.0") -> dict[str, Any]:
    return {
        "digest": "sha256:a",
        "lastUpdateTime": "2026-01-01T00:00:00Z",
        "path": "p",
        "url": "http://x/y",
        "revision": revision,
    }


def found(sources: Sources, **spec: Any) -> ChartSource:
    return find_source(release(**spec), sources, no_cross_namespace=True, external_artifacts=False)


def test_usable_sources() -> None:
    """Ready is not needed; an artifact, the generation seen, and not being stalled are."""
    usable = {"observedGeneration": 1, "artifact": artifact()}
    assert found(Sources(usable)).artifact.digest == "sha256:a"
    with pytest.raises(SourceMissing, match="could not get Source object"):
        found(Sources())
    stalled = [{"type": "Stalled", "status": "True", "reason": "X", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    for other in ({"observedGeneration": 0}, {"artifact": None}, {"conditions": stalled}):
        with pytest.raises(SourceNotReady):
            found(Sources(usable | other))


def test_other_namespaces_and_external_artifacts_are_denied() -> None:
    ref = {"kind": "OCIRepository", "name": "chart", "namespace": "other"}
    with pytest.raises(AccessDenied, match="cross-namespace references are not allowed: cannot access OCIRepository other/chart"):
        found(Sources(), chartRef=ref)
    with pytest.raises(AccessDenied, match="ExternalArtifact feature gate is disabled"):
        found(Sources(), chartRef={"kind": "ExternalArtifact", "name": "chart"})


def version(revision: str, chart: str = "1.2.3", kind: str = "OCIRepository", tracks: bool = True) -> str:
    spec, status = {"interval": "1h", "url": "oci://x"}, {"artifact": artifact(revision)}
    manifest = {"metadata": {"name": "chart"}, "spec": spec, "status": status}
    made = decoded(OCIRepository, {"apiVersion": "x", "kind": "OCIRepository"} | manifest)
    assert made.status.artifact
    source = ChartSource(Key(kind, "team", "chart"), made.status.artifact)
    return released_version(source, chart, tracks_digests=tracks)


@pytest.mark.parametrize(
    ("revision", "chart", "seen"),
    [
        (f"1.2.3@sha256:{HEX}", "1.2.3", "1.2.3+0cc9a8446c95"),
        (f"1.2.3_b1@sha256:{HEX}", "1.2.3+b1", "1.2.3+0cc9a8446c95"),
        (f"latest@sha256:{HEX}", "1.2.3", "1.2.3+0cc9a8446c95"),
        (f"sha256:{HEX}", "1.2.3-rc.1", "1.2.3-rc.1+0cc9a8446c95"),
    ],
)
def test_hn2_the_digest_is_part_of_the_version(revision: str, chart: str, seen: str) -> None:
    assert version(revision, chart) == seen


def test_hn2_other_sources_and_the_gate_keep_the_version() -> None:
    assert version("1.2.3", kind="HelmChart") == "1.2.3"
    assert version("main@sha1:abc", kind="ExternalArtifact") == "1.2.3+abc"
    assert version(f"1.2.3@sha256:{HEX}", tracks=False) == "1.2.3"
    with pytest.raises(ChartMutateError):
        version(f"1.2.4@sha256:{HEX}")


def test_hn3_long_names_are_cut_at_forty() -> None:
    """HN3: the documentation's example has 42 characters before the hash; the controller cuts at 40."""
    long = release(targetNamespace="a-very-lengthy-target-namespace-with-a-nice-object-name")
    assert release_name(long).startswith("a-very-lengthy-target-namespace-with-a-n-")
    assert len(release_name(long)) == 53
    assert release_name(release(targetNamespace="there")) == "there-app"
    assert release_name(release(releaseName="given", targetNamespace="there")) == "given"


def test_the_charts_template() -> None:
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "repo", "namespace": "repos"}},
    }
    obj = release(chartRef=None, chart=template)
    made = chart_manifest(obj)
    assert made
    assert made["metadata"]["name"] == "team-app"
    assert made["metadata"]["namespace"] == "repos"
    assert made["metadata"]["labels"]["helm.toolkit.fluxcd.io/namespace"] == "team"
    assert made["metadata"]["annotations"] == {"c": "d"}
    assert (made["spec"]["version"], made["spec"]["interval"]) == ("*", "1h")
    assert str(source_key(obj)) == "HelmChart/repos/team-app"
    bare = chart_manifest(release(chartRef=None, chart={"spec": template["spec"]}))
    assert bare and "annotations" not in bare["metadata"]


def test_defaults_of_helm_3() -> None:
    """Gate UseHelm3Defaults: only where the spec says nothing."""
    plain, old = release(), Defaults(helm3=True)
    assert (install_options(plain, Defaults())["serverSide"], install_options(plain, old)["serverSide"]) == ("true", "false")
    assert install_options(release(install={"serverSideApply": True}), old)["serverSide"] == "true"
    assert (upgrade_options(plain, old)["serverSide"], rollback_options(plain)["serverSide"]) == ("auto", "auto")
    assert (post_render(plain, Defaults())["strategy"], post_render(plain, old)["strategy"]) == ("combined", "nohooks")
    assert (waits_as_helm3(plain, Defaults()), waits_as_helm3(plain, old)) == (False, True)
    assert not waits_as_helm3(release(waitStrategy={"name": "poller"}), old)
    assert waits_as_helm3(release(waitStrategy={"name": "legacy"}), Defaults())


def test_timeouts() -> None:
    assert timeout_of(release(), None) == 300
    assert timeout_of(release(timeout="1m"), None) == 60
    assert timeout_of(release(timeout="1m"), "2m") == 120


def test_drift_is_counted_and_rules_name_their_field() -> None:
    live = {"a": 1, "b": [1, 2], "gone": 1, "same": {"x": 1}}
    assert differences(live, {"a": 2, "b": [1], "new": 1, "same": {"x": 1}}) == Counts(1, 1, 2)
    assert str(Counts(1, 0, 2)) == "1 additions, 0 changes, 2 removals"
    whole = rules_of(release(driftDetection={"mode": "warn", "ignore": [{"paths": ["", "/data"]}]}))
    assert [places for _, places in whole.rules] == [(("data",),), ((),)]
    with pytest.raises(ValueError, match=r"spec\.driftDetection\.ignore\[0\]"):
        rules_of(release(driftDetection={"mode": "warn", "ignore": [{"paths": ["nonsense"]}]}))
