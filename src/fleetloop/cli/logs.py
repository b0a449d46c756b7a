"""`logs`: the controllers' log lines, filtered by the object they are about."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from fleetloop.api.names import DEFAULT_NAMESPACE, PART_OF_LABEL
from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import DURATION, choice, quoted
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest
from fleetloop.task_group import TaskGroup

if TYPE_CHECKING:
    from fleetloop.kube import Kube

CONTAINER = "manager"  # the controller's, when a pod has several
_LEVEL = choice("log level", "debug", "info", "error")


@dataclass(frozen=True)
class Logs(Command):
    """Display formatted logs of the controllers.

    Examples:
      fleetloop logs --kind=Kustomization --name=apps --level=error
      fleetloop logs --all-namespaces --follow --since=10m
    """

    words: tuple[str, ...] = argument(many=True, usage="")
    all_namespaces: bool = flag("--all-namespaces", "-A", help="show lines about objects of all namespaces, and about none")
    flux_namespace: str = flag("--flux-namespace", default=DEFAULT_NAMESPACE, help="the namespace the controllers run in")
    follow: bool = flag("--follow", "-f", help="print lines as they are written")
    kind: str = flag("--kind", help="show lines about objects of this kind")
    name: str = flag("--name", help="show lines about objects of this name")
    level: str = flag("--level", type=_LEVEL, help="show lines of this level")
    since: float = flag("--since", type=DURATION, help="show lines newer than a duration, as in 5m")
    since_time: str = flag("--since-time", help="show lines written after a time (RFC 3339)")
    tail: int = flag("--tail", default=-1, help="so many of the latest lines of each controller; -1 for all")

    def check(self) -> None:
        if self.words:
            raise UsageError("no argument required")
        if self.since and self.since_time:
            raise UsageError("at most one of `sinceTime` or `sinceDuration` may be specified")
        if self.since_time and not _is_rfc3339(self.since_time):
            raise UsageError(f"{self.since_time} is not a valid (RFC3339) time")

    async def run(self, cx: Context) -> None:
        namespace = None if self.all_namespaces else cx.namespace
        async with cx.kube() as kube:
            pods = await controller_pods(kube, self.flux_namespace)
            if not pods:
                raise CliError(f"no Flux pods found in namespace {quoted(self.flux_namespace)}")
            if self.follow:
                async with TaskGroup() as group:
                    reading = [group.create_task(self._print(cx, kube, pod, namespace)) for pod in pods]
                complete = all(task.result() for task in reading)
            else:
                complete = all([await self._print(cx, kube, pod, namespace) for pod in pods])
        if not complete:
            raise CliError("failed to collect logs from all Flux pods")

    async def _print(self, cx: Context, kube: "Kube", pod: Manifest, namespace: str | None) -> bool:
        """False when the pod's log cannot be had; the reason is told, and the other pods' logs go on."""
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"
        try:
            async with kube.stream(path, self._parameters(pod)) as lines:
                async for line in lines:
                    self._print_line(cx, line, namespace)
        except (ApiError, Unreachable) as error:
            cx.say.stream.write(f"failed getting logs: {error}\n")
            return False
        return True

    def _print_line(self, cx: Context, line: bytes, namespace: str | None) -> None:
        if not line.startswith(b"{"):
            return
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            cx.say.failure(f"parse error: {error}")
            return
        if self._wants(entry, namespace):
            cx.print(line_of(entry))

    def _wants(self, entry: dict[str, Any], namespace: str | None) -> bool:
        """⚠ CLI40: a line about no object has no namespace, so it shows only with -A."""
        return (
            self.level in {"", entry.get("level")}
            and (not self.kind or self.kind.lower() == kind_of_entry(entry).lower())
            and (not self.name or self.name.lower() == str(entry.get("name") or "").lower())
            and (namespace is None or (entry.get("namespace") or "") == namespace)
        )

    def _parameters(self, pod: Manifest) -> dict[str, str]:
        containers = at(pod, "spec", "containers") or []
        found = {"follow": "true"} if self.follow else {}
        if len(containers) > 1:
            found["container"] = CONTAINER
        if self.since:
            found["sinceSeconds"] = str(math.ceil(self.since))
        if self.since_time:
            found["sinceTime"] = self.since_time
        if self.tail >= 0:
            found["tailLines"] = str(self.tail)
        return found


async def controller_pods(kube: "Kube", namespace: str) -> list[Manifest]:
    """One pod for each controller's Deployment: the one a person would look at."""
    found = []
    for deployment in await kube.list("apps/v1", "Deployment", namespace, f"{PART_OF_LABEL}=flux"):
        labels = at(deployment, "spec", "selector", "matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        if pods := await kube.list("v1", "Pod", namespace, selector):
            found.append(max(pods, key=_liveliness))
    return found


def _liveliness(pod: Manifest) -> tuple[bool, int, bool, str]:
    """Scheduled, running and ready before others; of equals the newest."""
    phase = ("Failed", "Succeeded", "Pending", "Unknown", "Running")
    status = at(pod, "status", "phase")
    return (
        bool(at(pod, "spec", "nodeName")),
        phase.index(status) if status in phase else -1,
        (condition(pod, "Ready") or {}).get("status") == "True",
        pod["metadata"].get("creationTimestamp") or "",
    )


def kind_of_entry(entry: dict[str, Any]) -> str:
    return str(entry.get("reconciler kind") or entry.get("controllerKind") or "")


def line_of(entry: dict[str, Any]) -> str:
    """`<time> <level> <kind>/<name>.<namespace> - <message> <error>`; a line without error ends with a space."""
    name = f"/{entry['name']}.{entry.get('namespace') or ''}" if entry.get("name") else ""
    subject = kind_of_entry(entry) + name
    return f"{entry.get('ts') or ''} {entry.get('level') or ''} {subject} - {entry.get('msg') or ''} {entry.get('error') or ''}"


def _is_rfc3339(text: str) -> bool:
    try:
        return "T" in text.upper() and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
