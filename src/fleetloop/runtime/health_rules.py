"""spec.healthCheckExprs: CEL expressions that judge objects whose health no general rule can tell.

Expressions are evaluated in an engine, beside the watch that brings an object: the verdict of a version is known a moment
after its arrival, and told. Flux: source-kustomize.md 8.10.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from fleetloop.api.applier import CustomHealthCheck
from fleetloop.kube.kstatus import Health, Status
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import ObjectRef, group_of
from fleetloop.runtime.outcome import Failure, HealthRules, Retry, Target
from fleetloop.task_group import TaskGroup

KEPT = 10_000  # verdicts
LANES = 4  # evaluations at a time

Check = Callable[[Sequence[str]], Awaitable[Sequence[str]]]  # expressions -> the message of each, "" for a good one
Evaluate = Callable[[Sequence[str], dict[str, Any]], Awaitable[Sequence[bool | str]]]  # whether each holds, or what is wrong


class BadExpression(Failure):
    """One that only its author can mend."""

    reason, retry = "InvalidCELExpression", Retry.NEVER

    def __init__(self, message: str) -> None:
        super().__init__(f"Reconciliation failed terminally due to configuration error: {message}")


async def check_rules(checks: Sequence[CustomHealthCheck], check: Check) -> None:
    """Raises BadExpression, naming the field: an expression that cannot be parsed, or a kind with two sets of them."""
    first: dict[tuple[str, str], int] = {}
    for number, item in enumerate(checks):
        kind = (group_of(item.api_version), item.kind)
        if first.setdefault(kind, number) != number:
            name = ".".join(filter(None, reversed(kind)))
            raise BadExpression(f"spec.healthCheckExprs[{number}]: {name} is already in spec.healthCheckExprs[{first[kind]}]")
    fields = [
        (f"spec.healthCheckExprs[{number}].{name}", text)
        for number, item in enumerate(checks)
        for name, text in (("inProgress", item.in_progress), ("failed", item.failed), ("current", item.current))
        if text
    ]
    for (name, _), message in zip(fields, await check([text for _, text in fields]) if fields else (), strict=True):
        if message:
            raise BadExpression(f"{name}: {message}")


def rules_for(ref: ObjectRef, checks: Sequence[CustomHealthCheck]) -> HealthRules | None:
    """Those of its kind, else those of its whole group; versions do not matter."""
    found = {(group_of(c.api_version), c.kind): HealthRules(c.in_progress, c.failed, c.current) for c in checks}
    return found.get((ref.group, ref.kind)) or found.get((ref.group, ""))


class RuleJudge:
    """Verdicts by expressions, each version of an object judged once. `judged` hears that a target's verdict is known now."""

    def __init__(self, evaluate: Evaluate, judged: Callable[[Target], None]) -> None:
        self._evaluate = evaluate
        self._judged = judged
        self._verdicts: OrderedDict[tuple[Target, int], Health | None] = OrderedDict()  # None: being judged
        self._open: asyncio.Queue[tuple[Target, LiveObject]] = asyncio.Queue()

    def health(self, target: Target, live: LiveObject) -> Health:
        """InProgress while the expressions are evaluated."""
        key = (target, live.version)
        if key not in self._verdicts:
            self._verdicts[key] = None
            self._open.put_nowait((target, live))
            while len(self._verdicts) > KEPT:
                self._verdicts.popitem(last=False)
        return self._verdicts[key] or Health("InProgress", "its expressions are being evaluated")

    async def run(self) -> None:
        """Evaluates until cancelled."""
        async with TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            target, live = await self._open.get()
            assert target.rules
            verdict = await self._verdict(target.rules, orjson.loads(live.content))
            self._verdicts[(target, live.version)] = verdict
            self._judged(target)

    async def _verdict(self, rules: HealthRules, manifest: dict[str, Any]) -> Health:
        """Who has not seen its generation is in progress; then the first expression that holds decides; without one it is in
        progress too. An expression that cannot be evaluated, as before there is a status, tells nothing."""
        generation = manifest["metadata"].get("generation")
        observed = (manifest.get("status") or {}).get("observedGeneration")
        if observed is not None and generation is not None and observed != generation:
            return Health("InProgress", f"generation is {generation}, but latest observed generation is {observed}")
        meanings: list[tuple[Status, str]] = [
            ("InProgress", rules.in_progress),
            ("Failed", rules.failed),
            ("Current", rules.current),
        ]
        asked = [(status, text) for status, text in meanings if text]
        answers = await self._evaluate([text for _, text in asked], manifest)
        for (status, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, str):
                return Health("Unknown", answer)
            if answer:
                return Health(status, "judged by its expressions")
        return Health("InProgress", "none of its expressions holds")
