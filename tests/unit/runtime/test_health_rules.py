"""Health by expressions: which apply, what they say, and when that is known."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from fleetloop.api.applier import CustomHealthCheck
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.health_rules import BadExpression, RuleJudge, check_rules, rules_for
from fleetloop.runtime.outcome import HealthRules, Target

WIDGET = ObjectRef("example.com/v1", "Widget", "team", "w")
RULES = HealthRules("waiting", "broken", "fine")
PREFIX = "Reconciliation failed terminally due to configuration error: "


def rule(api_version: str = "example.com/v1", kind: str = "Widget", current: str = "fine") -> CustomHealthCheck:
    return CustomHealthCheck(api_version=api_version, kind=kind, current=current, failed="broken", in_progress="waiting")


def test_a_rule_holds_for_its_kind_in_any_version_else_for_its_group() -> None:
    found = rules_for(WIDGET, [rule(kind="", current="group"), rule("example.com/v1beta1")])
    assert found == RULES
    other = ObjectRef("example.com/v2", "Gadget", "team", "g")
    assert rules_for(other, [rule(kind="", current="group"), rule()]) == HealthRules("waiting", "broken", "group")
    assert rules_for(ObjectRef("v1", "ConfigMap", "team", "c"), [rule()]) is None


async def test_a_second_set_of_a_kind_and_bad_syntax_are_terminal() -> None:
    async def check(expressions: Sequence[str]) -> list[str]:
        return ["bad syntax" if text == "fine" else "" for text in expressions]

    with pytest.raises(BadExpression) as twice:
        await check_rules([rule(), rule("example.com/v2")], check)
    assert str(twice.value) == f"{PREFIX}spec.healthCheckExprs[1]: Widget.example.com is already in spec.healthCheckExprs[0]"
    with pytest.raises(BadExpression) as syntax:
        await check_rules([rule(current="good"), rule("x/v1")], check)
    assert str(syntax.value) == f"{PREFIX}spec.healthCheckExprs[1].current: bad syntax"
    await check_rules([], check)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"waiting": True, "broken": True, "fine": True}, "InProgress"),
        ({"waiting": False, "broken": True, "fine": "no such key"}, "Failed"),
        ({"waiting": False, "broken": False, "fine": True}, "Current"),
        ({"waiting": False, "broken": False, "fine": False}, "InProgress"),
        ({"waiting": "no such attribute: status", "broken": True, "fine": True}, "Unknown"),
    ],
)
async def test_the_first_expression_that_holds_decides(answers: dict[str, bool | str], status: str) -> None:
    assert (await judged({"metadata": {"generation": 2}, "status": {"observedGeneration": 2}}, answers)).status == status


async def test_an_unseen_generation_is_in_progress_whatever_they_say() -> None:
    manifest = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}
    assert (await judged(manifest, {"waiting": False, "broken": False, "fine": True})).status == "InProgress"


async def judged(manifest: dict[str, Any], answers: dict[str, bool | str]) -> Health:
    """The verdict once it is told; before, the object is in progress."""
    told: asyncio.Future[Target] = asyncio.get_running_loop().create_future()

    async def evaluate(expressions: Sequence[str], variables: dict[str, Any]) -> list[bool | str]:
        assert variables == manifest
        return [answers[text] for text in expressions]

    judge = RuleJudge(evaluate, told.set_result)
    target = Target(WIDGET, rules=RULES)
    live = LiveObject("team", "w", 7, 2, Health("Current"), content=orjson.dumps(manifest))
    assert judge.health(target, live).status == "InProgress"
    running = asyncio.ensure_future(judge.run())
    assert await asyncio.wait_for(told, 5) == target
    running.cancel()
    return judge.health(target, live)
