"""Foreign writes: which are repaired, how fast, and what people are told."""

from typing import Any

import pytest

from fleetloop.controllers.kustomize.drift import told_of_fight, waits_for_interval
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import ObjectRef
from fleetloop.kube.ownership import Ownership
from fleetloop.runtime.foreign_writes import (
    LONGEST_PAUSE,
    REMEMBERED,
    Damper,
    Dampers,
    ForeignWrite,
    foreign_write,
)
from tests.unit.controllers.test_kustomize import kustomization

REF = ObjectRef("apps/v1", "Deployment", "team", "web")


def seen(fingerprint: bytes = b"1", left_alone: bool = False, **ownership: Any) -> LiveObject:
    owned = Ownership(**({"ours": b"ours", "held": 2, "since": "t1"} | ownership))
    return LiveObject("team", "web", 1, 1, Health("Current"), owned, fingerprint, left_alone)


def test_foreign_writes() -> None:
    gone = foreign_write(REF, seen(), None)
    assert gone
    assert str(gone) == "Deployment/team/web was deleted"
    assert foreign_write(REF, None, seen()) is None
    assert foreign_write(REF, seen(), seen(ours=b"less", held=1)) is None, "nothing but managedFields moved"
    assert foreign_write(REF, seen(), seen(b"2", ours=b"less", held=1, since="t2")) is None, "our own"
    write = foreign_write(REF, seen(), seen(b"2", ours=b"less", held=1, others={"hpa@t2": ("spec.replicas",)}))
    assert str(write) == "Deployment/team/web was changed by hpa (spec.replicas)"


def test_a_fight_is_damped_and_forgotten() -> None:
    damper = Damper()
    assert [damper.next_pause(t) for t in (0, 1, 2, 3)] == [0, 1, 2, 4]
    assert damper.writes == 4
    assert damper.next_pause(100) == 0
    assert damper.writes == 1


def test_a_fight_goes_on_over_its_longest_pause() -> None:
    damper, now = Damper(), 0.0
    for _ in range(20):
        now += damper.next_pause(now) + 1
    assert damper.pause == LONGEST_PAUSE


def test_many_objects_at_once_are_no_fight() -> None:
    dampers = Dampers()
    refs = [ObjectRef("v1", "ConfigMap", "team", f"c{n}") for n in range(50)]
    assert [dampers.of(("", ref)).next_pause(0.0) for ref in refs] == [0] * 50
    assert dampers.of(("elsewhere", refs[0])).next_pause(0.0) == 0
    assert dampers.of(("", refs[0])).next_pause(1.0) == 1


def test_what_is_remembered_is_bounded() -> None:
    dampers = Dampers()
    for n in range(REMEMBERED + 1):
        dampers.of(("", ObjectRef("v1", "ConfigMap", "team", f"c{n}"))).next_pause(0.0)
    assert dampers.of(("", ObjectRef("v1", "ConfigMap", "team", "c0"))).writes == 0


@pytest.mark.parametrize(("value", "waits"), [("disabled", True), ("Disabled", True), ("enabled", False)])
def test_the_off_switch(value: str, waits: bool) -> None:
    ks = kustomization()
    ks.metadata.annotations["kustomize.fleetloop.dev/drift-repair"] = value
    assert waits_for_interval(ks, seen(), None) == waits


def test_the_off_switch_of_an_object_counts_before_and_after_the_write() -> None:
    assert waits_for_interval(kustomization(), seen(left_alone=True), None)
    assert waits_for_interval(kustomization(), seen(), seen(left_alone=True))
    assert not waits_for_interval(kustomization(), seen(), seen())


def test_a_fight_is_told_with_its_parties_and_its_ways_out() -> None:
    words = told_of_fight(ForeignWrite(REF, {"hpa": ("spec.replicas",), "": ()}))
    assert words.startswith("Deployment/team/web was changed by hpa (spec.replicas), 3 times in a row")
    assert "spec.ignore" in words
    assert "kustomize.fleetloop.dev/drift-repair: disabled" in words
    assert str(ForeignWrite(REF, {"": ()})) == "Deployment/team/web was changed by somebody"
