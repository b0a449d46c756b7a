"""The pure parts of the bench: what it counts, reads and computes."""

import pytest
from bench import fleet
from bench.counting import requests_in, total
from bench.drift import disturbances
from bench.report import percentile
from bench.usage import fields_of

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
    assert fields_of(f"42 (a (b) c) {numbers}") == (19, 77)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_percentile(percent: int, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_revisions_differ_only_in_the_image_and_make_the_same_bytes_each_time() -> None:
    first, second = fleet.Revision("v1"), fleet.Revision("v2")
    assert first.archive() == fleet.Revision("v1").archive()
    assert [name for name, text in first.files().items() if text != second.files()[name]] == ["deployment.yaml"]


def test_every_application_is_disturbed_once() -> None:
    done = disturbances(100, fleet.Revision("v2"))
    assert len({disturbance.ref.name for disturbance in done}) == 100


def test_an_older_generation_is_not_ready() -> None:
    status = {
        "observedGeneration": 1,
        "lastAppliedRevision": "main@sha1:a",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert fleet.is_ready({"metadata": {"generation": 1}, "status": status}, "main@sha1:a")
    assert not fleet.is_ready({"metadata": {"generation": 2}, "status": status}, "main@sha1:a")
    assert not fleet.is_ready({"metadata": {"generation": 1}, "status": status}, "main@sha1:b")
