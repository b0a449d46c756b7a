"""Our CRDs against the published schema, field for field. FLEETLOOP_CONTRACT names a newer copy of the file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS, Kind
from tests.contract.crd_facts import added_fields, facts_of, published

CASES = Path(__file__).parents[1] / "cases"
PUBLISHED = published(Path(os.environ.get("FLEETLOOP_CONTRACT", CASES / "crds.txt")))
ADDED = added_fields(CASES / "old-versions.txt")
IDS = [kind.kind for kind in KINDS]
FIELDS = 900  # in all kinds together; the comparison must not quietly shrink


def version_of(kind: Kind, version: str) -> dict[str, Any]:
    versions: list[dict[str, Any]] = crd_of(kind)["spec"]["versions"]
    return next(one for one in versions if one["name"] == version)


def schema_of(kind: Kind, version: str) -> dict[str, Any]:
    schema: dict[str, Any] = version_of(kind, version)["schema"]["openAPIV3Schema"]
    return schema


def test_every_kind_is_compared_with_all_its_fields(record_property: Any) -> None:
    assert {kind.kind: kind.api_version for kind in KINDS} == {name: one.api_version for name, one in PUBLISHED.items()}
    compared = sum(len(facts_of(schema_of(kind, kind.version))) for kind in KINDS)
    record_property("fields", compared)
    assert compared == sum(len(kind.fields) for kind in PUBLISHED.values()) >= FIELDS
    print(f"{compared} fields of {len(KINDS)} kinds compared")


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_fields_and_constraints(kind: Kind) -> None:
    assert facts_of(schema_of(kind, kind.version)) == PUBLISHED[kind.kind].fields


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_names_columns_and_subresources(kind: Kind) -> None:
    crd, version = crd_of(kind), version_of(kind, kind.version)
    names = crd["spec"]["names"]
    columns = [
        f"column: {column['name']} {column['type']} {column['jsonPath']} priority={column.get('priority', 0)}"
        for column in version["additionalPrinterColumns"]
    ]
    headings = [
        f"names: plural={names['plural']} singular={names['singular']} short={names.get('shortNames', [])} "
        f"categories={names.get('categories', [])} scope={crd['spec']['scope']} served={version['served']} "
        f"storage={version['storage']} deprecated={version.get('deprecated', False)}",
        f"crd annotations={json.dumps(crd['metadata']['annotations'])} labels={{}}",
        f"subresources: {json.dumps(version['subresources'])}",
        *columns,
    ]
    assert headings == PUBLISHED[kind.kind].headings


def test_old_versions_are_served_and_complete() -> None:
    assert {(kind.kind, version) for kind in KINDS for version in kind.deprecated_versions} == set(ADDED)


@pytest.mark.parametrize(("name", "version"), ADDED, ids=lambda value: value)
def test_an_old_version_has_its_own_fields_and_todays(name: str, version: str) -> None:
    kind = next(kind for kind in KINDS if kind.kind == name)
    served = version_of(kind, version)
    assert (served["served"], served["storage"], served["deprecated"]) == (True, False, True)
    facts, today = facts_of(schema_of(kind, version)), PUBLISHED[name].fields
    assert today.items() <= facts.items()
    own = {path: fact for path, fact in facts.items() if path not in today}
    expected = ADDED[name, version]
    below = {path for path in own if any(path.startswith((f"{parent}.", f"{parent}[]")) for parent in expected)}
    assert {path: fact for path, fact in own.items() if path not in below} == expected


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_one_version_is_stored(kind: Kind) -> None:
    assert [one["name"] for one in crd_of(kind)["spec"]["versions"] if one["storage"]] == [kind.version]
