"""`create alert`, `create alert-provider` and `create receiver`: who is told what, and who may tell us."""

import re
from dataclasses import dataclass
from typing import Any

from fleetloop.cli.chart_names import object_name
from fleetloop.cli.columns import text_at
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import CreateOptions, apply_and_wait, check_name, export, name_ref, timeless_manifest
from fleetloop.cli.create_secret_others import RECEIVERS
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import choice
from fleetloop.cli.subjects import BY_NAME
from fleetloop.kube.objects import Manifest

_REFERENCE = re.compile(r"[^/]+/[^/]+")


@dataclass(frozen=True)
class CreateAlert(Command):
    """Create or update an Alert.

    Examples:
      fleetloop create alert apps --provider-ref=chat --event-severity=error --event-source=Kustomization/apps
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    provider_ref: str = flag("--provider-ref", help="the provider that is told")
    event_severity: str = flag("--event-severity", help="info or error")
    event_source: tuple[str, ...] = flag("--event-source", help="whose events are told, as in kind/name[.namespace]")

    def check(self) -> None:
        check_name(self.name)
        if not self.provider_ref:
            raise UsageError("provider ref is required")
        self._sources()
        if not self.event_source:
            raise UsageError("at least one event source is required")
        self.common.labels()

    def run(self, cx: Context) -> None:
        spec = {
            "providerRef": name_ref(self.provider_ref),
            "eventSeverity": self.event_severity,
            "eventSources": self._sources(),
        }
        if _create(cx, "Alert", self.name, self.common, spec):
            cx.say.success(f"Alert {self.name} is ready")

    def _sources(self) -> list[dict[str, str]]:
        """Raises UsageError."""
        return [object_name(_checked(text)).ref() for text in self.event_source]


@dataclass(frozen=True)
class CreateAlertProvider(Command):
    """Create or update a Provider, which passes alerts on.

    Examples:
      fleetloop create alert-provider chat --type=slack --channel=ops --secret-ref=slack-token
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    type: str = flag("--type", help="what it passes alerts on to")
    channel: str = flag("--channel", help="the channel there")
    username: str = flag("--username", help="the name to appear by there")
    address: str = flag("--address", help="its address")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with its token or address")

    def check(self) -> None:
        check_name(self.name)
        if not self.type:
            raise UsageError("Provider type is required")
        self.common.labels()

    def run(self, cx: Context) -> None:
        spec = {
            "type": self.type,
            "channel": self.channel,
            "username": self.username,
            "address": self.address,
            "secretRef": name_ref(self.secret_ref),
        }
        if _create(cx, "Provider", self.name, self.common, spec):
            cx.say.success(f"Provider {self.name} is ready")


@dataclass(frozen=True)
class CreateReceiver(Command):
    """Create or update a Receiver, which takes webhooks.

    Examples:
      fleetloop create receiver github --type=github --event=push --secret-ref=webhook-token --resource=GitRepository/apps
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    type: str = flag("--type", type=choice("receiver type", *RECEIVERS), help="who calls")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with the token")
    event: tuple[str, ...] = flag("--event", help="the events that count")
    resource: tuple[str, ...] = flag("--resource", help="what is reconciled, as in kind/name")

    def check(self) -> None:
        check_name(self.name)
        if not self.type:
            raise UsageError("Receiver type is required")
        if not self.secret_ref:
            raise UsageError("secret ref is required")
        self._resources()
        if not self.resource:
            raise UsageError("atleast one resource is required")
        self.common.labels()

    def run(self, cx: Context) -> None:
        spec = {
            "type": self.type,
            "events": list(self.event),
            "resources": self._resources(),
            "secretRef": name_ref(self.secret_ref),
        }
        if done := _create(cx, "Receiver", self.name, self.common, spec):
            cx.say.success(f"Receiver {self.name} is ready")
            cx.say.success(f"generated webhook URL {text_at(done, 'status', 'webhookPath')}")

    def _resources(self) -> list[dict[str, str]]:
        """Raises UsageError. A dot belongs to the name, other than in --event-source."""
        pairs = [_checked(text).split("/") for text in self.resource]
        return [{"kind": kind, "name": name} for kind, name in pairs]


def _checked(text: str) -> str:
    """Raises UsageError."""
    if not _REFERENCE.fullmatch(text):
        raise UsageError(f"invalid event source '{text}', must be in format <kind>/<name>")
    return text


def _create(cx: Context, kind_name: str, name: str, common: CreateOptions, spec: dict[str, Any]) -> Manifest | None:
    """The object once it is ready; None where it was only printed."""
    kind = BY_NAME[kind_name]
    manifest = timeless_manifest(cx, kind, name, common, spec)
    if common.export:
        export(cx, manifest)
        return None
    cx.say.generate(f"generating {kind_name}")
    return apply_and_wait(cx, kind, manifest, kind_name)
