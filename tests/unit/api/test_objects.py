"""Decoding and encoding objects, as the API server sends and takes them."""

import json
from typing import Any

import msgspec
import pytest

from fleetloop.api.event import event_of
from fleetloop.api.kinds import KINDS, UnknownKind, kind_named, kind_of
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Condition, Key, api_name, content_of
from fleetloop.api.source_extensions import ArtifactGenerator

KUSTOMIZATION: dict[str, Any] = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {
        "name": "apps",
        "namespace": "team",
        "generation": 2,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "x"}],
    },
    "spec": {"interval": "10m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "apps"}},
}
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "ok",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}


def decoded(**changes: Any) -> Kustomization:
    return msgspec.json.decode(json.dumps(KUSTOMIZATION | changes), type=Kustomization)


def test_names_follow_the_api() -> None:
    assert [api_name(field) for field in ("source_ref", "issuer_url", "match_oidc_identity", "skip_crds", "api_version")] == [
        "sourceRef",
        "issuerURL",
        "matchOIDCIdentity",
        "skipCRDs",
        "apiVersion",
    ]


def test_an_object_has_its_key_and_defaults() -> None:
    found = decoded()
    assert found.key == Key("Kustomization", "team", "apps")
    assert str(found.key) == "Kustomization/team/apps"
    assert (found.spec.source_ref.name, found.spec.path, found.spec.force) == ("apps", "", False)
    assert found.metadata.creation_timestamp and found.metadata.creation_timestamp.year == 2026
    assert found.status.conditions == ()


def test_status_reads_and_writes_its_conditions() -> None:
    found = decoded(status={"conditions": [CONDITION], "observedGeneration": -1, "someday": {"new": 1}})
    assert found.status.is_true("Ready") and not found.status.is_true("Stalled")
    assert found.status.condition("Stalled") is None
    assert content_of(found.status) == {"conditions": [CONDITION], "observedGeneration": -1}


def test_what_a_kind_does_not_serve_is_not_written() -> None:
    spec = {
        "sources": [{"alias": "a", "kind": "Bucket", "name": "b"}],
        "artifacts": [{"name": "x", "copy": [{"from": "@a/**", "to": "@artifact/"}]}],
    }
    generator = msgspec.convert(KUSTOMIZATION | {"kind": "ArtifactGenerator", "spec": spec}, ArtifactGenerator)
    generator.status.observed_generation = 3
    generator.status.last_handled_reconcile_at = "now"
    assert generator.spec.artifacts[0].copy[0].from_ == "@a/**"
    assert content_of(generator.status) == {"lastHandledReconcileAt": "now"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"interval": "1m"}, "missing required field `prune`"),
        ({"interval": 5}, r"Expected `str`, got `int` - at `\$.spec.interval`"),
        ({**KUSTOMIZATION["spec"], "wait": "yes"}, r"at `\$.spec.wait`"),
    ],
)
def test_a_bad_object_is_refused_by_the_field(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        decoded(spec=spec)


def test_what_an_older_schema_let_in_is_readable() -> None:
    assert decoded(spec=KUSTOMIZATION["spec"] | {"interval": "1 day", "targetNamespace": ""}).spec.interval == "1 day"


def test_values_cannot_be_changed_in_place() -> None:
    condition = msgspec.convert(CONDITION, Condition)
    with pytest.raises(AttributeError):
        condition.reason = "Other"  # type: ignore[misc]
    assert msgspec.structs.replace(condition, reason="Other").reason == "Other"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_kinds_are_found_by_every_name(kind: Any) -> None:
    for word in (kind.kind, kind.singular, kind.plural, kind.crd_name, *kind.short_names):
        assert kind_named(word) is kind
        assert kind_named(word.upper()) is kind
    assert kind_of(kind.struct) is kind
    assert kind.suspendable == ("suspend" in kind.struct.__annotations__["spec"].__struct_fields__)
    assert kind.static == ("status" not in kind.struct.__struct_fields__)


def test_no_name_means_two_kinds() -> None:
    words = [word for kind in KINDS for word in {kind.singular, kind.plural, *kind.short_names}]
    assert len(words) == len(set(words))
    with pytest.raises(UnknownKind):
        kind_named("pod")


def test_an_event_reads_the_wire_form() -> None:
    event = event_of(
        b'{"involvedObject":{"kind":"GitRepository","name":"a","namespace":"b","apiVersion":"v1"},"severity":"info",'
        b'"timestamp":"2026-01-02T03:04:05Z","message":"m","reason":"r","reportingController":"source-controller"}'
    )
    assert (event.involved_object.name, event.reason, event.metadata) == ("a", "r", {})


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"metadata":null,"involvedObject":{"kind":"Job"},"severity":"loud"}'])
def test_less_than_an_event_is_read_too(body: bytes) -> None:
    assert event_of(body).metadata == {}
