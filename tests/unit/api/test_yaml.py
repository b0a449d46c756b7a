"""tests/cases/yaml.json holds what sigs.k8s.io/yaml v1.6.0 answered to the same questions."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.api import yaml

CASES = json.loads((Path(__file__).parents[2] / "cases" / "yaml.json").read_text())
WRITTEN = [case for case in CASES if "dump" in case and "error" not in case]
READ = [case for case in CASES if "load" in case and "error" not in case]
REFUSED = [case for case in CASES if "load" in case and "error" in case]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: json.dumps(case["dump"])[:60])
def test_writes_as_go_does(case: dict[str, Any]) -> None:
    assert yaml.dump(case["dump"]) == case["text"]


@pytest.mark.parametrize("case", READ, ids=lambda case: json.dumps(case["load"])[:60])
def test_reads_as_go_does(case: dict[str, Any]) -> None:
    value = yaml.load(case["load"])
    assert (value, type(value)) == (case["value"], type(case["value"]))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: json.dumps(case["load"])[:60])
def test_refuses_what_go_refuses(case: dict[str, Any]) -> None:
    with pytest.raises(yaml.InvalidYAML):
        yaml.load(case["load"])


@given(json_values)
def test_what_is_written_reads_back(value: Any) -> None:
    assert yaml.load(yaml.dump(value)) == value


def test_several_documents() -> None:
    text = yaml.dump_all([{"a": 1}, {"b": 2}])
    assert text == "a: 1\n---\nb: 2\n"
    assert yaml.load_all(text) == [{"a": 1}, {"b": 2}]
    with pytest.raises(yaml.InvalidYAML, match="more than one document"):
        yaml.load(text)


def test_an_error_tells_the_line() -> None:
    with pytest.raises(yaml.InvalidYAML, match=r"^line 3: "):
        yaml.load("a: 1\nb: [\n")


@pytest.mark.parametrize("text", ["!!timestamp 2024-01-01", "!!binary aGk=", "!!set {a}", "!!python/object:x.y {}"])
def test_what_json_has_not_is_refused(text: str) -> None:
    with pytest.raises(yaml.InvalidYAML):
        yaml.load(f"a: {text}")


def test_aliases_cannot_make_a_small_text_huge() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(yaml.InvalidYAML, match="excessive aliasing"):
        yaml.load("\n".join(lines))


def test_merges_cannot_make_a_small_text_huge() -> None:
    lines = ["a0: &a0 {k: 0}"] + [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], k{i}: 0}}" for i in range(1, 1000)]
    with pytest.raises(yaml.InvalidYAML, match="excessive aliasing"):
        yaml.load("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 5000, "a: &a [*a]", "x: " + "{a: " * 300 + "}" * 300])
def test_endless_and_deep_documents_are_refused(text: str) -> None:
    with pytest.raises(yaml.InvalidYAML):
        yaml.load(text)
