"""The text in which two versions of an object are compared."""

from typing import Any

import pytest

from fleetloop.cli.diff_ignore import without_ignored
from fleetloop.cli.diff_report import report
from fleetloop.cli.errors import CliError
from fleetloop.cli.secret_mask import LAST_APPLIED, mask_pair, scrubbed


def test_values_first_then_what_came_and_went() -> None:
    before = {"data": {"a": "old", "gone": "x"}, "metadata": {"labels": {"a": "b"}}}
    after = {"data": {"a": "va-def"}, "metadata": {"labels": {"a": "b", "cl": "x", "more": "z"}}}
    assert report(before, after) == (
        "\ndata.a\n± value change\n- old\n+ va-def\n"
        "\ndata\n- one map entry removed:\n  gone: x\n"
        "\nmetadata.labels\n+ two map entries added:\n  cl: x\n  more: z\n\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([{"name": "a", "v": 1}], [{"name": "a", "v": 2}], "l.a.v\n± value change\n- 1\n+ 2\n"),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], "l\n⇆ order changed\n- a, b\n+ b, a\n"),
        ([1, 2], [2, 3], "l\n- one list entry removed:\n  - 1\n+ one list entry added:\n  - 3\n"),
        (["a", "b"], ["b", "a"], "l\n⇆ order changed\n- a, b\n+ b, a\n"),
        ([{"host": "a"}], [{"host": "b"}], "l.0.host\n± value change\n- a\n+ b\n"),
        (1, "1", "l\n± type change from int to string\n- 1\n+ 1\n"),
        (None, True, "l\n± type change from <nil> to bool\n- <nil>\n+ true\n"),
        ("a\nb\n", "a\nc\n", "l\n± value change in multiline text\n  a\n- b\n+ c\n"),
    ],
)
def test_layout(before: Any, after: Any, lines: str) -> None:
    assert report({"l": before}, {"l": after}) == f"\n{lines}\n"


def test_nothing_to_report() -> None:
    assert report({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == ""


def secret(annotation: str = "", **data: str) -> dict[str, Any]:
    annotations = {LAST_APPLIED: annotation} if annotation else {}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": annotations}, "data": data}


def test_no_value_of_a_secret_is_shown() -> None:
    """CVE-2026-42880, CVE-2026-43824: neither as data nor through the last-applied annotation."""
    before, after = mask_pair(
        secret("{data: b2xk}", a="b2xk", same="c2FtZQ==", gone="Z29uZQ=="), secret("{}", a="bmV3", same="c2FtZQ==")
    )
    assert before["data"] == {"a": "*** (before)", "same": "***", "gone": "***"}
    assert after["data"] == {"a": "*** (after)", "same": "***"}
    shown = report(before, after)
    assert "- *** (before)\n+ *** (after)\n" in shown
    assert not any(value in shown for value in ("b2xk", "bmV3", "c2FtZQ", "Z29uZQ"))
    config = {"kind": "ConfigMap", "data": {"a": "1"}}
    assert mask_pair(config, config) == (config, config)


def test_errors_do_not_quote_values() -> None:
    given = secret(a="aHVudGVyMg==")
    given["stringData"] = {"b": "swordfish"}
    message = scrubbed("cannot read hunter2, aHVudGVyMg==, swordfish, c3dvcmRmaXNo", given)
    assert message == "cannot read ***, ***, ***, ***"


@pytest.mark.parametrize(
    ("target", "is_removed"),
    [
        (None, True),
        ({"kind": "Deploy.*", "group": "apps", "version": "v1", "name": "a", "namespace": "n"}, True),
        ({"kind": "Deploy"}, False),
        ({"labelSelector": "tier=web,!old,tier!=db,tier"}, True),
        ({"labelSelector": "tier==db"}, False),
        ({"annotationSelector": "x"}, False),
        ({"labelSelector": "tier in (web)"}, True),
        ({"labelSelector": "tier notin (web)"}, False),
    ],
)
def test_ignored_paths(target: dict[str, str] | None, is_removed: bool) -> None:
    metadata = {"name": "a", "namespace": "n", "labels": {"tier": "web"}, "annotations": {"e.g/x": "1"}}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1, "c": [{"i": 1}]}}
    rule = {"paths": ["/spec/replicas", "/spec/c/0/i", "/metadata/annotations/e.g~1x", "/not/there"], "target": target}
    found = without_ignored(manifest, [rule])
    assert ("replicas" in found["spec"]) is not is_removed
    assert found["spec"]["c"] == ([{}] if is_removed else [{"i": 1}])
    assert ("annotations" in found["metadata"]) is not is_removed
    assert manifest["spec"]["replicas"] == 1  # type: ignore[index]


def test_an_ignore_rule_that_cannot_be_read_is_told() -> None:
    with pytest.raises(CliError, match=r"spec.ignore\[0\]: name: invalid regular expression"):
        without_ignored({}, [{"paths": ["/a"], "target": {"name": "("}}])
