"""The pure parts of the bench: what it counts, reads and computes."""

import pytest
from bench.applications import application_revision, is_ready
from bench.counting import OURS, flow_schemas, requests_in, total
from bench.drift import MISCHIEF, disturbances, merged, nested, value_at
from bench.images import NEW_TAG, TAGS, tags_of
from bench.monorepo import CHANGED, SIZE, TEAMS, revision
from bench.phases import Floor, Phase
from bench.releases import chart, is_released
from bench.report import PURPOSES, cpu_ratio, percentile, ratio
from bench.usage import Usage, fields_of

METRICS = """\
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench-events",priority_level="exempt"} 30
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench-objects",priority_level="exempt"} 8
apiserver_flowcontrol_dispatched_requests_total{flow_schema="exempt",priority_level="exempt"} 1445
apiserver_request_total{code="200",dry_run="",group="",resource="services",subresource="",verb="APPLY",version="v1"} 1
apiserver_request_total{code="201",dry_run="",group="",resource="services",subresource="",verb="APPLY",version="v1"} 2
apiserver_request_total{code="200",dry_run="All",group="apps",resource="deployments",subresource="",verb="APPLY",version="v1"} 5
apiserver_request_total{code="200",dry_run="",group="",resource="services",subresource="status",verb="PATCH",version="v1"} 9
apiserver_request_total{code="200",dry_run="",group="",resource="namespaces",subresource="",verb="APPLY",version="v1"} 7
"""


def test_only_the_controllers_requests_are_counted() -> None:
    requests = requests_in(METRICS)
    assert requests == {"events": 30, "objects": 8, "apply": 3, "dry-run": 5}
    assert total(requests) == 38  # dry runs and applies are parts of `objects`


def test_a_stat_line_whose_name_holds_spaces_and_parentheses() -> None:
    numbers = "S 1 1 1 0 -1 0 0 0 0 0 10 2 3 4 20 0 1 0 100 4096 77 0"
    assert fields_of(f"42 (a (b) c) {numbers}") == (12, 7, 77)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_percentile(percent: int, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_revisions_differ_only_in_the_image_and_make_the_same_bytes_each_time() -> None:
    first, second = application_revision("v1"), application_revision("v2")
    assert first.archive() == application_revision("v1").archive()
    assert [name for name, text in first.files.items() if text != second.files[name]] == ["app/deployment.yaml"]


def test_a_monorepo_has_a_file_for_each_object_and_one_of_them_changes() -> None:
    first, second = revision(100, "v1"), revision(100, "v2")
    assert len(first.files) == 100 * SIZE
    assert len({name.partition("/")[0] for name in first.files}) == TEAMS
    assert [name for name, text in first.files.items() if text != second.files[name]] == [CHANGED]


def test_a_hundred_objects_of_ten_kinds_are_disturbed_once_in_every_way() -> None:
    done = disturbances()
    assert len({disturbance.ref for disturbance in done}) == 100
    ways = {(disturbance.ref.kind, disturbance.what) for disturbance in done}
    assert len(ways) == 10 * len(MISCHIEF)


def test_a_field_by_its_path() -> None:
    manifest = merged(nested(("spec", "selector", "app"), "a"), nested(("spec", "type"), None))
    assert manifest == {"spec": {"selector": {"app": "a"}, "type": None}}
    assert value_at(manifest, ("spec", "selector", "app")) == "a"
    assert value_at(manifest, ("spec", "type", "x")) is None


def test_an_older_generation_is_not_ready() -> None:
    status = {
        "observedGeneration": 1,
        "lastAppliedRevision": "main@sha1:a",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert is_ready({"metadata": {"generation": 1}, "status": status}, "main@sha1:a")
    assert not is_ready({"metadata": {"generation": 2}, "status": status}, "main@sha1:a")
    assert not is_ready({"metadata": {"generation": 1}, "status": status}, "main@sha1:b")


def test_statuses_of_every_kind_are_counted_apart_and_discovery_too() -> None:
    assert {"helmreleases/status", "imagepolicies/status", "kustomizations"} <= set(OURS)
    rules = {schema["metadata"]["name"]: schema["spec"]["rules"][0] for schema in flow_schemas("bench-controller")}
    assert rules.keys() == {f"bench-{purpose}" for purpose in PURPOSES if purpose not in {"dry-run", "apply"}}
    assert [name for name, rule in rules.items() if "nonResourceRules" in rule] == ["bench-discovery"]


def test_charts_of_two_versions_differ_in_the_version_alone() -> None:
    first, second = chart("1.0.0"), chart("1.1.0")
    assert [name for name, text in first.files.items() if text != second.files[name]] == ["app/Chart.yaml"]
    assert not [name for name, text in first.files.items() if "${" in text or "IMAGE_TAG" in text]
    assert "{{ .Release.Name }}" in first.files["app/templates/deployment.yaml"]


@pytest.mark.parametrize(("version", "generation", "expected"), [("1.0.0", 1, True), ("1.0", 1, False), ("1.0.0", 2, False)])
def test_a_release_counts_when_it_is_ready_with_the_charts_version(version: str, generation: int, expected: bool) -> None:
    status = {
        "observedGeneration": 1,
        "history": [{"chartVersion": "1.0.0+0123456789ab"}, {"chartVersion": "0.9.0+0123456789ab"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert is_released({"metadata": {"generation": generation}, "status": status}, version) is expected


def test_the_new_tag_is_newer_than_all() -> None:
    found = tags_of(TAGS)
    assert len(set(found)) == TAGS
    assert max([*found, NEW_TAG], key=lambda tag: [int(part) for part in tag.split(".")]) == NEW_TAG


def test_a_floor_that_asks_no_api_server_gives_no_ratio_of_its_cpu() -> None:
    phase = Phase("delivered", 10, seconds=3.0, api_server_cpu=1.0, floor=Floor("bare posts", 10, 2.0, 0.0))
    assert (ratio(phase), cpu_ratio(phase)) == (1.5, None)


def test_usages_of_several_processes_add_up() -> None:
    assert Usage(1.0, 2.0, 3, 4) + Usage(10.0, 20.0, 30, 40) == Usage(11.0, 22.0, 33, 44)
